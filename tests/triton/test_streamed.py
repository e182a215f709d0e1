"""Products whose program instances take one tile after the other, by descriptors: the bits of `matmul.dot`, in the
interpreter and, with descriptors that the compiler turns into loads, in the emulator of sm_80. What Triton makes of
them for GPUs that have descriptors is read; no such GPU has run it."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from triton_cases import TARGETS, Recorder

import accel
from accel.backends.base import Call
from accel.conversion import from_numpy, to_numpy
from accel.dtypes import TABLE
from accel.kernels.triton import matmul, matmul_streamed
from accel.layout import layout
from accel.ops.primitive.matmul import Product
from accel.scalar import ProgramBuilder

STALE = 77


@pytest.fixture
def small(monkeypatch):
    """A GPU that takes 2 tiles at once."""
    monkeypatch.setattr(matmul_streamed, "FILLED", 2)


def finishing(accumulator, dtype):
    """max(total + extra, 0)."""
    build = ProgramBuilder(accumulator, dtype)
    total = build.apply("add", *build.inputs)
    return build.finish(build.apply("relu", total), dtype)


def laid(rng, device, shape, dtype, turned, shift):
    """A matrix whose rows (turned: columns) begin at multiples of 16 bytes from the first, which begins so many
    elements behind one."""
    height, width = shape[::-1] if turned else shape
    pitch = -(-width // 16) * 16
    size = height * pitch + shift
    numbers = rng.integers(-9, 9, size) if dtype == "int8" else rng.standard_normal(size)
    whole = from_numpy(numbers.astype(TABLE[dtype].numpy), device)
    x = whole.view((height, width), (pitch, 1), shift)
    return x.permute((1, 0)) if turned else x


def config_of(device, dtype, out, tile):
    config = matmul.choose(device, TABLE[dtype], TABLE[out], 128, 128, "default")
    return replace(config, tile=tile, num_warps=4)


def result_of(device, inputs, out, config, epilogue=None):
    """The result by a config, none of which was there before; and the launch."""
    (m, _), (_, n) = inputs[0].shape, inputs[1].shape
    stale = np.full((m, n), STALE).astype(TABLE[out].numpy)
    result = from_numpy(stale, device, copy=True)
    call = Call("matmul", tuple(x.layout for x in inputs), (result.layout,), Product(epilogue), device, None)
    made = matmul.multiply(call, config, few=0)
    (launch,) = made.launches
    launch.on(inputs, [result], [accel.empty((n,), dtype="uint8", device=device) for n in made.scratch])
    got = to_numpy(result)
    assert (got != stale).mean() > 0.5
    return got, launch


def compared(device, inputs, out, config, epilogue=None):
    """Both results are the same bits; the launch of the one by streams."""
    want, _ = result_of(device, inputs, out, config, epilogue)
    got, launch = result_of(device, inputs, out, replace(config, stream=matmul_streamed.SHARED_WORK), epilogue)
    assert got.tobytes() == want.tobytes()
    assert launch.code.name == "streamed" and launch.operands[-1].kind == "scratch"
    return launch


@given(
    st.integers(2, 50), st.integers(2, 50), st.integers(1, 40), st.sampled_from(("float16", "bfloat16", "int8")),
    st.booleans(), st.booleans(), st.sampled_from((0, 0, 3)), st.booleans(), st.integers(0, 99),
)  # fmt: skip
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_bits_are_those_without_streams(small, m, n, k, dtype, a_turned, b_turned, shift, finish, seed):
    """Of 2 program instances, each with up to 8 tiles, in the interpreter."""
    rng, device = np.random.default_rng(seed), accel.device("triton:interpreter")
    out = "int32" if dtype == "int8" else dtype
    a, b = laid(rng, device, (m, k), dtype, a_turned, shift), laid(rng, device, (k, n), dtype, b_turned, 0)
    inputs, epilogue = [a, b], None
    if finish and dtype != "int8":
        inputs.append(laid(rng, device, (m, n), dtype, False, 0))
        epilogue = finishing("float32", dtype)
    config = config_of(device, dtype, out, (16, 16, 16))
    launch = compared(device, inputs, out, config, epilogue)
    assert launch.grid == (min(2, -(-m // 16) * -(-n // 16)),)


@pytest.mark.parametrize("shift", [0, 3])
@pytest.mark.parametrize(("dtype", "a_turned", "b_turned"), [("float16", 0, 1), ("bfloat16", 1, 0), ("int8", 0, 0)])
@pytest.mark.parametrize("name", ["triton:emulated-sm_80", pytest.param("triton:0", marks=pytest.mark.gpu)])
def test_machine_code_gives_the_same_bits(small, name, dtype, a_turned, b_turned, shift):
    """Compiled for sm_80, where a descriptor is loads; of operands that begin at a multiple of 16 bytes, and not."""
    rng, device = np.random.default_rng(3), accel.device(name)
    a = laid(rng, device, (70, 90), dtype, a_turned, shift)
    b = laid(rng, device, (90, 100), dtype, b_turned, 0)
    out = "int32" if dtype == "int8" else dtype
    compared(device, [a, b], out, config_of(device, dtype, out, (32, 32, 32)))


def call_on(device, m=4096, n=4096, k=1024, dtype="float16", out="float16", a=None, b=None, numerics="default"):
    """A product of matrices whose strides are a and b, or those of rows without gaps."""
    like = TABLE[dtype]
    inputs = (layout(like, (m, k), a, device), layout(like, (k, n), b, device))
    return device.call("matmul", inputs, (layout(TABLE[out], (m, n), None, device),), Product(None), numerics)


def ways(architecture, **given):
    call = call_on(Recorder(architecture), **given)
    return matmul_streamed.ways(call, matmul._computed(call))


def test_what_is_streamed():
    """And the choices of `accel tune` have it; the computed one never does."""
    for architecture, found in (("sm_80", ()), ("sm_89", ()), ("sm_90", (1,)), ("sm_100", (1, 2)), ("gfx942", ())):
        assert ways(architecture) == found
        call = call_on(Recorder(architecture))
        choices = matmul._choices(call)
        assert {choice[-1] for choice in choices} == {0, *found} and choices[0][-1] == 0
        assert len(choices) < 100
    for refused in (
        {"m": 128, "n": 128}, {"k": 1001}, {"b": (4100, 1)}, {"b": (1, 1030)}, {"a": (2048, 2)}, {"b": (0, 1)},
        {"dtype": "float32", "out": "float32"}, {"numerics": "reproducible"}, {"dtype": "float64", "out": "float64"},
        {"m": 1 << 20}, {"dtype": "int8", "out": "int32", "k": 70000},
    ):  # fmt: skip
        assert ways("sm_90", **refused) == (), refused
    for taken in (
        {"b": (1, 1024)}, {"a": (1, 4096), "b": (1, 1024)}, {"b": (4104, 1)}, {"n": 4097, "b": (4104, 1)},
        {"dtype": "int8", "out": "int32"},
    ):  # fmt: skip
        assert ways("sm_90", **taken) == (1,), taken
    for architecture, name in itertools.product(UNIT, CALLS):
        assert streamed_choices(architecture, name)


UNIT = {"sm_90": "wgmma.mma_async", "sm_100": "tcgen05.mma"}
COPY = "cp.async.bulk.tensor.2d.shared"
SHARED = 227 << 10
CALLS = {
    "float16": {}, "float16 along k": {"b": (1, 1024)}, "bfloat16 to float32": {"dtype": "bfloat16", "out": "float32"},
    "int8": {"dtype": "int8", "out": "int32"}, "float32, fast": {
        "dtype": "float32", "out": "float32", "numerics": "fast", "b": (1, 1024),
    },
}  # fmt: skip


def made_for(architecture, name, choice):
    device = Recorder(architecture)
    matmul._prepared(call_on(device, **CALLS[name]), choice)
    (what,) = device.prepared
    return what


def streamed_choices(architecture, name):
    return [c for c in matmul._choices(call_on(Recorder(architecture), **CALLS[name])) if c[-1]]


@pytest.mark.parametrize("architecture", UNIT)
@pytest.mark.parametrize("name", ["float16", *(pytest.param(x, marks=pytest.mark.slow) for x in list(CALLS)[1:])])
def test_tiles_are_copied_by_descriptors(name, architecture):
    """Both operands, and nothing is loaded in another way, where all begin at multiples of 16 bytes; else nothing by
    descriptors. The control is the kernel without streams."""
    choices = streamed_choices(architecture, name)
    computed = matmul._default(call_on(Recorder(architecture), **CALLS[name]))
    its = made_for(architecture, name, computed).compile(TARGETS[architecture], True).asm["ptx"]
    assert COPY not in its and "cp.async.cg" in its
    for way in {choice[-1] for choice in choices}:
        choice = next(c for c in choices if c[-1] == way)
        what = made_for(architecture, name, choice)
        aligned, other = (what.compile(TARGETS[architecture], each) for each in (True, False))
        text = aligned.asm["ptx"]
        assert UNIT[architecture] in text and text.count(COPY) >= 2
        assert "ld.global" not in text and "cp.async.cg" not in text
        assert 0 < aligned.metadata.global_scratch_size <= what.scratch
        assert COPY not in other.asm["ptx"] and UNIT[architecture] in other.asm["ptx"]
        assert other.metadata.global_scratch_size == 0
        divided = aligned.metadata.num_warps > other.metadata.num_warps
        assert divided == (way == matmul_streamed.DIVIDED_WORK)


@pytest.mark.parametrize("architecture", UNIT)
@pytest.mark.parametrize("name", [pytest.param(x, marks=pytest.mark.slow) for x in CALLS])
def test_every_choice_compiles(name, architecture):
    """And has the shared memory that it takes; none spills in its usual form."""
    for choice in streamed_choices(architecture, name):
        what = made_for(architecture, name, choice)
        for aligned in (True, False):
            kernel = what.compile(TARGETS[architecture], aligned)
            assert kernel.metadata.shared <= SHARED, choice

"""Products of many small matrices, of which a program instance has several; and of few rows or columns, whose tiles
have no more."""

from __future__ import annotations

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
from accel.kernels.triton import matmul, matmul_tiles
from accel.layout import layout
from accel.ops.primitive.matmul import Product
from accel.registry import OPS
from accel.scalar import ProgramBuilder
from accel.testing.compare import check, place

DTYPES = ("float32", "float64", "float16", "bfloat16", "int8", "int64", "uint16")


@pytest.fixture
def few(monkeypatch):
    """A GPU that is full of 3 program instances."""
    monkeypatch.setattr(matmul_tiles, "INSTANCES", 3)


def numbers(rng, dtype, shape):
    if TABLE[dtype].kind == "f":
        return (rng.standard_normal(shape) * 2.0 ** rng.integers(-9, 9, shape)).astype(TABLE[dtype].numpy)
    return rng.integers(0, 100, shape).astype(TABLE[dtype].numpy)


def computed(device, a, b, out, numerics="default"):
    """The config of a product of arrays, or of what has their shapes."""
    shape = (*a.shape[:-2], a.shape[-2], b.shape[-1])
    call = Call(
        "matmul", (a, b), (layout(TABLE[out], shape, None, device),), Product(), device, settings_of(numerics)
    )  # fmt: skip
    return matmul._computed(call), call


def settings_of(numerics):
    with accel.config(numerics=numerics):
        return accel.config.current()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(1, 8), st.integers(1, 8), st.sampled_from((0, 1, 2, 3, 8, 300)), st.integers(6, 40),
    st.sampled_from(DTYPES), st.booleans(), st.booleans(), st.integers(0, 99),
)  # fmt: skip
def test_several_to_an_instance(few, m, n, k, count, dtype, turned, one, seed):
    """The canonical bits, of matrices that lie either way, and where all are multiplied by the same one."""
    rng, device = np.random.default_rng(seed), accel.device("triton:interpreter")
    a = numbers(rng, dtype, (count, m, k))
    b = numbers(rng, dtype, (1 if one else count, *((n, k) if turned else (k, n))))
    b = b.mT if turned else b
    x, y = (place(array, device) for array in (a, b))
    like = layout(y.dtype, (count, k, n), None, device)
    config, _ = computed(device, x.layout, like, dtype)
    assert config.kernel == "several"
    check(OPS["matmul"], device, (a, b), {})


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "name", ["triton:emulated-sm_80", "triton:emulated-sm_90", pytest.param("triton:0", marks=pytest.mark.gpu)]
)
def test_machine_code(few, name, dtype):
    rng, device = np.random.default_rng(8), accel.device(name)
    check(OPS["matmul"], device, (numbers(rng, dtype, (3, 11, 5, 9)), numbers(rng, dtype, (11, 9, 8))), {})
    check(OPS["matmul"], device, (numbers(rng, dtype, (13, 2, 260)), numbers(rng, dtype, (13, 260, 3))), {})


def test_an_epilogue(few):
    """max(total + extra, 0), the extra one row for all; as the kernel of one matrix to an instance has it."""
    rng, device = np.random.default_rng(9), accel.device("triton:interpreter")
    build = ProgramBuilder("float32", "float32")
    program = build.finish(build.apply("relu", build.apply("add", *build.inputs)), "float32")
    a, b, bias = (from_numpy(numbers(rng, "float32", s), device) for s in ((20, 5, 7), (20, 7, 6), (6,)))
    bias = bias.view((20, 5, 6), (0, 0, 1))
    results = []
    for kernel in ("several", "chain"):
        out = from_numpy(np.full((20, 5, 6), np.nan, np.float32), device, copy=True)
        inputs = (a, b, bias)
        call = Call(
            "matmul", tuple(x.layout for x in inputs), (out.layout,), Product(program), device, settings_of("default")
        )  # fmt: skip
        config = matmul._computed(call)
        assert config.kernel == "several"
        if kernel == "chain":
            config = replace(config, kernel="chain", tile=(8, 8, 4))
        (launch,) = matmul.multiply(call, config).launches
        launch.on(inputs, [out])
        results.append(to_numpy(out))
    assert results[0].tobytes() == results[1].tobytes() and (results[0] > 0).any() and not np.isnan(results[0]).any()


def test_what_is_several():
    """Small matrices that are many; the choices of `accel tune` have further numbers of them."""
    device = Recorder("sm_90")

    def of(m, n, k, count, dtype="float32", numerics="default"):
        like = TABLE[dtype]
        shapes = ((count, m, k), (count, k, n))
        return computed(device, *(layout(like, s, None, device) for s in shapes), dtype, numerics)

    for m, n, count, together in (
        (8, 8, 1 << 20, 16), (8, 8, 2048, 8), (8, 8, 511, 1), (3, 5, 1 << 20, 32), (1, 1, 1 << 20, 1024),
        (9, 8, 1 << 20, 1),
    ):  # fmt: skip
        for dtype in DTYPES:
            config, _ = of(m, n, 8, count, dtype)
            assert (config.kernel == "several") == (together > 1), (m, n, count)
            assert together == 1 or config.tile[2] == together
    config, call = of(8, 8, 8, 1 << 20)
    choices = matmul._choices(call)
    assert choices[0] == matmul._default(call) and len(set(choices)) == len(choices) >= 6
    assert {choice[2] for choice in choices} == {8, 16, 32}


@pytest.mark.parametrize(("m", "n"), [(1, 300), (300, 1), (3, 260), (130, 7), (15, 15), (1, 1)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "int32"])
@pytest.mark.parametrize("numerics", ["default", "reproducible"])
@pytest.mark.parametrize("name", ["triton:emulated-sm_80", pytest.param("triton:0", marks=pytest.mark.gpu)])
def test_few_rows_or_columns(name, m, n, dtype, numerics):
    """Tiles of no more rows; over more than a chunk of k, with b either way."""
    rng, device = np.random.default_rng(4), accel.device(name)
    k = 270
    a, b = numbers(rng, dtype, (m, k)), numbers(rng, dtype, (k, n))
    with accel.config(numerics=numerics):
        for x in (b, np.ascontiguousarray(b.T).T):
            check(OPS["matmul"], device, (a, x), {})


@pytest.mark.parametrize("architecture", TARGETS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "int32"])
def test_tiles_are_as_thin_as_the_operands(architecture, dtype):
    device = Recorder(architecture)
    for m, n in ((1, 8192), (8192, 1), (5, 2000), (2000, 12)):
        shapes = ((m, 4096), (4096, n))
        config, _ = computed(device, *(layout(TABLE[dtype], s, None, device) for s in shapes), dtype, "reproducible")
        short = min(config.tile[:2])
        assert short == 1 << (min(m, n) - 1).bit_length() and max(config.tile[:2]) == (
            256 if max(m, n) == 8192 else 128
        )
        default, _ = computed(device, *(layout(TABLE[dtype], s, None, device) for s in shapes), dtype)
        assert min(default.tile[:2]) == (16 if dtype == "bfloat16" else short)

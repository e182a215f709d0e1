"""Products with quantised weights on the matrix units of Intel's GPUs, with the built-in written out in OpenCL C, on
Intel's CPU runtime. What ocloc makes of them: test_dpas_code.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from dpas_built_ins import written_out
from guard_pages import guard
from hypothesis import given, settings
from hypothesis import strategies as st

import accel
from accel.dtypes import TABLE, DType
from accel.kernels.opencl import build, dpas, dpas_quantized
from accel.ops.parameters import Quantized
from accel.ops.weight_formats import FORMATS, SUPER, code_values
from accel.registry import OPS
from accel.testing.compare import check, differing, place
from accel.testing.quantized_family import weights
from accel.testing.values import values

CHOOSE, SOURCE = dpas_quantized.choose, dpas_quantized._source
OP = OPS["quantized_matmul"]
SERVED = tuple(name for name, its in FORMATS.items() if its.minors != "minima")
FLOATS = ("float16", "bfloat16")
GROUPS = {16: (16, 32, 48, 272), 2: (2, 30, 300, 520)}
"""Lengths of several groups, which are whole tiles, and of one that is all."""


def declared(operand: DType, lanes: int, turned: int = 0) -> str:
    """What stands before `multiply` in place of the prototype: the built-in, and what it asks for."""
    text = "#define IN ushort\n#define ACC float\n#define MULTIPLY_ADD(a, b, c) fma(a, b, c)\n"
    text += build.function(build.cast(operand.name, "float32"), "load")
    return text + written_out(operand, lanes, turned)


@pytest.fixture(scope="module", params=[8, 16], ids=["dg2", "pvc"])
def units(request: pytest.FixtureRequest, backend: Any) -> Any:
    """A CPU device that is asked for sub-groups of a GPU's matrix units, in "fast". What reads past the end of a buffer
    ends the process."""
    import pyopencl as cl

    base = backend.device("intel")
    if base is None or not base.shuffles(request.param):
        pytest.skip(f"no OpenCL CPU device here has sub-groups of {request.param} that exchange registers")
    with pytest.MonkeyPatch.context() as patch, accel.config(numerics="fast"):
        patch.setattr(dpas, "declaration", declared)
        patch.setattr(dpas_quantized, "choose", lambda *given: dpas.Tiles(2, 2))
        device = backend.adopt(cl.CommandQueue(base.context))
        device.geometry, device.matrix_lanes = "lanes", request.param
        guard(device)
        yield device
    accel.dispatch.forget()


@pytest.fixture
def forget() -> Any:
    """Around a test that changes what plans are made of."""
    accel.dispatch.forget()
    yield
    accel.dispatch.forget()


def numbers(rng: np.random.Generator, dtype: str, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(TABLE[dtype].numpy)


def whole(rng: np.random.Generator, params: Quantized, dtype: str, m: int, k: int) -> list[np.ndarray]:
    """Operands of which every sum is exact in float32: small whole numbers, codes of such over 16, scales that are
    powers of two."""
    codes, scales, *minors = weights(rng, params, k)
    its = params.its
    if its.float is not None and its.bits == 8:
        number = code_values(its.codes)
        with np.errstate(invalid="ignore"):
            few = np.flatnonzero((np.abs(number) <= 16) & (number * 16 == np.rint(number * 16)))
        codes = rng.choice(few, codes.shape).astype(codes.dtype)
    if its.scales == "uint8":
        scales = rng.integers(126, 129, scales.shape).astype(np.uint8)
    else:
        scales = (rng.choice([-1, 1], scales.shape) * 2.0 ** rng.integers(-1, 2, scales.shape)).astype(scales.dtype)
    if its.super:
        minors = [rng.integers(-3, 4, minors[0].shape).astype(np.int8)]
    return [rng.integers(-9, 10, (m, k)).astype(TABLE[dtype].numpy), codes, scales, *minors]


def product(device: Any, params: Quantized, operands: list[np.ndarray]) -> np.ndarray:
    """What the matrix units make of operands in their own memory layouts."""
    placed = [place(x, device) for x in operands]
    assert accel.explain("quantized_matmul", params, *placed).runs == "opencl.dpas_quantized"
    return np.asarray(OP.function(params, *placed))


def differs(device: Any, params: Quantized, operands: list[np.ndarray]) -> bool:
    """Whether any bit is not the contract's."""
    return bool(differing(product(device, params, operands), OP.canonical(params, *operands)).any())


def sizes(name: str) -> list[tuple[int, int, int, int]]:
    """(m, n, k, group) past the edges of tiles, sub-groups and work-groups."""
    its = FORMATS[name]
    if its.group is not None:
        return [(75, 150, 2 * SUPER if its.super else 3 * its.group, its.group)]
    return [(75, 150, 96, 48), (17, 70, 600, 600), (40, 17, 18, 18)]


def turn(name: str, dtype: str) -> bool:
    return (SERVED.index(name) + FLOATS.index(dtype)) % 2 == 0


ALL = [
    pytest.param(name, dtype, marks=[] if turn(name, dtype) else [pytest.mark.slow])
    for name in SERVED
    for dtype in FLOATS
]


@pytest.mark.parametrize(("name", "dtype"), ALL)
def test_every_element_of_every_format(units: Any, name: str, dtype: str) -> None:
    """Exact sums have no order, so that the bits are those of the contract."""
    rng = np.random.default_rng(1)
    for m, n, k, group in sizes(name):
        params = Quantized(name, n, group, "float32")
        assert not differs(units, params, whole(rng, params, dtype, m, k))


@pytest.mark.parametrize("tiles", [dpas.Tiles(4, 2), dpas.Tiles(2, 2)], ids=["large", "small"])
def test_tiles_of_both_sizes(units: Any, tiles: dpas.Tiles, monkeypatch: pytest.MonkeyPatch, forget: None) -> None:
    monkeypatch.setattr(dpas_quantized, "choose", lambda *given: tiles)
    params = Quantized("int4", 90, 32, "bfloat16")
    assert not differs(units, params, whole(np.random.default_rng(2), params, "bfloat16", 70, 288))


def test_every_stride_and_no_step(units: Any) -> None:
    """Transposed, stepped and reversed x; no steps of k at all."""
    rng, params = np.random.default_rng(3), Quantized("int8", 70, 16, "float32")
    for turned in (lambda x: np.asfortranarray(x), lambda x: x[::-1, ::-1], lambda x: np.repeat(x, 3, 1)[:, ::3]):
        x, *rest = whole(rng, params, "float16", 40, 64)
        assert not differs(units, params, [turned(x), *rest])
    assert not product(units, params, whole(rng, params, "float16", 40, 0)).any()


FAULTS = {
    "the first run's scales": ("rest += COLUMNS;", ""),
    "a zero that is not taken off": ("(float)(whole - zero)", "(float)whole"),
    "the next group's scale": ("its_group = (size_t)", "its_group = (tile + 1 < depth) + (size_t)"),
    "both halves of a byte changed": ("s ? code >> 4 : code & 15", "s ? code & 15 : code >> 4"),
    "a step that is left out": ("if (step < g.k)", "if (step < g.k - 1)"),
}


@pytest.mark.parametrize("fault", [*FAULTS, "turned lanes"])
def test_a_fault_would_be_seen(units: Any, fault: str, monkeypatch: pytest.MonkeyPatch, forget: None) -> None:
    """The controls."""
    rng, params = np.random.default_rng(4), Quantized("int4", 33, 32, "float32")
    operands = whole(rng, params, "float16", 20, 96)
    assert not differs(units, params, operands)
    accel.dispatch.forget()
    if fault == "turned lanes":
        monkeypatch.setattr(dpas, "declaration", lambda operand, lanes: declared(operand, lanes, 1))
    else:
        was, instead = FAULTS[fault]

        def faulty(*given: Any) -> str:
            text = SOURCE(*given)
            assert was in text
            return text.replace(was, instead)

        monkeypatch.setattr(dpas_quantized, "_source", faulty)
    assert differs(units, params, operands)


@pytest.mark.parametrize(("name", "dtype"), ALL[::3])
def test_within_the_bound(units: Any, name: str, dtype: str) -> None:
    """Scales, zeros and x of every kind of number, codes of all values."""
    its, rng = FORMATS[name], np.random.default_rng(5)
    group = its.group or 32
    k = SUPER if its.super else 4 * group
    for regime, scales in (("normal", "normal"), ("wide", "wide"), ("normal", "special")):
        params = Quantized(name, 70, group, dtype)
        x = values(rng, TABLE[dtype], (40, k), regime)
        check(OP, units, (params, x, *weights(rng, params, k, scales)))


@pytest.mark.slow
@settings(max_examples=60)
@given(
    at=st.data(),
    m=st.sampled_from((17, 40, 75)),
    n=st.sampled_from((17, 33, 130)),
    seed=st.integers(0, 1 << 20),
    kinds=st.tuples(
        st.sampled_from(("normal", "tiny", "wide", "special", "huge", "cancelling")),
        st.sampled_from(("normal", "tiny", "wide", "special")),
    ),
)
def test_any_operands(units: Any, at: st.DataObject, m: int, n: int, seed: int, kinds: tuple[str, str]) -> None:
    name, dtype = at.draw(st.sampled_from(SERVED)), at.draw(st.sampled_from(FLOATS))
    its, count = FORMATS[name], at.draw(st.sampled_from((1, 2, 3)))
    group = its.group or at.draw(st.sampled_from(GROUPS[16] if count > 1 else GROUPS[2]))
    k = SUPER * count if its.super else group * count
    params = Quantized(name, n, group, at.draw(st.sampled_from((dtype, "float32"))))
    rng = np.random.default_rng(seed)
    operands = (values(rng, TABLE[dtype], (m, k), kinds[0]), *weights(rng, params, k, kinds[1]))
    check(OP, units, (params, *operands))


def test_sums_keep_to_the_range_of_their_terms(units: Any, monkeypatch: pytest.MonkeyPatch, forget: None) -> None:
    """x next to bfloat16's largest number, times codes, would be infinite without their scale. The control: what
    float16 does, whose numbers are none such."""
    rng, params = np.random.default_rng(6), Quantized("int8", 33, 32, "float32")
    x, (codes, scales, zeros) = values(rng, TABLE["bfloat16"], (40, 64), "huge"), weights(rng, params, 64)
    operands = (params, x, codes, scales * np.float32(1e-9), zeros)
    check(OP, units, operands)
    accel.dispatch.forget()
    definitions = dpas_quantized.definitions
    monkeypatch.setattr(dpas_quantized, "definitions", lambda *given: {**definitions(*given), "BFLOAT16": 0})
    with pytest.raises(AssertionError, match="outside their bound"):
        check(OP, units, operands)


@pytest.mark.parametrize("dtype", FLOATS)
def test_numbers_that_are_none(units: Any, dtype: str) -> None:
    """Infinities and NaN of x, codes and scales make the same elements NaN or infinite as the contract's."""
    rng = np.random.default_rng(7)
    for name, group in (("e5m2", 32), ("int8", 64), ("mxfp4", 32), ("Q6_K", 16)):
        k = SUPER if FORMATS[name].super else 64
        params = Quantized(name, 40, group, "float32")
        x, codes, scales, *minors = whole(rng, params, dtype, 20, k)
        x[3, 5], x[18, k - 1], x[19, 0] = np.inf, np.nan, -np.inf
        if name == "mxfp4":
            scales[0, 0, 7] = 255
        else:
            scales[0, 0, [7, 8, 9]] = np.inf, -np.inf, np.nan
            scales[0, 0, 10] = 0
        if name == "e5m2":
            codes[0, 3, 11], codes[0, 3, 12], codes[0, 3, 13] = 0x7C, 0xFC, 0x7E
        assert not differs(units, params, [x, codes, scales, *minors]), name


def operands_of(name: str, m: int, n: int, k: int, group: int, dtype: str) -> list[np.ndarray]:
    """x, a packed weight's arrays, and a bias."""
    rng = np.random.default_rng(8)
    params = Quantized(name, n, group, dtype)
    return [numbers(rng, dtype, m, k), *weights(rng, params, k), numbers(rng, dtype, n)]


def test_linear(units: Any) -> None:
    """A packed weight, with a bias and an activation."""
    operands = operands_of("int4", 45, 70, 96, 32, "bfloat16")
    keywords = {"format": "int4", "outputs": 70, "group": 32, "activation": "silu"}
    placed = [place(x, units) for x in operands]
    assert "quantized_matmul by opencl.dpas_quantized" in str(accel.explain("packed_linear", *placed, **keywords))
    check(OPS["packed_linear"], units, tuple(operands), keywords)


def test_linear_of_quantised_activations(units: Any, monkeypatch: pytest.MonkeyPatch, forget: None) -> None:
    """Rows of x as int8: an integer product in every mode, of the contract's bits."""
    monkeypatch.setattr(dpas, "declaration", written_out)
    monkeypatch.setattr(dpas, "choose", lambda *given: dpas.Tiles(2, 2))
    for n in (70, 128):
        operands = operands_of("int8", 45, n, 300, 300, "float16")
        keywords = {"outputs": n, "activation": "relu"}
        placed = [place(x, units) for x in operands]
        for numerics in ("reproducible", "default"):
            with accel.config(numerics=numerics):
                assert "matmul by opencl.dpas:" in str(accel.explain("int8_linear", *placed, **keywords))
                check(OPS["int8_linear"], units, tuple(operands), keywords)


def test_what_serves(units: Any, device: Any) -> None:
    """In "fast" alone, 16-bit x and weights whose numbers are 16 bits; the rest as before, with the reason."""

    def runs(
        where: Any, why: str = "", dtype: str = "float16", name: str = "int8", m: int = 64, group: int = 32, **more: Any
    ) -> str:
        params, k = Quantized(name, 70, group, dtype), 2 * SUPER
        with accel.config(**more):
            shapes = zip(params.its.dtypes, params.shapes(k), strict=True)
            given = [accel.empty((m, k), dtype=TABLE[dtype], device=where)]
            given += [accel.empty(shape, dtype=its, device=where) for its, shape in shapes]
            explained = accel.explain("quantized_matmul", params, *given)
            assert why in str(explained)
            return explained.runs

    for name in SERVED:
        assert runs(units, name=name, group=FORMATS[name].group or 32) == "opencl.dpas_quantized"
    assert runs(units, dtype="bfloat16", group=512) == "opencl.dpas_quantized"
    other = "opencl.quantized_matmul"
    for numerics in ("default", "reproducible"):
        assert runs(units, f"an order of their own (ACCEL_NUMERICS={numerics})", numerics=numerics) == other
    assert runs(units, "float16 and bfloat16, not float32", dtype="float32") == other
    for name in ("Q4_K", "Q5_K"):
        assert runs(units, f"do not hold a weight of {name}", name=name) == other
    assert runs(units, "groups of 8 are no multiple of the 16 steps", group=8) == other
    assert runs(units, "costs more than 16 rows or columns gain", m=16) == other
    assert runs(device, "no cl_intel_subgroup_matrix_multiply_accumulate") == other


@given(tiles=st.integers(0, 99), ends=st.integers(0, 15), groups=st.sampled_from((1, 1, 2, 3, 7)))
def test_runs_cover_groups(tiles: int, ends: int, groups: int) -> None:
    """Whole runs of 256 steps at most, each of one group; zeros are added to fewer tiles than there are runs."""
    group = tiles * 16 + (ends if groups == 1 else 0)
    depth, run = dpas_quantized.run_of(group * groups, max(1, group))
    assert 1 <= run <= 16
    assert depth % run == 0
    assert depth * 16 >= group * groups
    if groups > 1:
        assert (depth, tiles % run) == (tiles * groups, 0)
    else:
        assert depth - -(-group // 16) < max(1, depth // run)


def test_tiles_that_fit() -> None:
    """Large ones where there is a sub-group for each compute unit."""
    assert CHOOSE(1024, 1024, 8, 512) is dpas_quantized.LARGE
    assert CHOOSE(256, 256, 8, 512) is dpas_quantized.SMALL
    assert dpas_quantized.LARGE.local_bytes(8) == 16 << 10
    assert dpas_quantized.LARGE.local_bytes(16) == 32 << 10

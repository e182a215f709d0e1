"""Products on the matrix units of Intel's GPUs, with the built-in written out in OpenCL C, on Intel's CPU runtime:
which lane holds which element, the edges, and what serves when. What ocloc makes of them: test_dpas_code.py."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from dpas_built_ins import written_out
from hypothesis import given, settings
from hypothesis import strategies as st

import accel
from accel.backends import opencl_query
from accel.dtypes import TABLE
from accel.kernels.opencl import dpas
from accel.ops import canonical
from accel.testing.compare import differing, place

CHOOSE = dpas.choose
TILES = (dpas.Tiles(4, 4), dpas.Tiles(2, 2))


@pytest.fixture(scope="module", params=[8, 16], ids=["dg2", "pvc"])
def units(request: pytest.FixtureRequest, backend: Any) -> Any:
    """A CPU device that is asked for sub-groups of a GPU's matrix units."""
    import pyopencl as cl

    base = backend.device("intel")
    if base is None or not base.shuffles(request.param):
        pytest.skip(f"no OpenCL CPU device here has sub-groups of {request.param} that exchange registers")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dpas, "declaration", written_out)
        patch.setattr(dpas, "choose", lambda *given: TILES[1])
        device = backend.adopt(cl.CommandQueue(base.context))
        device.geometry, device.matrix_lanes = "lanes", request.param
        yield device
    accel.dispatch.forget()


def operands(rng: np.random.Generator, dtype: str, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    row = TABLE[dtype]
    if row.kind == "f":
        return [rng.standard_normal(shape).astype(row.numpy) for shape in shapes]
    low, high = np.iinfo(row.numpy).min, np.iinfo(row.numpy).max
    return [rng.integers(low, high, shape, row.numpy, endpoint=True) for shape in shapes]


def product(device: Any, a: np.ndarray, b: np.ndarray, output: str) -> np.ndarray:
    """What the matrix units make of two matrices in their own memory layouts."""
    a, b = (place(x, device) for x in (a, b))
    assert accel.explain("matmul", a, b, dtype=TABLE[output]).runs == "opencl.dpas"
    return np.asarray(accel.matmul(a, b, dtype=TABLE[output]))


def check(device: Any, a: np.ndarray, b: np.ndarray, output: str) -> None:
    """The written-out built-in adds in the canonical order, so that the bits are those of ``reproducible``."""
    got = product(device, a, b, output)
    assert not differing(got, canonical.matmul(a, b, TABLE[output])).any()


DTYPES = (("float16", "float32"), ("bfloat16", "bfloat16"), ("int8", "int32"), ("uint8", "int16"))


@pytest.mark.parametrize(("dtype", "output"), DTYPES, ids=str)
def test_every_element_is_in_its_lane(units: Any, dtype: str, output: str) -> None:
    """Past every edge of tiles, sub-groups and work-groups; more than two chunks; one step of k, and none."""
    rng = np.random.default_rng(1)
    for m, n, k in ((75, 150, 600), (17, 300, 33), (150, 17, 256), (40, 33, 1), (17, 19, 0)):
        check(units, *operands(rng, dtype, (m, k), (k, n)), output)


@pytest.mark.parametrize("tiles", TILES, ids=["large", "small"])
def test_every_tile(units: Any, tiles: dpas.Tiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dpas, "choose", lambda *given: tiles)
    accel.dispatch.forget()
    check(units, *operands(np.random.default_rng(2), "float16", (70, 300), (300, 90)), "float16")
    accel.dispatch.forget()


def test_every_stride(units: Any) -> None:
    """Transposed, stepped and reversed operands, and batches in which either one is repeated."""
    rng = np.random.default_rng(3)
    a, b = operands(rng, "float16", (90, 70), (70, 90))
    check(units, a.T, b.T, "float32")
    check(units, a[::-2, ::3], b.T[:72:3, ::-2], "float32")
    for left, right in (((3, 1, 20, 50), (2, 50, 40)), ((20, 50), (3, 50, 40)), ((2, 3, 20, 50), (3, 50, 40))):
        check(units, *operands(rng, "int8", left, right), "int32")


@pytest.mark.slow
@settings(max_examples=15)
@given(m=st.integers(17, 90), n=st.integers(17, 90), k=st.integers(0, 530), seed=st.integers(0, 1 << 20), at=st.data())
def test_any_shape(units: Any, m: int, n: int, k: int, seed: int, at: st.DataObject) -> None:
    dtype, output = at.draw(st.sampled_from(DTYPES))
    a, b = operands(np.random.default_rng(seed), dtype, (k, m), (k, n))
    check(units, a.T, b, output)


def test_numbers_that_are_none(units: Any) -> None:
    """Infinities and NaN stay in their rows and columns: nothing past the edges is multiplied with them."""
    a, b = operands(np.random.default_rng(4), "float16", (19, 37), (37, 21))
    a[18, 36], a[3, 5], b[36, 20] = np.inf, np.nan, -np.inf
    check(units, a, b, "float32")


def test_epilogue(units: Any) -> None:
    """linear with a bias and an activation is one product, rounded once."""
    x, weight, bias = operands(np.random.default_rng(5), "bfloat16", (5, 9, 270), (39, 270), (39,))
    placed = [place(v, units) for v in (x, weight, bias)]
    assert "opencl.dpas" in str(accel.explain("linear", *placed, activation="silu"))
    got = np.asarray(accel.nn.linear(*placed, activation="silu"))
    with accel.config(numerics="reproducible"):
        want = np.asarray(accel.registry.OPS["linear"].canonical(x, weight, bias, activation="silu"))
    assert not differing(got, want).any()


@pytest.mark.parametrize(("dtype", "output"), DTYPES[::2], ids=str)
def test_a_turned_lane_would_be_seen(units: Any, dtype: str, output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: neighbouring lanes that exchange their words of a."""
    monkeypatch.setattr(dpas, "declaration", lambda operand, lanes: written_out(operand, lanes, 1))
    accel.dispatch.forget()
    a, b = operands(np.random.default_rng(6), dtype, (20, 64), (64, 20))
    assert differing(product(units, a, b, output), canonical.matmul(a, b, TABLE[output])).any()
    accel.dispatch.forget()


def test_what_serves(units: Any, device: Any) -> None:
    """Integers in every mode, 16-bit floats in all but "reproducible"; the rest, small products and other devices as
    before."""

    def runs(where: Any, dtype: str, m: int = 64, output: str | None = None, numerics: str = "default") -> str:
        with accel.config(numerics=numerics):
            a, b = (accel.empty(shape, dtype=TABLE[dtype], device=where) for shape in ((m, 64), (64, 64)))
            return accel.explain("matmul", a, b, dtype=TABLE[output or dtype]).runs

    for numerics in ("default", "fast", "reproducible"):
        ordered = numerics == "reproducible"
        assert runs(units, "float16", numerics=numerics) == ("opencl.matmul" if ordered else "opencl.dpas")
        assert runs(units, "bfloat16", numerics=numerics) == ("opencl.matmul" if ordered else "opencl.dpas")
        assert runs(units, "int8", output="int32", numerics=numerics) == "opencl.dpas"
        assert runs(units, "float32", numerics=numerics) == "opencl.matmul"
        assert runs(units, "int16", numerics=numerics) == "opencl.matmul"
        assert runs(units, "int8", output="int64", numerics=numerics) == "opencl.matmul"
        assert runs(units, "float16", m=16, numerics=numerics) == "opencl.matmul"
        assert runs(device, "float16", numerics=numerics) == "opencl.matmul"
        assert runs(device, "int8", numerics=numerics) == "opencl.matmul"


def test_which_devices_have_matrix_units() -> None:
    """The fewest lanes are 8 on Arc A and 16 on Data Center Max; Gen12LP has no such extension."""
    extensions = [*opencl_query.MATRIX, "cl_khr_fp16"]
    assert opencl_query.matrix_lanes(extensions, (8, 16, 32)) == 8
    assert opencl_query.matrix_lanes(extensions, (16, 32)) == 16
    assert opencl_query.matrix_lanes(extensions, (32,)) is None
    assert opencl_query.matrix_lanes(extensions, ()) is None
    for missing in opencl_query.MATRIX:
        assert opencl_query.matrix_lanes([e for e in extensions if e != missing], (8, 16, 32)) is None


def test_tiles_that_fit() -> None:
    """Large ones where there is a sub-group for each compute unit; small ones also where local memory is short."""

    def problem(m: int, n: int) -> Any:
        return SimpleNamespace(m=m, n=n, batch=(1,))

    assert CHOOSE(problem(1024, 1024), 8, 512) is dpas.LARGE
    assert CHOOSE(problem(256, 256), 8, 512) is dpas.SMALL
    assert dpas.LARGE.local_bytes(8) == 32 << 10
    assert dpas.LARGE.local_bytes(16) == 64 << 10

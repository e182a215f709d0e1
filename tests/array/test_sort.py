"""Sorting against NumPy's and Python's: order, ties, NaN and zeros, both directions, launches, and bad input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel import _cpu, registry
from accel.backends.base import Call
from accel.dtypes import FLOAT32, INT64, TABLE
from accel.layout import layout
from accel.ops import canonical
from accel.ops.parameters import Sort
from accel.ops.primitive.sort import first_places
from accel.testing.compare import differing

DTYPES = [d.name for d in TABLE.values() if d.name != "bfloat16"]
VALUES = [0.0, -0.0, 1.0, -1.0, float("inf"), -float("inf"), float("nan"), 5e-45, 3.0, 3.0]


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with accel.config(device="cpu"):
        yield


def order(x: list, descending: bool) -> list[int]:
    """By Python's stable sort on keys that tell zeros apart and have every NaN as the largest."""

    def key(i: int) -> tuple:
        value = x[i]
        if value != value:
            return (1, 0.0, 0)
        return (0, value, 0 if value != 0 else -1 if np.signbit(value) else 1)

    if not descending:
        return sorted(range(len(x)), key=key)
    places = sorted(range(len(x) - 1, -1, -1), key=key)
    return places[::-1]


@given(st.lists(st.sampled_from(VALUES), min_size=1, max_size=40), st.booleans())
def test_the_order(values, descending):
    x = accel.asarray(np.array(values, np.float32))
    want = order(values, descending)
    assert np.asarray(accel.argsort(x, descending=descending)).tolist() == want
    got = np.asarray(accel.sort(x, descending=descending))
    expected = np.array(values, np.float32)[want]
    assert np.array_equal(got, expected, equal_nan=True)  # of NaNs the payload is nobody's promise
    assert np.array_equal(np.signbit(got[got == got]), np.signbit(expected[got == got]))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1,), (700,), (3, 90), (90, 3), (2, 3, 40)])
def test_as_numpy(dtype, shape):
    made = np.random.default_rng(3).integers(0, 2 if dtype == "bool" else 50, shape)
    x = made.astype(dtype)
    for axis in range(-len(shape), len(shape)):
        array = accel.asarray(x)
        assert np.array_equal(np.asarray(accel.sort(array, axis=axis)), np.sort(x, axis))
        indices = np.asarray(accel.argsort(array, axis=axis))
        assert indices.dtype == np.int64 and np.array_equal(indices, np.argsort(x, axis, kind="stable"))
    if max(shape) > 1 and dtype != "bool":
        assert not np.array_equal(np.asarray(accel.argsort(accel.asarray(x))), np.argsort(x, kind="stable")[..., ::-1])


def test_long_rows_and_other_layouts():
    x = np.random.default_rng(4).standard_normal((3, 70000)).astype(np.float32)
    array = accel.asarray(x)
    assert np.array_equal(np.asarray(accel.sort(array)), np.sort(x))
    assert np.array_equal(np.asarray(accel.sort(array[:, ::-2])), np.sort(x[:, ::-2]))
    assert np.array_equal(np.asarray(accel.sort(array.T, axis=0)), np.sort(x.T, axis=0))
    with accel.config(num_threads=3):
        assert np.array_equal(np.asarray(accel.argsort(array)), np.argsort(x, kind="stable"))
    assert accel.sort(accel.zeros((0, 3))).shape == (0, 3)


@pytest.mark.parametrize("device", [str(d) for d in accel.devices() if d.backend in ("opencl", "triton")])
@pytest.mark.parametrize("kind", ["values", "indices"])
def test_few_launches(device, kind):
    """A row of 2^20: by what its kernel prepares, nothing is run."""
    its = accel.device(device)
    x = layout(FLOAT32, (1 << 20,), None, its)
    out = layout(INT64 if kind == "indices" else FLOAT32, (1 << 20,), None, its)
    call = Call("sort", (x,), (out,), Sort(kind, 0, False), its, accel.config.current())
    kernel = next(k for k in registry.kernels(its.backend) if k.op == "sort" and k.supports(call) is None)
    assert 1 < len(kernel.prepare(call).launches) <= 12


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: accel.sort(x, axis=2), IndexError, "axis"),
        (lambda x: accel.sort(x, axis=None), accel.ArgumentError, "sort: axis"),
        (lambda x: accel.argsort(x[0, 0]), IndexError, "axis"),
        (lambda x: accel.sort(x, descending="yes"), accel.ArgumentError, "sort: descending"),
        (lambda x: accel.argsort(x, stable=3), accel.ArgumentError, "argsort: stable"),
        (lambda x: accel.sort(x, dim=0), accel.ArgumentError, "axis"),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error, match=words):
        call(accel.ones((2, 3)))


@pytest.mark.parametrize("dtype", ["bool", "int8", "int16", "uint64", "float16", "float32", "float64"])
@pytest.mark.parametrize("n", [1, 255, 3000, 9000])
def test_the_first_places(dtype, n):
    """As many as are wanted, whatever way they are found."""
    x = np.random.default_rng(n).integers(0, 2 if dtype == "bool" else 90, (2, n)).astype(dtype)
    for count in sorted({1, n // 100 + 1, n // 10 + 1, n // 3 + 1, n}):
        for descending in (False, True):
            got = np.asarray(first_places(accel.asarray(x), count, descending))
            want = np.asarray(accel.argsort(accel.asarray(x), descending=descending))[:, :count]
            assert got.shape == (2, count) and np.array_equal(got, want)


@pytest.mark.parametrize("isa", _cpu.isas())
@pytest.mark.parametrize("dtype", [d.name for d in TABLE.values()])
def test_rows_of_few(dtype, isa):
    """Of every length that a network has, and one more; of fewer rows than lanes, and of more than a vector's; along
    either axis and backwards; with ties and special values."""
    rng = np.random.default_rng(len(dtype))
    with accel.config(cpu_isa=isa):
        for n in (1, 3, 8, 12, 16, 17, 29, 32, 33, 42, 56, 64, 65):
            for rows in ((1, 37), (7,))[n % 2] if isa != "baseline" else (9,):
                x = rng.integers(0, 2 if dtype == "bool" else 9, (rows, n))
                x = (x.astype(np.float32) - (4 if "u" not in dtype and dtype != "bool" else 0)).astype(
                    TABLE[dtype].numpy
                )
                if TABLE[dtype].kind == "f":
                    for value in (-0.0, np.nan, np.inf, -np.inf):
                        x[rng.random((rows, n)) < 0.1] = value
                for descending in (False, True):
                    order = canonical.argsort(x, 1, descending)
                    want = np.take_along_axis(x, order, 1)
                    array = accel.asarray(x)
                    assert np.array_equal(np.asarray(accel.argsort(array, descending=descending)), order)
                    assert identical(np.asarray(accel.sort(array, descending=descending)), want)
                    assert identical(np.asarray(accel.sort(array.T, axis=0, descending=descending)).T, want)
                    turned = accel.asarray(np.ascontiguousarray(x[:, ::-1]))[:, ::-1]
                    assert identical(np.asarray(accel.sort(turned, descending=descending)), want)
                    some = np.asarray(first_places(array, n // 3 + 1, descending))
                    assert np.array_equal(some, order[:, : n // 3 + 1])


def identical(x: np.ndarray, y: np.ndarray) -> bool:
    """Equal bits, but for those of NaN."""
    return not differing(x, np.ascontiguousarray(y)).any()


def test_rows_of_few_in_parts_and_threads():
    """More rows than one task has, and more than one axis of them."""
    x = np.random.default_rng(1).standard_normal((3, 1700, 2, 9)).astype(np.float32)
    for threads in (1, 3):
        with accel.config(num_threads=threads):
            array = accel.asarray(x)
            assert np.array_equal(np.asarray(accel.sort(array)), np.sort(x))
            assert np.array_equal(np.asarray(accel.sort(array[:, ::2])), np.sort(x[:, ::2]))
            assert np.array_equal(np.asarray(accel.argsort(array, axis=0)), np.argsort(x, 0))

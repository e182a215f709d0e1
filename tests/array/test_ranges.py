"""arange, linspace, eye, tril, triu, meshgrid and broadcast_arrays, by the array API standard's text."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel.array import Array
from accel.conversion import to_numpy
from accel.dtypes import TABLE

FLOATS = tuple(d for d in TABLE.values() if d.kind == "f")
INTEGERS = tuple(d for d in TABLE.values() if d.kind in "iu")


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with accel.config(device="cpu"):
        yield


def values(x: Array) -> list:
    assert type(x) is Array
    return to_numpy(x).tolist()


@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(-9, 9).filter(bool))
def test_integer_ranges(start, stop, step):
    x = accel.arange(start, stop, step)
    assert (x.dtype, values(x)) == (accel.int64, list(range(start, stop, step)))
    assert values(accel.arange(start)) == list(range(start))
    assert values(accel.arange(start, stop)) == list(range(start, stop))
    assert values(accel.arange(start, stop, step, dtype="float32")) == list(range(start, stop, step))


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_ranges_reach_the_ends_of_a_dtype(dtype):
    info = accel.iinfo(dtype)
    step = (info.max - info.min) // 5
    assert values(accel.arange(info.min, info.max, step, dtype=dtype)) == list(range(info.min, info.max, step))
    assert values(accel.arange(info.max, info.min, -step, dtype=dtype)) == list(range(info.max, info.min, -step))
    for wrong in ((info.max, info.max + 2), (info.min - 1, info.min + 1)):
        with pytest.raises(accel.DtypeError, match=f"is outside {dtype}"):
            accel.arange(*wrong, dtype=dtype)


@given(st.floats(-100, 100), st.floats(-100, 100), st.floats(0.5, 10), st.booleans(), st.sampled_from((*FLOATS, None)))
def test_float_ranges(start, stop, step, down, dtype):
    """A product and a sum in float64, and one rounding to the dtype."""
    step = -step if down else step
    x = accel.arange(start, stop, step, dtype=dtype)
    assert x.dtype is (dtype or accel.float32)
    assert x.shape == (max(0, math.ceil((stop - start) / step)),)
    info = accel.finfo(x.dtype)
    for i, got in enumerate(to_numpy(x).astype(np.float64).tolist()):
        moved = i * Fraction(step)
        exact = Fraction(start) + moved
        bound = Fraction(2) ** -52 * (abs(moved) + abs(exact)) + Fraction(info.eps) / 2 * abs(exact) * Fraction(1.001)
        assert abs(Fraction(got) - exact) <= bound + Fraction(info.smallest_normal) * Fraction(info.eps)


def test_one_float_makes_a_float_range():
    for x in (accel.arange(3.0), accel.arange(0, 3.0), accel.arange(0, 3, 1.0)):
        assert (x.dtype, values(x)) == (accel.float32, [0, 1, 2])
    assert values(accel.arange(accel.asarray(2), np.int8(5))) == [2, 3, 4]
    assert values(accel.arange(0.5, 4, dtype="int32")) == [0, 1, 2, 3]
    assert values(accel.arange(5, dtype="bfloat16", device="cpu")) == [0, 1, 2, 3, 4]
    assert str(accel.arange(3, device="null:0").device) == "null:0"


def test_ranges_that_are_none():
    for bad in ((0, 3, 0), (0, math.inf), (0, math.nan), (0.0, 1.0, 0.0)):
        with pytest.raises(accel.ShapeError, match="has no end"):
            accel.arange(*bad)
    for bad in (("a",), (None,), (0, 1j), ([1],)):
        with pytest.raises(accel.ArgumentError, match=r"arange: .*expected a number"):
            accel.arange(*bad)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.integers(0, 40), st.booleans(), st.sampled_from((*FLOATS, None)))
def test_linspace(start, stop, num, endpoint, dtype):
    x = accel.linspace(start, stop, num, dtype=dtype, endpoint=endpoint)
    assert (x.dtype, x.shape) == (dtype or accel.float32, (num,))
    got = to_numpy(x).astype(np.float64)
    with np.errstate(over="ignore"):
        want = np.linspace(start, stop, num, endpoint=endpoint).astype(x.dtype.numpy).astype(np.float64)
    finite = np.isfinite(want)
    assert (np.isfinite(got) == finite).all()
    room = accel.finfo(x.dtype).eps * np.abs(want[finite]) + 1e-9 * (abs(start) + abs(stop)) * 1e-6
    assert (np.abs(got[finite] - want[finite]) <= room + accel.finfo(x.dtype).smallest_normal).all()
    if num > 1 and endpoint:
        ends = to_numpy(accel.asarray([start, stop], dtype=x.dtype)).astype(np.float64)
        assert (got[[0, -1]] == ends).all()


def test_linspace_refuses():
    with pytest.raises(accel.ShapeError, match="num: expected no negative number, got -1"):
        accel.linspace(0, 1, -1)
    with pytest.raises(accel.DtypeError, match="expected a floating dtype, got int64"):
        accel.linspace(0, 1, 3, dtype="int64")
    with pytest.raises(accel.ArgumentError, match=r"num: expected an integer, got 2\.5"):
        accel.linspace(0, 1, 2.5)
    assert values(accel.linspace(2, 5, 1)) == [2]
    assert values(accel.linspace(0, 1, 5)) == [0, 0.25, 0.5, 0.75, 1]
    assert values(accel.linspace(0, 1, 4, endpoint=False)) == [0, 0.25, 0.5, 0.75]


@given(
    st.integers(0, 5),
    st.one_of(st.none(), st.integers(0, 5)),
    st.integers(-6, 6),
    st.sampled_from((*TABLE.values(), None)),
)
def test_eye(rows, columns, k, dtype):
    x = accel.eye(rows, columns, k=k, dtype=dtype)
    assert x.dtype is (dtype or accel.float32)
    assert (to_numpy(x).astype(np.float64) == np.eye(rows, columns, k)).all()
    assert x.shape == np.eye(rows, columns, k).shape


@given(
    st.sampled_from(((2, 3), (3, 3), (4, 1), (0, 2), (2, 3, 4), (1, 2, 2, 3))),
    st.integers(-4, 4),
    st.sampled_from(tuple(TABLE.values())),
)
def test_triangles(shape, k, dtype):
    source = (1 + np.arange(math.prod(shape)) % 100).reshape(shape).astype(dtype.numpy)
    for ours, theirs in ((accel.tril, np.tril), (accel.triu, np.triu)):
        for out in (ours(source, k=k), to_numpy(ours(accel.asarray(source), k=k))):
            assert (out.dtype, out.shape) == (source.dtype, shape)
            assert (out == theirs(source.astype(np.float64), k).astype(dtype.numpy)).all()


def test_triangles_forget_what_they_drop():
    x = accel.tril(np.full((2, 2), np.nan))
    assert x[0, 1] == 0
    assert np.isnan(x[[0, 1, 1], [0, 0, 1]]).all()
    with pytest.raises(accel.ShapeError, match="at least two axes"):
        accel.triu(np.ones(3))


@given(st.lists(st.integers(0, 3), max_size=4), st.sampled_from(("xy", "ij")))
def test_meshgrid(lengths, indexing):
    arrays = [np.arange(n, dtype=np.float32) + 10 * i for i, n in enumerate(lengths)]
    got, want = accel.meshgrid(*arrays, indexing=indexing), np.meshgrid(*arrays, indexing=indexing)
    assert type(got) is tuple
    assert len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        assert a.shape == b.shape
        assert (a == b).all()
    assert all(type(a) is Array for a in accel.meshgrid(*map(accel.asarray, arrays)))


def test_meshgrid_refuses():
    with pytest.raises(accel.ShapeError, match="arrays of one axis"):
        accel.meshgrid(np.ones((2, 2)))
    with pytest.raises(accel.ArgumentError, match="expected 'xy' or 'ij', got 'yx'"):
        accel.meshgrid(np.ones(2), indexing="yx")


def test_broadcast_arrays():
    a, b = np.ones((2, 1)), accel.ones((3,))
    first, second = accel.broadcast_arrays(a, b)
    assert (type(first), type(second)) == (np.ndarray, Array)
    assert first.shape == second.shape == (2, 3)
    assert np.shares_memory(first, a)
    assert accel.broadcast_arrays() == ()
    with pytest.raises(accel.ShapeError, match="broadcast_arrays"):
        accel.broadcast_arrays(np.ones(2), np.ones(3))

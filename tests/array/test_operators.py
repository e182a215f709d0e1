"""Operators: with Arrays, NumPy arrays and scalars on either side, and in place."""

from __future__ import annotations

import operator

import numpy as np
import pytest
from equality import same
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel.array import Array
from accel.conversion import from_numpy, to_numpy
from accel.dtypes import TABLE
from accel.testing.strategies import arrays, shapes

CPU = accel.device("cpu")


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with accel.config(device="cpu"):
        yield


ARITHMETIC = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow")
BITWISE = ("and_", "or_", "xor", "lshift", "rshift")
COMPARISON = ("eq", "ne", "lt", "le", "gt", "ge")
FUNCTION = {
    "add": accel.add, "sub": accel.subtract, "mul": accel.multiply, "truediv": accel.divide,
    "floordiv": accel.floor_divide, "mod": accel.remainder, "pow": accel.pow, "and_": accel.bitwise_and,
    "or_": accel.bitwise_or, "xor": accel.bitwise_xor,
    "lshift": accel.bitwise_left_shift, "rshift": accel.bitwise_right_shift, "eq": accel.equal, "ne": accel.not_equal,
    "lt": accel.less, "le": accel.less_equal, "gt": accel.greater, "ge": accel.greater_equal, "matmul": accel.matmul,
}  # fmt: skip


def operand(name: str) -> np.ndarray:
    return np.array([[1, 2, 3], [4, 5, 6]], np.int32 if name in BITWISE else np.float32)


@pytest.mark.parametrize("name", ARITHMETIC + BITWISE + COMPARISON)
def test_every_operator_is_its_function(name):
    act, function = getattr(operator, name), FUNCTION[name]
    a = operand(name)
    b = a[::-1] - 1
    x, y = from_numpy(a, CPU), from_numpy(b, CPU)
    scalar = 2 if name in BITWISE else 2.0
    for left, right in (
        (x, y),
        (x, b),
        (a, y),
        (x, scalar),
        (scalar, x),
        (x, a[0]),
        (a[0], x),
        (x, a.dtype.type(2)),
        (a.dtype.type(2), x),
    ):
        got = act(left, right)
        assert type(got) is Array, (type(left), type(right))
        assert same(to_numpy(got), np.asarray(function(left, right)))


def test_matrix_products():
    a = np.arange(6, dtype=np.float32).reshape(2, 3)
    x = from_numpy(a, CPU)
    for got in (x @ x.T, x @ a.T, a @ x.T):
        assert type(got) is Array
        assert to_numpy(got).tolist() == (a @ a.T).tolist()


def test_unary():
    x = accel.asarray([1.5, -2.0])
    assert to_numpy(-x).tolist() == [-1.5, 2]
    assert to_numpy(+x).tolist() == [1.5, -2]
    assert to_numpy(abs(x)).tolist() == [1.5, 2]
    assert to_numpy(~accel.asarray([0, 5])).tolist() == [-1, -6]
    assert to_numpy(~accel.asarray([True, False])).tolist() == [False, True]


@pytest.mark.parametrize("name", ARITHMETIC + BITWISE)
def test_in_place_is_out_of_place(name):
    act = getattr(operator, "i" + name.rstrip("_"))
    a = operand(name)
    for other in (a[::-1].copy(), a[0], a.dtype.type(2), 2, from_numpy(a[1], CPU)):
        x = from_numpy(a, CPU, copy=True)
        view = x[1:]
        want = to_numpy(FUNCTION[name](x, other))
        result = act(x, other)
        assert result is x
        assert x.dtype.numpy == a.dtype
        assert same(to_numpy(x), want)
        assert same(to_numpy(view), want[1:])


@given(st.data())
def test_in_place_on_views(data):
    dtype = data.draw(st.sampled_from(tuple(d for d in TABLE.values() if d.kind != "b")))
    source = data.draw(arrays(dtype, data.draw(shapes(most=3)), ("integers",)))
    base = np.array(source)
    x = from_numpy(base, CPU)
    key = tuple(slice(None, None, data.draw(st.sampled_from((1, 2, -1)))) for _ in base.shape)
    view = x[key]
    want = base.copy()
    want[key] = to_numpy(accel.add(view, view))
    view += view
    assert same(base, want)


def test_in_place_overlapping():
    x = accel.asarray(np.arange(6.0))
    x[1:] += x[:-1]
    assert to_numpy(x).tolist() == [0, 1, 3, 5, 7, 9]
    y = accel.asarray(np.arange(9.0).reshape(3, 3))
    y *= y.T
    assert to_numpy(y).tolist() == [[0, 3, 12], [3, 16, 35], [12, 35, 64]]


def test_in_place_products():
    x = accel.asarray(np.arange(4.0).reshape(2, 2))
    kept = x
    x @= np.array([[0.0, 1.0], [1.0, 0.0]])
    assert x is kept
    assert to_numpy(kept).tolist() == [[1, 0], [3, 2]]


def test_in_place_keeps_shape_and_dtype():
    x = accel.asarray([1, 2, 3], dtype="int32")
    with pytest.raises(accel.DtypeError, match=r"add: in place, int32\(3,\) would have to become float32\(3,\)"):
        x += 1.5
    with pytest.raises(accel.DtypeError, match="int64"):
        x += np.int64(1)
    with pytest.raises(accel.ShapeError, match=r"in place, int32\(3,\) would have to become int32\(2, 3\)"):
        x += np.ones((2, 3), np.int32)
    with pytest.raises(accel.DtypeError):
        x /= 2
    with pytest.raises(accel.ShapeError):
        x += np.ones(2, np.int32)
    with pytest.raises(accel.ArgumentError, match="stretched"):
        stretched = accel.broadcast_to(x, (2, 3))
        stretched += 1
    assert to_numpy(x).tolist() == [1, 2, 3]
    empty = accel.zeros((0, 3))
    empty += 1.0
    assert empty.shape == (0, 3)


def test_in_place_on_a_numpy_array_gives_an_array():
    """NumPy leaves its in-place operators to ours too, as the elements may be on another device."""
    a = np.ones(3, np.float32)
    kept = a
    a += accel.ones(3)
    assert type(a) is Array
    assert to_numpy(a).tolist() == [2, 2, 2]
    assert kept.tolist() == [1, 1, 1]


def test_comparisons_are_elements():
    x = accel.asarray([1.0, 2.0])
    assert to_numpy(x == x).tolist() == [True, True]
    assert to_numpy(np.array([1.0, 3.0], np.float32) != x).tolist() == [False, True]
    assert (x == "text") is False
    assert (x == None) is False  # noqa: E711
    assert (x != None) is True  # noqa: E711
    with pytest.raises(TypeError):
        x < None  # noqa: B015
    with pytest.raises(TypeError):
        hash(x)


def test_mixed_dtypes_promote():
    x = accel.asarray([1, 2], dtype="int8")
    assert (x + accel.asarray([1.0, 2.0])).dtype is accel.float32
    assert (x + accel.asarray([1, 2], dtype="int32")).dtype is accel.int32
    assert (x + 1).dtype is accel.int8
    assert (x + 1.0).dtype is accel.float32
    assert (x * True).dtype is accel.int8
    with pytest.raises(accel.DtypeError, match="uint64"):
        x + accel.asarray([1, 2], dtype="uint64")

"""Integer operations against Python's integers, for every width and sign."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.ptx.integers import bit_count, bit_length, divide, multiply_high, shift

DTYPES = [np.dtype(f"{k}{n}") for k in "iu" for n in (1, 2, 4, 8)]
dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=str)


def pairs(dtype: np.dtype) -> st.SearchStrategy[tuple[np.ndarray, np.ndarray]]:
    info = np.iinfo(dtype)
    number = st.one_of(st.integers(info.min, info.max), st.sampled_from([info.min, info.max, 0, 1, info.max - 1]))
    number = st.one_of(number, st.integers(0, 63).map(lambda s: info.max >> s), st.just(-1 if info.min else 1))
    return st.tuples(*(number.map(lambda v: np.array([v], dtype)) for _ in "ab"))


def wrapped(value: int, dtype: np.dtype) -> int:
    return int(np.array([value % (1 << 8 * dtype.itemsize)], f"u{dtype.itemsize}").view(dtype)[0])


@dtypes
@given(data=st.data())
def test_multiply_high(dtype: np.dtype, data: st.DataObject) -> None:
    a, b = data.draw(pairs(dtype))
    got = multiply_high(a, b)
    assert got.dtype == dtype and int(got[0]) == int(a[0]) * int(b[0]) >> 8 * dtype.itemsize


@dtypes
@given(data=st.data())
def test_divide(dtype: np.dtype, data: st.DataObject) -> None:
    a, b = data.draw(pairs(dtype))
    x, y = int(a[0]), int(b[0])
    if y == 0:
        quotient, remainder = -1, x
    else:
        quotient = abs(x) // abs(y) * (-1 if (x < 0) != (y < 0) else 1)
        remainder = x - quotient * y
    for op, want in (("div", quotient), ("rem", remainder)):
        got = divide(op, a, b)
        assert got.dtype == dtype and int(got[0]) == wrapped(want, dtype), (op, x, y)


@pytest.mark.parametrize("dtype", DTYPES[4:], ids=str)
@given(data=st.data())
def test_counting_bits(dtype: np.dtype, data: st.DataObject) -> None:
    a, _ = data.draw(pairs(dtype))
    assert bit_length(a)[0] == int(a[0]).bit_length() and bit_count(a)[0] == int(a[0]).bit_count()


@dtypes
@given(data=st.data())
def test_shift(dtype: np.dtype, data: st.DataObject) -> None:
    a, _ = data.draw(pairs(dtype))
    by = data.draw(st.one_of(st.integers(0, 70), st.just(0xFFFFFFFF)))
    amount = np.array([by], np.uint32)
    x, by = int(a[0]), min(by, 64)
    assert int(shift(a, amount, True)[0]) == wrapped(x << by, dtype)
    assert int(shift(a, amount, False)[0]) == x >> by


@pytest.mark.parametrize("fn", [bit_length, bit_count])
def test_shapes_and_constants(fn: Callable[[np.ndarray], np.ndarray]) -> None:
    got = fn(np.array([[0, 1], [3, 7]], np.uint8))
    assert got.tolist() == [[0, 1], [2, 3]]

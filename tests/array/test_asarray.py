"""asarray, by the array API standard's text."""

from __future__ import annotations

import array
import math

import ml_dtypes
import numpy as np
import pytest
from creating import DTYPES, sources, values
from equality import same
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel.conversion import to_numpy


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with accel.config(device="cpu"):
        yield


@pytest.mark.parametrize(
    ("obj", "dtype", "want"),
    [
        (True, "bool", True), (3, "int64", 3), (2.5, "float32", 2.5), ([], "float32", []), ([[]], "float32", [[]]),
        ([True, False], "bool", [True, False]), ([True, 2], "int64", [1, 2]), ([1, 2.5], "float32", [1, 2.5]),
        ([True, 2.5], "float32", [1, 2.5]), (((1, 2), (3, 4)), "int64", [[1, 2], [3, 4]]),
        (range(3), "int64", [0, 1, 2]), ([math.inf], "float32", [math.inf]), (-(2**63), "int64", -(2**63)),
    ],
)  # fmt: skip
def test_python_scalars_have_the_default_dtypes(obj, dtype, want):
    x = accel.asarray(obj)
    assert (x.dtype.name, values(x)) == (dtype, want)


@given(sources(), st.sampled_from([None, True, False]))
def test_a_numpy_array(source, copy):
    x = accel.asarray(source, copy=copy)
    assert (x.dtype.numpy, x.shape) == (source.dtype, source.shape)
    assert same(to_numpy(x), source)
    if source.size:
        assert np.shares_memory(to_numpy(x), source) == (copy is not True)


@given(sources(), st.sampled_from(DTYPES), st.sampled_from([None, True, False]))
def test_a_dtype_is_astype(source, dtype, copy):
    if copy is False and dtype.numpy != source.dtype:
        with pytest.raises(ValueError, match="copy=False"):
            accel.asarray(source, dtype=dtype, copy=copy)
        return
    x = accel.asarray(source, dtype=dtype, copy=copy)
    assert x.dtype is dtype
    assert same(to_numpy(x), accel.astype(source, dtype))


def test_an_array_of_ours():
    x = accel.ones(3)
    assert accel.asarray(x) is x
    assert accel.asarray(x, copy=False) is x
    assert accel.asarray(x, dtype="float32", device="cpu") is x
    y = accel.asarray(x, copy=True)
    y[0] = 5
    assert values(x) == [1, 1, 1]
    with pytest.raises(ValueError, match="copy=False"):
        accel.asarray(x, dtype="int8", copy=False)
    with pytest.raises(ValueError, match="copy=False"):
        accel.asarray(x, device="null:0", copy=False)
    assert str(accel.asarray(accel.ones(2, device="null:0")).device) == "null:0"


def test_copy_false_never_copies():
    for obj in (1, 2.0, [1.0], (True,), np.float32(1)):
        with pytest.raises(ValueError, match="copy=False"):
            accel.asarray(obj, copy=False)
    swapped = np.ones(3, ">f4")
    with pytest.raises(ValueError, match="copy=False"):
        accel.asarray(swapped, copy=False)
    with pytest.raises(ValueError, match="copy=False"):
        accel.asarray(np.ones(3), copy=False, device="null:0")


def test_buffers():
    source = array.array("d", [1, 2, 3])
    x = accel.asarray(source, copy=False)
    assert (x.dtype, values(x)) == (accel.float64, [1, 2, 3])
    x[0] = 7
    assert source[0] == 7
    assert values(accel.asarray(b"ab")) == [97, 98]
    assert accel.asarray(b"ab").buffer.readonly
    assert values(accel.asarray(bytearray(b"ab"))) == [97, 98]
    assert values(accel.asarray(memoryview(np.eye(2)))) == [[1, 0], [0, 1]]
    with pytest.raises(accel.DtypeError):
        accel.asarray(memoryview(np.ones(2, np.longdouble)))


class Protocol:
    """An object that only has one of the protocols."""

    def __init__(self, source, *names):
        self.source = source
        for name in names:
            setattr(self, name, getattr(source, name))


class HasArray:
    def __array__(self, dtype=None, copy=None):
        return np.arange(3)


def test_other_protocols():
    assert values(accel.asarray(HasArray())) == [0, 1, 2]
    assert values(accel.asarray(Protocol(np.arange(3.0), "__array_interface__"))) == [0, 1, 2]
    source = np.arange(3.0)
    x = accel.asarray(Protocol(source, "__dlpack__", "__dlpack_device__"))
    assert np.shares_memory(to_numpy(x), source)
    y = accel.asarray(Protocol(source, "__dlpack__", "__dlpack_device__"), device="null:0")
    assert str(y.device) == "null:0"


def test_scalars_that_have_a_dtype_keep_it():
    assert accel.asarray(np.float64(1)).dtype is accel.float64
    assert accel.asarray(np.int8(1)).dtype is accel.int8
    assert accel.asarray([np.float64(1), 2.0]).dtype is accel.float64
    assert accel.asarray([np.float16(1), np.float16(2)]).dtype is accel.float16
    assert accel.asarray([accel.ones((), dtype="int16"), accel.ones((), dtype="int16")]).dtype is accel.int16
    assert accel.asarray([1.0, np.float64(2)]).dtype is accel.float32
    assert values(accel.asarray([[np.uint8(1)], [np.uint8(2)]])) == [[1], [2]]


def test_what_a_dtype_does_not_hold():
    for obj, dtype in (
        ([300], "int8"), ([1, -1], "uint8"), (2**40, "int32"), (2**63, None), ([0, 2**64 - 1], None), (2**70, None),
        ([-1, 2**64 - 1], None), ([2**70], None), ([0.5, 2**70], "uint64"), (10**5000, None), ([10**5000], "int8"),
        (range(2**63, 2**63 + 2), None), (range(0, 2**70, 2**69), None), (range(3, 301, 99), "uint8"),
        ([-300.0], "int8"), ([1.5, math.nan], "int8"), ([math.inf], "int64"), (1e9, "int8"), (math.nan, "uint64"),
    ):  # fmt: skip
        with pytest.raises(accel.RangeError, match="is outside"):
            accel.asarray(obj, dtype=dtype)
    assert values(accel.asarray([0, 2**64 - 1], dtype="uint64")) == [0, 2**64 - 1]
    assert values(accel.asarray([0, 2**64 - 1], dtype="float32")) == [0, 2.0**64]
    assert values(accel.asarray([0, 2.0**64])) == [0, 2.0**64]
    assert values(accel.asarray([1.5, -128.9, 127.9], dtype="int8")) == [1, -128, 127]
    floats = accel.asarray([1.5, -300.0, math.nan, 1e9])
    assert values(accel.astype(floats, "int8")) == [1, -128, 0, 127], "a cast saturates, as the standard lets it"
    assert values(accel.asarray([2, 0, math.nan], dtype="bool")) == [True, False, True]
    assert values(accel.asarray([1e39], dtype="float32")) == [math.inf]


def test_numbers_are_rounded_once():
    number = 1 + 2**-8 + 2**-40
    assert values(accel.asarray([number], dtype="bfloat16")) == [1 + 2**-7]
    assert np.float32(number).astype(ml_dtypes.bfloat16) == 1  # rounding twice would show
    assert values(accel.asarray([2**60 + 2**52 + 1], dtype="bfloat16")) == [2**60 + 2**53]
    assert values(accel.full((1,), number, dtype="bfloat16")) == [1 + 2**-7]


def rounded(value: int, dtype) -> float:
    """An integer in a floating dtype: few enough digits for an exact float, the last of them 1 where more follow, and
    then one rounding by NumPy."""
    beyond = max(0, abs(value).bit_length() - (20 if dtype.itemsize == 2 else 40 if dtype.itemsize == 4 else 62))
    kept = abs(value) >> beyond
    exact = kept | (kept << beyond != abs(value))
    if dtype is accel.float64:
        exact = float(exact)  # of 62 digits: Python rounds it once
    narrow = np.array(exact, np.float32 if dtype.itemsize == 2 else np.float64).astype(dtype.numpy)
    with np.errstate(over="ignore"):
        return math.copysign(float(np.ldexp(np.float64(narrow), beyond).astype(dtype.numpy)), value)


@st.composite
def long_integers(draw, digits):
    """Integers of up to 200 bits, most of them next to the middle between two numbers of so many digits."""
    if draw(st.integers(0, 3)) == 0:
        return draw(st.integers(-(2**200), 2**200))
    kept, shift = draw(st.integers(2 ** (digits - 1), 2**digits - 1)), draw(st.integers(1, 150))
    value = (kept << shift) + (1 << (shift - 1)) + draw(st.sampled_from((-1, 0, 1)))
    return value * draw(st.sampled_from((1, -1)))


@given(st.data(), st.sampled_from([d for d in DTYPES if d.kind == "f"]))
def test_integers_are_rounded_once(data, dtype):
    value = data.draw(long_integers(accel.finfo(dtype).bits - {16: 5, 32: 8, 64: 11}[accel.finfo(dtype).bits]))
    value = data.draw(long_integers(8)) if dtype is accel.bfloat16 else value
    with np.errstate(over="ignore"):
        want = rounded(value, dtype)
    x = accel.zeros(3, dtype=dtype)
    x[1:] = value
    for got in (
        accel.asarray(value, dtype=dtype),
        accel.asarray([[value, 0.5]], dtype=dtype)[0, 0],
        accel.asarray([value, -1], dtype=dtype)[0],
        accel.full((2,), value, dtype=dtype)[1],
        accel.full_like(x, value)[1],
        accel.zeros(1, dtype=dtype) + value,
        accel.clip(accel.asarray([math.inf if value > 0 else -math.inf], dtype=dtype), -abs(value), abs(value)),
        x[1],
    ):
        assert (got.dtype, got.item()) == (dtype, want)


def test_rounding_integers_twice_would_show():
    """Control: the numbers of the test above are such that a rounding to float64 first gives another result."""
    value = 2**70 + 2**46 + 1
    assert np.float32(float(value)) == 2**70
    assert accel.asarray(value, dtype="float32").item() == rounded(value, accel.float32) == 2**70 + 2**47
    assert np.float32(np.float64(2**60 + 2**36 + 1)) == 2**60
    assert values(accel.asarray([2**60 + 2**36 + 1, 0.5], dtype="float32")) == [2**60 + 2**37, 0.5]
    assert values(accel.asarray([2**60 + 1, -0.5], dtype="int64")) == [2**60 + 1, 0]
    assert values(accel.asarray([2**70, 0, -0.0], dtype="bool")) == [True, False, False]


@pytest.mark.parametrize("dtype", [d for d in DTYPES if d.kind == "f"], ids=str)
def test_integers_at_the_end_of_a_floating_dtype(dtype):
    """From half a step above the largest number on, it is infinity."""
    digits = 8 if dtype is accel.bfloat16 else {2: 11, 4: 24, 8: 53}[dtype.itemsize]
    largest = int(accel.finfo(dtype).max)
    half = 1 << (largest.bit_length() - digits - 1)
    for sign in (1, -1):
        for value, want in (
            (largest, largest), (largest + half - 1, largest), (largest + half, math.inf), (10**400, math.inf),
            (10**5000, math.inf),
        ):  # fmt: skip
            assert accel.asarray(sign * value, dtype=dtype).item() == sign * want
            assert accel.full(1, sign * value, dtype=dtype)[0].item() == sign * want
            assert values(accel.asarray([sign * value, 0.5], dtype=dtype)) == [sign * want, 0.5]


def test_a_range_is_never_listed():
    """`len` counts to 2**63 only, and a list of as many numbers would be larger than their array."""
    big = range(2**63, 2**64, 2**62)
    assert values(accel.asarray(big, dtype="uint64")) == list(big)
    assert values(accel.asarray(big, dtype="float32")) == [2.0**63, 1.5 * 2**63]
    assert values(accel.asarray(range(5, -6, -5))) == [5, 0, -5]
    assert values(accel.asarray(range(0, 2**70, 2**69), dtype="float32")) == [0, 2.0**69]
    assert values(accel.asarray(range(3), dtype="bool")) == [False, True, True]
    x = accel.asarray(range(-(2**63), 2**63, 2**63 // 100_000))
    assert (x.size, x[-1].item()) == (200_001, -(2**63) + 200_000 * (2**63 // 100_000))
    with pytest.raises(accel.OutOfMemoryError):
        accel.asarray(range(2**58))


@pytest.mark.parametrize(
    "obj", ["a", None, ["a"], [None], [[1], [2, 3]], {1}, {"a": 1}, object(), [object()], [10**5000, None]]
)
def test_what_is_no_array(obj):
    with pytest.raises(accel.ArgumentError, match="asarray: obj"):
        accel.asarray(obj)


@pytest.mark.parametrize("dtype", ["float99", "complex32", object, str, "O", np.clongdouble, [("a", "f4")]])
def test_dtypes_that_there_are_not(dtype):
    for make in (
        lambda: accel.asarray(1, dtype=dtype),
        lambda: accel.zeros(2, dtype=dtype),
        lambda: accel.empty(2, dtype=dtype),
    ):
        with pytest.raises(accel.DtypeError, match="is not a dtype of accel"):
            make()

"""asarray and the creation functions, by the array API standard's text."""

from __future__ import annotations

import array
import math

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import accel
from accel.array import Array
from accel.conversion import to_numpy
from accel.dtypes import TABLE
from accel.testing.compare import differing
from accel.testing.strategies import arrays, shapes

DTYPES = tuple(TABLE.values())


def same(got, want) -> bool:
    """Shape, dtype and bits; every NaN is the same."""
    got, want = np.asarray(got), np.asarray(want)
    return (got.shape, got.dtype) == (want.shape, want.dtype) and not differing(got, want).any()


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with accel.config(device="cpu"):
        yield


def values(x: Array) -> list:
    assert type(x) is Array
    return to_numpy(x).tolist()


@st.composite
def sources(draw):
    return draw(arrays(draw(st.sampled_from(DTYPES)), draw(shapes())))


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


# the others


@pytest.mark.parametrize("dtype", [*DTYPES, None], ids=str)
@pytest.mark.parametrize("shape", [(), 3, (0, 2), (2, 3), [2, 1], np.int64(2), (np.int8(2),)], ids=str)
def test_zeros_ones_and_empty(dtype, shape):
    want = tuple(shape) if isinstance(shape, (tuple, list)) else (int(shape),)
    for make, value in ((accel.zeros, 0), (accel.ones, 1), (accel.empty, None)):
        x = make(shape, dtype=dtype)
        assert (x.shape, x.dtype, str(x.device)) == (want, dtype or accel.float32, "cpu")
        assert x.layout.contiguous
        if value is not None:
            assert (to_numpy(x) == value).all()


def test_full():
    for value, dtype in ((True, "bool"), (3, "int64"), (2.5, "float32")):
        x = accel.full((2,), value)
        assert (x.dtype.name, values(x)) == (dtype, [value] * 2)
    assert values(accel.full((2,), 3, dtype="float16")) == [3, 3]
    assert values(accel.full(2, np.float64(1.5))) == [1.5, 1.5]
    assert values(accel.full(2, accel.asarray(7))) == [7, 7]
    assert values(accel.full(2, -1.75, dtype="int8")) == [-1, -1]
    assert math.copysign(1, accel.full((), -0.0).item()) == -1
    assert math.copysign(1, accel.full((), 0.0).item()) == 1
    with pytest.raises(accel.DtypeError, match="fill_value: 300 is outside int8"):
        accel.full(2, 300, dtype="int8")
    with pytest.raises(accel.DtypeError, match="is outside int64"):
        accel.full(2, 2**63)
    for wrong in ("a", None, [1], object()):
        with pytest.raises(accel.ArgumentError, match="full: fill_value: expected a Python scalar"):
            accel.full(2, wrong)


def test_full_gives_memory_of_its_own():
    x, y = accel.full((), 4.5), accel.full((), 4.5)
    x[...] = 1
    assert (x.item(), y.item(), accel.full((), 4.5).item()) == (1, 4.5, 4.5)
    assert accel.add(accel.zeros(1), 4.5)[0].item() == 4.5


@pytest.mark.parametrize("like", [np.ones((2, 3), np.int16), accel.ones((2, 3), dtype="int16")], ids=["numpy", "array"])
def test_likes(like):
    for make, value in ((accel.zeros_like, 0), (accel.ones_like, 1), (lambda x, **k: accel.full_like(x, 7, **k), 7)):
        out = make(like)
        assert type(out) is type(like)
        assert np.asarray(out).dtype == np.int16
        assert np.asarray(out).tolist() == [[value] * 3] * 2
        assert np.asarray(make(like, dtype="float64")).dtype == np.float64
        there = make(like, device="null:0")
        assert (type(there), str(there.device)) == (Array, "null:0")
    assert np.asarray(accel.empty_like(like)).shape == (2, 3)
    assert type(accel.empty_like(like)) is type(like)


def test_likes_stay_on_a_device():
    x = accel.ones(3, device="null:0", dtype="int8")
    for make in (accel.zeros_like, accel.ones_like, accel.empty_like):
        assert (str(make(x).device), make(x).dtype) == ("null:0", accel.int8)


@pytest.mark.parametrize("shape", ["ab", 1.5, (1, None), None, (2, 1j), {2: 3}])
def test_shapes_that_are_none(shape):
    for make in (accel.zeros, accel.empty, lambda s: accel.full(s, 1), lambda s: accel.broadcast_to(accel.ones(1), s)):
        with pytest.raises(accel.ArgumentError, match="shape: expected integers"):
            make(shape)
    with pytest.raises(accel.ShapeError, match="no negative length"):
        accel.zeros((2, -1))


def test_more_axes_or_bytes_than_there_can_be():
    x = accel.ones((1,) * 64)
    for make in (
        lambda: accel.expand_dims(x, 0),
        lambda: x[None],
        lambda: accel.zeros((1,) * 65),
        lambda: accel.reshape(x, (1,) * 70),
    ):
        with pytest.raises(accel.ShapeError, match=r"at most 64 axes, not (65|70)"):
            make()
    one = accel.ones(1)
    for make in (
        lambda: accel.broadcast_to(one, (2**40, 2**40)),
        lambda: accel.empty(2**61),
        lambda: accel.zeros((2**63, 0)),
        lambda: accel.zeros((2**62, 2**62, 0)),
        lambda: accel.broadcast_to(accel.ones((0, 1)), (0, 2**62)),
    ):
        with pytest.raises(accel.ShapeError, match="more bytes than 63 bits count"):
            make()
    large = accel.broadcast_to(one, (2**30, 2**30))[::-1, 5:]
    assert large[7, -1].item() == 1


def test_more_memory_than_there_is():
    for make in (accel.empty, accel.zeros):
        with pytest.raises(accel.OutOfMemoryError, match="bytes were asked for"):
            make((1 << 40, 1 << 18))
    with pytest.raises(accel.OutOfMemoryError):
        accel.asarray(np.broadcast_to(np.float64(1), (1 << 30, 1 << 28)), copy=True)


def test_devices():
    assert str(accel.zeros(2, device="null:0").device) == "null:0"
    assert str(accel.zeros(2, device=accel.device("null:0")).device) == "null:0"
    with accel.config(device="null:0"):
        assert str(accel.zeros(2).device) == "null:0"
        assert str(accel.asarray([1]).device) == "null:0"
        assert str(accel.from_dlpack(np.ones(2)).device) == "cpu"
    with pytest.raises(accel.DeviceError):
        accel.zeros(2, device="nowhere")


def test_a_dtype_that_a_device_lacks_is_cast_before_it_moves(monkeypatch):
    null = accel.device("null:0")
    monkeypatch.setattr(type(null), "missing", lambda self, name: "no float64" if name == "float64" else None)
    x = accel.asarray(np.ones(3), dtype="float32", device=null)
    assert (x.dtype, x.device) == (accel.float32, null)


# views


@given(sources(), st.data())
def test_broadcast_to(source, data):
    shape = (*data.draw(st.sampled_from(((), (2,), (3, 1)))), *source.shape)
    out = accel.broadcast_to(source, shape)
    assert same(out, np.broadcast_to(source, shape))
    if source.size:
        assert np.shares_memory(out, source)
    if len(shape) > source.ndim and 0 not in shape:
        assert not out.flags.writeable


@given(sources(), st.data())
def test_permute_reshape_squeeze_expand(source, data):
    axes = tuple(data.draw(st.permutations(range(source.ndim))))
    assert same(accel.permute_dims(source, axes), source.transpose(axes))
    assert same(accel.reshape(source, (-1,) if source.size else (0,)), source.reshape(-1))
    axis = data.draw(st.integers(-source.ndim - 1, source.ndim))
    grown = accel.expand_dims(source, axis=axis)
    assert same(grown, np.expand_dims(source, axis))
    assert same(accel.squeeze(grown, axis), source)
    if source.ndim >= 2:
        assert same(accel.matrix_transpose(source), source.swapaxes(-1, -2))


@given(st.data())
def test_expand_dims(data):
    source = data.draw(sources())
    count = data.draw(st.integers(0, 3))
    ndim = source.ndim + count
    axes = tuple(a - ndim * data.draw(st.integers(0, 1)) for a in data.draw(st.permutations(range(ndim)))[:count])
    out = accel.expand_dims(source, axes)
    assert same(out, np.expand_dims(source, axes))
    assert same(accel.expand_dims(source, axis=list(axes)), out)
    assert type(accel.expand_dims(accel.asarray(source), axes)) is Array
    if source.size:
        assert np.shares_memory(out, source)
    if count == 1:
        assert same(accel.expand_dims(source, axes[0]), out)


def test_expand_dims_refuses():
    x = accel.ones((2, 3))
    with pytest.raises(TypeError, match="axis"):
        accel.expand_dims(x)
    for axis in (4, -4, (0, 4), (0, 0), (0, -4, 1), 2**63, 10**5000, (0, -(10**5000))):
        with pytest.raises(accel.AxisError, match="expand_dims: axis"):
            accel.expand_dims(x, axis)
    for axis in (None, 0.5, "0", (0, None), (0, 1.0)):
        with pytest.raises(accel.ArgumentError, match="expand_dims: axis: expected integers"):
            accel.expand_dims(x, axis)
    with pytest.raises(accel.ShapeError, match="at most 64 axes"):
        accel.expand_dims(x, tuple(range(63)))


@st.composite
def strided(draw):
    """A NumPy array whose axes are in any order, walked in either direction, with gaps, or stretched."""
    shape = draw(st.lists(st.sampled_from((1, 2, 3, 4, 6)), max_size=4))
    gaps = [draw(st.sampled_from((1, 1, 1, 2, -1))) for _ in shape]
    dense = np.arange(math.prod(n * abs(gap) for n, gap in zip(shape, gaps, strict=True)), dtype=np.float32)
    x = dense.reshape([n * abs(gap) for n, gap in zip(shape, gaps, strict=True)])
    x = x[(..., *(slice(None, None, gap) for gap in gaps))].transpose(draw(st.permutations(range(len(shape)))))
    return np.broadcast_to(x, (draw(st.sampled_from((2, 3))), *x.shape)) if draw(st.integers(0, 3)) == 0 else x


@st.composite
def shape_of(draw, size):
    """A shape of so many elements, at times with axes of length 1."""
    shape = []
    while size > 1:
        shape.append(draw(st.sampled_from([n for n in range(2, size + 1) if size % n == 0])))
        size //= shape[-1]
    for _ in range(draw(st.integers(0, 2))):
        shape.insert(draw(st.integers(0, len(shape))), 1)
    return tuple(shape)


@settings(max_examples=100)
@given(strided(), st.data(), st.sampled_from(["cpu", "null:0"]))
def test_reshape_is_a_view_wherever_it_can_be(source, data, device):
    """NumPy's own reshape says where; a host array is looked at where it lies, whatever the default device."""
    shape = data.draw(shape_of(source.size))
    want = source.reshape(shape)
    with accel.config(device=device):
        out = accel.reshape(source, shape)
        assert type(out) is np.ndarray
        assert same(out, want)
        assert np.shares_memory(out, source) == np.shares_memory(want, source)
        assert not np.shares_memory(accel.reshape(source, shape, copy=True), source)
        assert same(accel.reshape(source, shape, copy=True), want)
        if np.shares_memory(want, source):
            assert np.shares_memory(accel.reshape(source, shape, copy=False), source)
        else:
            with pytest.raises(ValueError, match="copy=False"):
                accel.reshape(source, shape, copy=False)
    if np.shares_memory(want, source):
        view = accel.reshape(accel.asarray(source, device="cpu"), shape, copy=False)
        assert np.shares_memory(np.asarray(view), source)


def test_reshapes_that_need_a_copy_and_that_do_not():
    """Control: both kinds are among the arrays above."""
    x = np.arange(24).reshape(4, 6)
    assert np.shares_memory(accel.reshape(x[:, :3], (2, 2, 3, 1)), x)
    assert np.shares_memory(accel.reshape(x[::-1, ::2], (2, 2, 3)), x)
    assert np.shares_memory(accel.reshape(x.T, (2, 3, 4)), x)
    assert not np.shares_memory(accel.reshape(x.T, 24), x)
    assert not np.shares_memory(accel.reshape(x[:, :3], 12), x)
    view = accel.reshape(accel.asarray(x)[:, ::2], (2, 2, 3), copy=False)
    view[1, 1, 2] = -5
    assert x[3, 4] == -5


def test_views_of_torch_tensors_stay_with_them():
    torch = pytest.importorskip("torch", reason="torch is not installed: it is in the extra torch")
    x = torch.arange(24.0).reshape(4, 6)
    for device in ("cpu", "null:0"):
        with accel.config(device=device):
            for out in (
                accel.reshape(x[:, :3], (2, 2, 3)),
                accel.reshape(x.T, (2, 3, 4), copy=False),
                accel.expand_dims(x, (0, 2)),
                accel.permute_dims(x, (1, 0)),
                accel.broadcast_to(x, (2, 4, 6)),
            ):
                assert type(out) is torch.Tensor
                assert out.data_ptr() == x.data_ptr()
            apart = accel.reshape(x.T, 24)
            assert type(apart) is torch.Tensor
            assert apart.tolist() == x.T.reshape(-1).tolist()
            assert accel.reshape(x, (24,), copy=True).data_ptr() != x.data_ptr()


def test_reshape_and_copies():
    x = accel.asarray(np.arange(6.0))
    view = accel.reshape(x, (2, 3))
    view[0, 0] = 9
    assert x[0].item() == 9
    apart = accel.reshape(x, (2, 3), copy=True)
    apart[0, 0] = 1
    assert x[0].item() == 9
    with pytest.raises(ValueError, match="copy=False"):
        accel.reshape(view.T, (6,), copy=False)
    assert values(accel.reshape(view.T, 6)) == [9, 3, 1, 4, 2, 5]
    with pytest.raises(accel.ShapeError, match="which do not fill"):
        accel.reshape(x, (4, -1))
    for wrong in ((-1, -1), (2, "a"), 1.5):
        with pytest.raises((accel.ShapeError, accel.ArgumentError)):
            accel.reshape(x, wrong)


def test_views_refuse_bad_axes():
    x = accel.ones((2, 3))
    for make in (
        lambda: accel.permute_dims(x, (0, 0)),
        lambda: accel.permute_dims(x, (0,)),
        lambda: accel.permute_dims(x, (0, 2)),
        lambda: accel.expand_dims(x, axis=4),
        lambda: accel.squeeze(x, 0),
        lambda: accel.broadcast_to(x, (3,)),
        lambda: accel.broadcast_to(x, (3, 3)),
        lambda: accel.matrix_transpose(accel.ones(3)),
        lambda: accel.broadcast_shapes((2,), (3,)),
    ):
        with pytest.raises(accel.ShapeError):
            make()
    with pytest.raises(accel.ArgumentError, match=r"permute_dims: axes: expected integers, got \(0, 'a'\)"):
        accel.permute_dims(x, (0, "a"))
    with pytest.raises(accel.ArgumentError, match=r"expand_dims: axis: expected integers, got 0\.5"):
        accel.expand_dims(x, axis=0.5)
    with pytest.raises(accel.ArgumentError, match=r"reshape: shape: expected integers, got \(-1, 'a'\)"):
        accel.reshape(x, (-1, "a"))


@pytest.mark.parametrize(
    ("given_", "want"),
    [
        ([(2, 3), (3,)], (2, 3)),
        ([(), ()], ()),
        ([(1, 0), (4, 1)], (4, 0)),
        ([], ()),
        ([(5,), (1,), ()], (5,)),
        ([3, (2, 1)], (2, 3)),
    ],
)
def test_broadcast_shapes(given_, want):
    assert accel.broadcast_shapes(*given_) == want

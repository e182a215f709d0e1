"""asarray and the creation functions, by the array API standard's text."""

from __future__ import annotations

import array
import math

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
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
        accel.asarray(memoryview(np.ones(2, complex)))


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
    for obj, dtype in (([300], "int8"), ([1, -1], "uint8"), (2**40, "int32"), (2**63, None), ([0, 2**64 - 1], None)):
        with pytest.raises(accel.DtypeError, match="is outside"):
            accel.asarray(obj, dtype=dtype)
    assert values(accel.asarray([0, 2**64 - 1], dtype="uint64")) == [0, 2**64 - 1]
    assert values(accel.asarray([0, 2**64 - 1], dtype="float32")) == [0, 2.0**64]
    assert values(accel.asarray([0, 2.0**64])) == [0, 2.0**64]
    assert values(accel.asarray([1.5, -300.0, math.nan, 1e9], dtype="int8")) == [1, -128, 0, 127]
    assert values(accel.asarray([2, 0, math.nan], dtype="bool")) == [True, False, True]
    assert values(accel.asarray([1e39], dtype="float32")) == [math.inf]


def test_numbers_are_rounded_once():
    number = 1 + 2**-8 + 2**-40
    assert values(accel.asarray([number], dtype="bfloat16")) == [1 + 2**-7]
    assert np.float32(number).astype(ml_dtypes.bfloat16) == 1  # rounding twice would show
    assert values(accel.asarray([2**60 + 2**52 + 1], dtype="bfloat16")) == [2**60 + 2**53]
    assert values(accel.full((1,), number, dtype="bfloat16")) == [1 + 2**-7]


@pytest.mark.parametrize(
    "obj", ["a", None, 1j, [1j], ["a"], [None], [[1], [2, 3]], {1}, {"a": 1}, object(), [object()], [2**70]]
)
def test_what_is_no_array(obj):
    with pytest.raises(accel.ArgumentError, match="asarray: obj"):
        accel.asarray(obj)


@pytest.mark.parametrize("dtype", ["float99", "complex64", object, str, "O", np.complex64, [("a", "f4")]])
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
    for wrong in ("a", None, [1], 1j):
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
        lambda: accel.expand_dims(x),
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

"""The creation functions but asarray, by the array API standard's text."""

from __future__ import annotations

import math

import numpy as np
import pytest
from creating import DTYPES, values

import accel
from accel.array import Array
from accel.conversion import to_numpy


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with accel.config(device="cpu"):
        yield


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

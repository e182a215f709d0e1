"""What people who come from NumPy type without thinking: it works as they mean it, or says what to type instead."""

from __future__ import annotations

import itertools
import sys

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel import _core
from accel.dtypes import BOOL, TABLE
from accel.testing.strategies import arrays

CPU = accel.device("cpu")


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with accel.config(device="cpu"):
        yield


# dtypes


@pytest.mark.parametrize("dtype", TABLE.values(), ids=str)
def test_a_dtype_equals_numpys(dtype: accel.DType) -> None:
    for same in (dtype.numpy, dtype.numpy.type):
        assert dtype == same
        assert same == dtype
        assert not (dtype != same or same != dtype)
    assert hash(dtype) == hash(dtype.numpy)
    assert {dtype.numpy: 1}[dtype] == 1
    assert np.zeros(2, dtype).dtype == dtype.numpy


@pytest.mark.parametrize("dtype", TABLE.values(), ids=str)
def test_a_dtype_equals_no_other(dtype: accel.DType) -> None:
    for other in TABLE.values():
        if other is not dtype:
            assert dtype != other
            assert dtype != other.numpy
            assert dtype != other.numpy.type
            assert other.numpy.type != dtype
    for other in (None, float, "float32", np.generic, np.dtype("V4"), ml_dtypes.float8_e4m3fn, 4):
        assert dtype != other
    swapped = dtype.numpy.newbyteorder()
    assert (dtype == swapped) == (dtype.itemsize == 1)


# formatting


def test_an_array_without_axes_formats_as_its_element() -> None:
    assert f"{accel.sum(accel.asarray([1.5, 2.25])):.2f}" == "3.75"
    assert f"{accel.asarray(7):03d}" == "007"
    x = accel.asarray([1.5, 2.0])
    assert f"{x}" == str(x)
    with pytest.raises(accel.ArgumentError, match=r"format: '\.2f': expected an array without axes, got shape \(2,\)"):
        f"{x:.2f}"


# comparisons


@pytest.mark.parametrize("other", [[1, 1, 1], (1, 1, 1), range(3), {1, 2}, {1: 2}], ids=lambda x: type(x).__name__)
def test_comparing_with_a_sequence_says_what_to_do(other: object) -> None:
    x = accel.asarray([1, 2, 3])
    for compare in (lambda: x == other, lambda: other == x, lambda: x != other):
        with pytest.raises(accel.ArgumentError, match=r"equal: x2: expected an array or a number, got .*asarray"):
            compare()


@pytest.mark.parametrize("other", [None, "abc", b"abc", object()], ids=lambda x: type(x).__name__)
def test_what_is_no_sequence_is_another_object(other: object) -> None:
    x = accel.asarray([1, 2, 3])
    assert (x == other) is False
    assert (x != other) is True


def test_operators_take_tensors() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed: it is in the extra torch")
    x, t = accel.asarray([1.0, 2.0, 3.0]), torch.tensor([1.0, 5.0, 3.0])
    for got, want in (
        (x == t, [True, False, True]),
        (t == x, [True, False, True]),
        (x != t, [False, True, False]),
        (x < t, [False, True, False]),
        (t < x, [False, False, False]),
        (x + t, [2, 7, 6]),
        (t - x, [0, 3, 0]),
    ):
        assert isinstance(got, accel.Array)
        assert np.asarray(got).tolist() == want


# storing


def outcome(store) -> object:
    """What a store did: None, or the kind of its error."""
    try:
        store()
    except (ValueError, OverflowError, TypeError) as error:
        return type(error)
    return None


NUMBERS = (0, 1, -1, 2.0, 1.5, -1.5, -0.0, 127.9, 128.0, -128.9, -129.0, 255.5, 2.0**31, -(2.0**63), 2.0**63, 1e300)
NUMBERS += (float("nan"), float("inf"), -float("inf"), 2**31, 2**53 + 1, -(2**63), 2**63, 2**64 - 1, 2**64, True)
NUMBERS += (0.1, 1e-40, 16777217, 16777217.0, 3e-46)


@pytest.mark.parametrize("dtype", TABLE.values(), ids=str)
@pytest.mark.parametrize("value", NUMBERS, ids=repr)
def test_storing_a_number(dtype: accel.DType, value: float) -> None:
    """The short way and the long one (a slice) store the same, which is NumPy's where NumPy stores one."""
    short, long = accel.ones((2, 3), dtype=dtype), accel.ones((2, 3), dtype=dtype)

    def by_slice() -> None:
        long[1:, 2:] = value

    def by_integers() -> None:
        short[1, -1] = value

    fates = outcome(by_integers), outcome(by_slice)
    assert fates[0] is fates[1]
    assert np.asarray(short).tobytes() == np.asarray(long).tobytes()
    if dtype.kind in "iu":
        low, high = np.iinfo(dtype.numpy).min, np.iinfo(dtype.numpy).max
        fits = value == value and abs(value) != float("inf") and low <= int(value) <= high
        assert (fates[0] is None) == fits
        assert np.asarray(short)[1, 2] == (int(value) if fits else 1)
        assert fates[0] in (None, accel.RangeError)
    elif dtype is BOOL:
        assert np.asarray(short)[1, 2] == bool(value)
    elif dtype.itemsize > 2 and abs(value) < 2**53:
        assert np.asarray(short)[1, 2].tobytes() == np.asarray(value, dtype.numpy).tobytes() or value != value


def test_nan_is_refused_as_numpy_refuses_it() -> None:
    x = accel.asarray([1, 2, 3])
    with pytest.raises(ValueError, match=r"x\[\.\.\.\] = value: value: nan is outside int64"):
        x[0] = float("nan")
    for refused in (lambda: np.zeros(3, int).__setitem__(0, float("nan")), lambda: x.__setitem__(0, np.float32("nan"))):
        with pytest.raises(ValueError):
            refused()
    assert np.asarray(x).tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    "make", [accel.asarray, lambda v, dtype: accel.full(2, v, dtype=dtype)], ids=["asarray", "full"]
)
def test_no_constructor_takes_nan_for_an_integer(make) -> None:
    for value in (float("nan"), float("inf"), 1e300):
        with pytest.raises(accel.RangeError, match="outside int32"):
            make(value, dtype="int32")
    assert np.asarray(make(1.5, dtype="int32")).ravel()[0] == 1, "a fraction is cut off, as astype does"


def test_the_short_way_is_taken_where_it_is_open() -> None:
    """The control of the test above: with Python numbers and integers the store itself answers."""
    x = accel.zeros((2, 3))
    assert _core.store(x, (1, 2), 5.0) is True
    assert x[1, 2] == 5.0
    for key, value in (((1, 3), 1.0), ((2, 0), 1.0), ((1,), 1.0), (1, 1.0), ((1, True), 1.0), ((0, slice(1)), 1.0)):
        assert _core.store(x, key, value) is False
    assert _core.store(x, (0, 0), np.float64(1)) is False
    assert _core.store(accel.broadcast_to(x[:1], (2, 3)), (0, 0), 1.0) is False
    frozen = np.zeros(3)
    frozen.flags.writeable = False
    assert _core.store(accel.asarray(frozen, copy=False), 0, 1.0) is False
    with pytest.raises(TypeError):
        _core.store(x, 1)


@given(st.data())
def test_a_store_lands_where_numpys_does(data: st.DataObject) -> None:
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple))
    want = data.draw(arrays(TABLE["float64"], shape)).copy()
    x = accel.asarray(want, copy=True)
    view = data.draw(st.sampled_from((lambda a: a, lambda a: a[::-1], lambda a: a[..., ::2], lambda a: a[:1])))
    target, judge = view(x), view(want)
    key = tuple(data.draw(st.integers(-n, n - 1)) for n in target.shape)
    target[key if len(key) > 1 else key[0]] = 7.25
    judge[key] = 7.25
    assert np.asarray(x).tobytes() == want.tobytes()


def test_lists_are_stored_in_the_arrays_own_dtype() -> None:
    x = accel.zeros(3, dtype="float64")
    x[0:2] = [0.1, 0.2]
    assert np.asarray(x).tolist() == [0.1, 0.2, 0.0]
    y = accel.zeros((2, 2), dtype="int32")
    y[...] = ((1, 2), (3, 4))
    assert np.asarray(y).tolist() == [[1, 2], [3, 4]]
    with pytest.raises(accel.ShapeError, match=r"x\[\.\.\.\] = value"):
        y[0] = [1, 2, 3]
    with pytest.raises(accel.ArgumentError, match=r"x\[\.\.\.\] = value: value: expected .* got builtins\.dict"):
        y[0] = {}


def test_explaining_a_store_changes_nothing() -> None:
    x = accel.zeros(3)

    def store(a: accel.Array) -> accel.Array:
        a[0] = 5.0
        return a

    from accel import recording

    with recording.recording(run=False) as recorder:
        store(x)
    assert np.asarray(x).tolist() == [0, 0, 0]
    assert recorder.calls, "the control: the store was seen"


# membership and iteration


def test_membership() -> None:
    x = accel.asarray([1.5, float("nan"), 2**24])
    assert 1.5 in x
    assert 2.5 not in x
    assert float("nan") not in x
    big = accel.asarray([2**24 + 1, 2**63 - 1])
    for inside in (2**24 + 1, float(2**24 + 1), 2**63 - 1, np.int64(2**24 + 1)):
        assert inside in big
    for outside in (2**24, 2.0**24, 2**24 + 0.5, 2.0**63, 2**70, float("inf"), float("nan")):
        assert outside not in big
    assert 1 not in accel.zeros((0, 3))
    assert accel.asarray([[1, 2]]) in accel.asarray([[5, 2]])


def test_membership_makes_no_array_for_each_element() -> None:
    x, calls = accel.zeros(5000), []
    assert 7.5 not in x
    sys.setprofile(lambda frame, event, argument: calls.append(frame) if event == "call" else None)
    try:
        assert 7.5 not in x
    finally:
        sys.setprofile(None)
    assert 0 < len(calls) < 50


@pytest.mark.parametrize("view", ["x", "x[::-1]", "x[:, ::2]", "x.T", "x[:0]", "accel.broadcast_to(x[:1], (4, 3))"])
def test_iteration_gives_the_views_that_integers_do(view: str) -> None:
    x = accel.reshape(accel.arange(12), (4, 3))
    its = eval(view, {"x": x, "accel": accel})
    rows = list(its)
    assert len(rows) == len(its)
    for row, i in zip(rows, itertools.count()):
        assert row.layout is its[i].layout
        assert row.offset == its[i].offset
        assert row.buffer is x.buffer
    with pytest.raises(accel.ArgumentError, match="without axes"):
        iter(accel.asarray(1))

"""Basic indexing and assignment against NumPy, on random keys; and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from equality import same
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel.conversion import from_numpy, to_numpy
from accel.dtypes import TABLE
from accel.testing.strategies import arrays

CPU = accel.device("cpu")


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with accel.config(device="cpu"):
        yield


@st.composite
def keys(draw, shape):
    """A key of integers (in range and out of it), slices, None and an ellipsis, at times with too many of them."""
    items = []
    for n in shape[: draw(st.integers(0, len(shape)))]:
        bound = st.one_of(st.none(), st.integers(-n - 3, n + 3))
        step = st.sampled_from((None, 1, 2, 3, -1, -2, 7, -7))
        inside = st.integers(-n, n - 1) if n else st.just(0)
        items.append(
            draw(
                st.one_of(
                    inside,
                    inside.map(np.int32),
                    st.integers(-n - 1, n),
                    st.builds(slice, bound, bound, step),
                )
            )
        )
    for _ in range(draw(st.integers(0, 2))):
        items.insert(draw(st.integers(0, len(items))), None)
    if draw(st.booleans()):
        items.insert(draw(st.integers(0, len(items))), Ellipsis)
    if draw(st.integers(0, 9)) == 0:
        items.append(draw(st.sampled_from((0, slice(None), Ellipsis))))
    return items[0] if len(items) == 1 and draw(st.booleans()) else tuple(items)


@st.composite
def indexed(draw):
    dtype = draw(st.sampled_from(tuple(TABLE.values())))
    shape = tuple(draw(st.lists(st.sampled_from((0, 1, 2, 3, 4, 5)), max_size=4)))
    source = draw(arrays(dtype, shape, ("integers",)))
    return source, draw(keys(shape))


@given(indexed())
def test_reading(case):
    source, key = case
    try:
        want = source[key]
    except IndexError:
        with pytest.raises(IndexError):
            from_numpy(source, CPU)[key]
        return
    got = from_numpy(source, CPU)[key]
    assert got.shape == want.shape
    assert got.dtype.numpy == source.dtype
    assert same(to_numpy(got), want)
    if want.size:
        assert np.shares_memory(to_numpy(got), source)
        low, high = got.buffer.address, got.buffer.address + got.buffer.nbytes
        start = got.buffer.address + got.offset * got.dtype.itemsize
        assert low <= start < high


@given(indexed(), st.data())
def test_writing(case, data):
    source, key = case
    ours, theirs = from_numpy(source, CPU, copy=True), np.array(source)
    try:
        target = theirs[key]
    except IndexError:
        with pytest.raises(IndexError):
            ours[key] = 1
        assert same(to_numpy(ours), theirs)
        return
    kept = [n if data.draw(st.booleans()) else 1 for n in np.shape(target)]
    shape = tuple(kept[data.draw(st.integers(0, len(kept))) :])
    if np.broadcast_shapes(shape, np.shape(target)) != np.shape(target):
        shape = ()
    value = (np.arange(int(np.prod(shape))) % 2).reshape(shape).astype(source.dtype)
    theirs[key] = value
    ours[key] = value if data.draw(st.booleans()) else from_numpy(value, CPU)
    assert same(to_numpy(ours), theirs)


def test_a_result_is_always_an_array():
    x = accel.asarray([1, 2, 3])
    assert type(x[0]) is accel.Array
    assert (x[0].shape, x[0].ndim, x[0].size) == ((), 0, 1)
    assert type(x[0][()]) is accel.Array
    assert x[0][...].item() == 1
    assert x[accel.asarray(1)].item() == 2
    assert x[np.uint8(2)].item() == 3
    assert x[accel.asarray(1) : np.int64(3)].shape == (2,)


REFUSED = {
    "floats": (np.array(1.0), accel.ArgumentError, "integer array"),
    "true": (True, accel.ArgumentError, "got bool"),
    "float": (1.0, accel.ArgumentError, "got float"),
    "text": ("a", accel.ArgumentError, "got str"),
    "two": ((..., ...), IndexError, "at most one ellipsis"),
    "many": ((0, 0), IndexError, r"2 indices for shape \(3,\)"),
    "out": (3, IndexError, "3 is out of range for axis 0 of length 3"),
    "under": (-4, IndexError, "-4 is out of range"),
    "huge": (10**30, IndexError, "out of range"),
    "step": (slice(None, None, 0), IndexError, "step cannot be zero"),
    "slice": (slice(0.5, None), accel.ArgumentError, "slice indices must be integers"),
    "array": (slice(np.ones(2), None), accel.ArgumentError, "index"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    key, error, words = REFUSED[name]
    x = accel.asarray([1, 2, 3])
    with pytest.raises(error, match=words):
        x[key]
    with pytest.raises(error, match=words):
        x[key] = 0
    assert to_numpy(x).tolist() == [1, 2, 3]


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)], ids=str)
@pytest.mark.parametrize("given", [True, False])
def test_a_boolean_without_axes_is_a_mask_of_one_axis_more(shape, given):
    source = np.arange(6, dtype=np.float32)[: int(np.prod(shape))].reshape(shape)
    for key in (np.bool_(given), np.array(given), accel.asarray(given)):
        x, want = accel.asarray(source.copy()), source.copy()
        selected = np.asarray(x[key])
        assert selected.shape == (int(given), *shape) and np.array_equal(selected, source[np.bool_(given)])
        x[key] = 7
        want[np.bool_(given)] = 7
        assert np.array_equal(np.asarray(x), want)


def test_arrays_of_ours_that_are_no_keys():
    x = accel.asarray([1, 2, 3])
    for key in (accel.asarray(1.0), accel.asarray([1.0])):
        with pytest.raises(accel.ArgumentError, match="expected an integer array, or a boolean mask with axes"):
            x[key]


@pytest.mark.parametrize("shape", [(9,), (4, 5), (70, 70)])
def test_writing_onto_itself(shape):
    source = np.arange(float(np.prod(shape))).reshape(shape)
    for to, start in (
        (np.s_[1:], np.s_[:-1]),
        (np.s_[:-1], np.s_[1:]),
        (np.s_[::-1], np.s_[:]),
        (np.s_[..., 1:], np.s_[..., :-1]),
        (np.s_[:], np.s_[:]),
        (np.s_[:1], np.s_[-1:]),
        (np.s_[::2], np.s_[1::2] if shape[0] % 2 == 0 else np.s_[::-2]),
    ):
        ours, theirs = from_numpy(source, CPU, copy=True), source.copy()
        ours[to] = ours[start]
        theirs[to] = theirs[start].copy()
        assert same(to_numpy(ours), theirs)
    x = from_numpy(np.arange(16.0).reshape(4, 4), CPU, copy=True)
    x[...] = x.T
    assert to_numpy(x).tolist() == np.arange(16.0).reshape(4, 4).T.tolist()


def test_two_arrays_on_one_memory():
    """Buffers of their own say nothing of overlap: addresses do."""
    base = np.arange(10.0)
    one, two = accel.asarray(base[:-1]), accel.asarray(base[1:])
    assert one.buffer is not two.buffer
    two[...] = one
    assert base.tolist() == [0, 0, 1, 2, 3, 4, 5, 6, 7, 8]


def test_writing_casts():
    x = accel.zeros(3, dtype="int8")
    x[...] = np.array([300.7, -2.9, np.nan])
    assert to_numpy(x).tolist() == [127, -2, 0]
    x[0] = -2.9
    assert to_numpy(x).tolist() == [-2, -2, 0]
    x[...] = np.array([1, 255, 256], np.int16)
    assert to_numpy(x).tolist() == [1, -1, 0]
    y = accel.zeros(2, dtype="bfloat16")
    y[0] = 1 + 2**-8 + 2**-40
    assert y[0].item() == 1 + 2**-7
    b = accel.zeros(2, dtype="bool")
    b[...] = np.array([0.0, np.nan])
    assert to_numpy(b).tolist() == [False, True]
    for outside in (300, 300.7, float("nan")):
        with pytest.raises(accel.RangeError, match=f"{outside} is outside int8"):
            x[0] = outside


def test_a_refused_write_changes_nothing():
    x = accel.asarray([1.0, 2.0, 3.0])
    with pytest.raises(accel.ShapeError, match=r"\(2,\).* \(3,\)"):
        x[...] = np.ones(2)
    with pytest.raises(accel.ArgumentError, match=r"value: expected an accel.Array"):
        x[0] = "a"
    with pytest.raises(accel.ArgumentError, match=r"stretched \(shape \(2, 3\), strides \(0, 1\)\)"):
        accel.broadcast_to(x, (2, 3))[...] = 5
    with pytest.raises(accel.DtypeError, match="complex"):
        x[0] = np.complex64(1)
    assert to_numpy(x).tolist() == [1, 2, 3]
    accel.broadcast_to(x, (1, 3))[0, 0] = 5  # stretched by nothing
    assert x[0].item() == 5


def test_read_only_memory():
    source = np.arange(3.0)
    source.flags.writeable = False
    x = accel.asarray(source)
    for write in (lambda: x.__setitem__(0, 1), lambda: x.__iadd__(1), lambda: x[1:].__imul__(2.0)):
        with pytest.raises(accel.ArgumentError, match="read-only"):
            write()
    assert accel.asarray(source, copy=True).__iadd__(1)[0].item() == 1


def test_writing_nothing():
    x = accel.zeros((0, 3))
    x[...] = 5
    x[:, 0] = np.ones((0,))
    assert x.shape == (0, 3)


@pytest.mark.parametrize("far", [2**31, 2**62, 2**63 - 1, 2**63, 2**64, 2**20000], ids=int.bit_length)
def test_slices_with_far_bounds_and_steps(far):
    """They mean the end of the axis, as in Python, and leave strides that a kernel can take."""
    source = np.arange(12.0).reshape(3, 4)
    rows = source.tolist()
    for part in (
        slice(far), slice(-far, far), slice(far, None, -1), slice(None, -far), slice(None, None, far), slice(-far, 2),
        slice(None, None, -far), slice(1, far, far), slice(far, -far, -far), slice(far, far + 1),
    ):  # fmt: skip
        got = from_numpy(source, CPU)[part, ::-1]
        assert to_numpy(got).tolist() == [row[::-1] for row in rows[part]]
        assert to_numpy(got + 1).tolist() == [[x + 1 for x in row[::-1]] for row in rows[part]]
        assert to_numpy(accel.sum(got)).item() == sum(map(sum, rows[part]))
        target = accel.asarray(source, copy=True)
        target[part, ::-1] = -1
        assert (to_numpy(target) == -1).sum() == got.size
    for item in (far, -far, -far - 1):
        with pytest.raises(IndexError, match="is out of range"):
            from_numpy(source, CPU)[item]

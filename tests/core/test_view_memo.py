"""Views that are found by layout and arguments are those that would be made anew."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel import view_memo
from accel.array import _indexed, _item
from accel.errors import ArgumentError, AxisError, ShapeError

N = np.arange(4 * 3 * 5, dtype=np.int32).reshape(4, 3, 5)


def of(array: np.ndarray) -> accel.Array:
    return accel.asarray(array)


def same(x: accel.Array, y: accel.Array) -> bool:
    return (x.buffer, x.offset, x.shape, x.strides) == (y.buffer, y.offset, y.shape, y.strides)


@st.composite
def keys(draw):
    items = []
    for n in N.shape[: draw(st.integers(0, 3))]:
        bound = st.none() | st.integers(-n - 1, n + 1)
        step = st.none() | st.sampled_from([-3, -1, 1, 2])
        items.append(draw(st.integers(-n, n - 1) | st.builds(slice, bound, bound, step)))
    if draw(st.booleans()):
        items.insert(draw(st.integers(0, len(items))), None)
    if draw(st.booleans()):
        items.append(...)
    return items[0] if len(items) == 1 else tuple(items)


@given(keys(), st.permutations(range(3)))
def test_a_key_selects_the_same_the_second_time(key, order):
    x = of(N).permute(order)
    reference = N.transpose(order)
    try:
        want = reference[key]
    except IndexError:
        with pytest.raises(IndexError):
            _ = x[key]
        return
    for _ in range(2):
        found = x[key]
        assert same(found, _item(x, key))
        assert np.array_equal(np.asarray(found), want)


def test_one_entry_serves_all_integers():
    made = []

    def item(x, key):
        made.append(key)
        return _item(x, key)

    indexed, x = view_memo.remembered_index(item, accel.array.integer_axes), of(N)
    for i in range(-4, 4):
        for j in range(-5, 5):
            found = indexed(x, (i, slice(1, 3), j))
            assert np.array_equal(np.asarray(found), N[i, 1:3, j])
            assert np.array_equal(np.asarray(indexed(x[1:], (i % 3, ..., j))), N[1:][i % 3, ..., j])
    assert len(made) == 2


@pytest.mark.parametrize("key", [4, -5, (0, 3), (0, 0, 5), (..., -6), 2**70, -(2**63), (1, 2**64)])
def test_an_index_out_of_range_after_one_that_is_not(key):
    x = of(N)
    items = key if isinstance(key, tuple) else (key,)
    _ = x[tuple(0 if isinstance(item, int) else item for item in items)]
    with pytest.raises(IndexError):
        _ = x[key]


def test_values_of_other_types_are_told_apart():
    x = of(N)
    assert x[1].shape == (3, 5)
    with pytest.raises(ArgumentError):
        _ = x[1.0]
    assert x[np.int64(1)].shape == (3, 5)
    with pytest.raises(ArgumentError):
        _ = x[True]
    assert accel.reshape(x, (12, 5)).shape == (12, 5)
    assert accel.reshape(x, (1, 60)).shape == (1, 60)
    for wrong in ((12.0, 5), ("12", 5)):
        with pytest.raises(ArgumentError):
            accel.reshape(x, wrong)
    assert accel.reshape(x, (60,), copy=None).buffer is x.buffer
    assert accel.reshape(x, (60,), copy=True).buffer is not x.buffer


def test_a_slice_is_no_tuple_of_its_bounds():
    x = of(N)
    assert x[1:2, 0].shape == (1, 5)
    assert x[(slice(1, 2), 0)].shape == (1, 5)
    assert x[1, 2, 0].shape == ()
    assert x[1:2:1, 0].shape == (1, 5)
    assert x[1:, 2, 0].shape == (3,)


def test_errors_are_those_of_the_first_time():
    x = of(N)
    for _ in range(2):
        with pytest.raises(ShapeError):
            accel.reshape(x, (7,))
        with pytest.raises(ShapeError):
            _ = x.T
        with pytest.raises(AxisError):
            accel.expand_dims(x, axis=7)
        with pytest.raises(ShapeError):
            accel.squeeze(x, axis=0)
        with pytest.raises(IndexError):
            _ = x[0, 0, 0, 0]


VIEWS = {
    "flip": (lambda x, a, b: accel.flip(x, axis=a), lambda x, a, b: np.flip(x, a)),
    "flip of several": (lambda x, a, b: accel.flip(x, axis=(a, b)), lambda x, a, b: np.flip(x, (a, b))),
    "flip of all": (lambda x, a, b: accel.flip(x), lambda x, a, b: np.flip(x)),
    "moveaxis": (accel.moveaxis, np.moveaxis),
    "moveaxis of several": (
        lambda x, a, b: accel.moveaxis(x, (a, b), (b, a)), lambda x, a, b: np.moveaxis(x, (a, b), (b, a)),
    ),
    "swapaxes": (accel.swapaxes, np.swapaxes),
    "rot90": (lambda x, a, b: accel.rot90(x, a, axes=(a, b)), lambda x, a, b: np.rot90(x, a, (a, b))),
    "diagonal": (lambda x, a, b: accel.diagonal(x, a, a, b), lambda x, a, b: np.diagonal(x, a, a, b)),
    "matrix_transpose": (lambda x, a, b: accel.matrix_transpose(x), lambda x, a, b: np.swapaxes(x, -1, -2)),
    "ravel": (lambda x, a, b: accel.ravel(x), lambda x, a, b: np.ravel(x)),
    "atleast_3d": (lambda x, a, b: accel.atleast_3d(x[0]), lambda x, a, b: np.atleast_3d(x[0])),
    "x.transpose": (lambda x, a, b: x.transpose(), lambda x, a, b: x.transpose()),
    "x.squeeze": (lambda x, a, b: x[:1, None].squeeze(), lambda x, a, b: x[:1, None].squeeze()),
}  # fmt: skip


WITH_AXES = {"flip", "flip of several", "moveaxis", "moveaxis of several", "swapaxes", "rot90", "diagonal"}


@pytest.mark.parametrize("name", VIEWS)
@given(axes=st.permutations(range(-3, 0)), order=st.permutations(range(3)))
def test_a_function_gives_the_same_view_the_second_time(name, axes, order):
    """By axes from both ends, of every layout; and of another array of that layout a view of its own."""
    ours, numpys = VIEWS[name]
    for a, b in (axes[:2], (axes[0] + 3, axes[1])):
        want = numpys(N.transpose(order), a, b)
        for source in (N, N + 1, N):
            x = of(source).permute(order)
            found = ours(x, a, b)
            assert np.array_equal(np.asarray(found), want + (source is not N))
            assert found.buffer is x.buffer or name == "ravel"
        if name in WITH_AXES:
            with pytest.raises((AxisError, ArgumentError)):
                ours(x, 3, 3)


def test_what_has_no_elements():
    x = of(np.zeros((0, 3), np.float32))
    for _ in range(2):
        with pytest.raises(IndexError):
            _ = x[0]
        assert x[:, 1].shape == (0,)
        assert x.T.shape == (3, 0)


def test_a_copy_is_made_each_time():
    x = of(N).permute((2, 1, 0))
    first, second = accel.reshape(x, (60,)), accel.reshape(x, (60,))
    assert first.buffer is not second.buffer
    assert np.array_equal(np.asarray(first), np.asarray(second))


def test_the_functions_of_other_libraries_arrays():
    for _ in range(2):
        assert isinstance(accel.reshape(N, (60,)), np.ndarray)
        assert np.shares_memory(accel.permute_dims(N, (2, 0, 1)), N)


def test_a_wrong_call_is_refused():
    with pytest.raises(TypeError):
        _indexed()
    with pytest.raises(TypeError):
        _indexed(x=of(N))

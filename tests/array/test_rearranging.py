"""NumPy's functions that put arrays together and take them apart, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import accel


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with accel.config(device="cpu"):
        yield


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).integers(0, 99, shape).astype(np.int32)


def same(got: Any, want: Any) -> None:
    host = np.asarray(got)
    assert host.dtype == want.dtype and host.shape == want.shape and np.array_equal(host, want)


SHAPES = st.lists(st.sampled_from([0, 1, 2, 3, 5]), min_size=1, max_size=4).map(tuple)


@given(SHAPES, st.data())
def test_split(shape, data):
    x = numbers(*shape)
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    places = data.draw(st.lists(st.integers(-4, 7), max_size=4))
    count = data.draw(st.integers(1, 4))
    array = accel.asarray(x)
    for how in (places, tuple(places), np.array(places, np.int64)):
        for got, want in zip(accel.split(array, how, axis=axis), np.split(x, places, axis), strict=True):
            same(got, want)
    for got, want in zip(accel.array_split(array, count, axis=axis), np.array_split(x, count, axis), strict=True):
        same(got, want)
    if shape[axis] % count == 0:
        for got, want in zip(accel.split(array, count, axis=axis), np.split(x, count, axis), strict=True):
            same(got, want)
            assert not got.size or got.buffer is array.buffer


@pytest.mark.parametrize("name", ["hstack", "vstack", "dstack", "column_stack"])
def test_stacks(name: str) -> None:
    for shapes in ([(3,), (3,)], [(2, 3), (2, 3)], [(2, 3, 4), (2, 3, 4)], [(), ()], [(3,)]):
        if name == "column_stack" and len(shapes[0]) == 3:
            continue
        parts = [numbers(*s) for s in shapes]
        same(getattr(accel, name)([accel.asarray(x) for x in parts]), getattr(np, name)(parts))
    mixed = [numbers(3), numbers(3).astype(np.int8)]
    assert getattr(accel, name)(mixed).dtype == np.int32
    assert isinstance(getattr(accel, name)(mixed), np.ndarray)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_at_least(ndim: int) -> None:
    function, numpys = getattr(accel, f"atleast_{ndim}d"), getattr(np, f"atleast_{ndim}d")
    arrays = [numbers(*(2, 3, 4, 1)[:n]) for n in range(5)]
    for x in arrays:
        same(function(accel.asarray(x)), numpys(x))
    several = function(*map(accel.asarray, arrays))
    assert isinstance(several, tuple)
    for got, want in zip(several, numpys(*arrays), strict=True):
        same(got, want)
    x = accel.ones(3)
    assert function(x).buffer is x.buffer


@given(SHAPES, st.data())
def test_views(shape, data):
    x = numbers(*shape)
    array = accel.asarray(x)
    axes = st.integers(-len(shape), len(shape) - 1)
    a, b, k, offset = data.draw(axes), data.draw(axes), data.draw(st.integers(-5, 5)), data.draw(st.integers(-4, 4))
    same(accel.swapaxes(array, a, b), np.swapaxes(x, a, b))
    same(array.swapaxes(a, b), np.swapaxes(x, a, b))
    same(accel.ravel(array), np.ravel(x))
    same(accel.flipud(array), np.flipud(x))
    if len(shape) > 1:
        same(accel.fliplr(array), np.fliplr(x))
    if a % len(shape) != b % len(shape):
        same(accel.rot90(array, k, axes=(a, b)), np.rot90(x, k, (a, b)))
        same(accel.diagonal(array, offset, a, b), np.diagonal(x, offset, a, b))
        same(accel.trace(array, offset, a, b), np.trace(x, offset, a, b).astype(np.int64))
        for view in (accel.rot90(array, k, axes=(a, b)), accel.diagonal(array, offset, a, b)):
            assert view.buffer is array.buffer


@given(SHAPES, SHAPES)
def test_products(one, other):
    a, b = numbers(*one), numbers(*other)
    same(accel.outer(accel.asarray(a), accel.asarray(b)), np.outer(a, b))
    same(accel.kron(accel.asarray(a), accel.asarray(b)), np.kron(a, b))


@given(st.lists(st.integers(0, 3), min_size=1, max_size=8), st.integers(0, 1))
def test_repeats_by_place(counts, axis):
    x = numbers(*((3, len(counts)) if axis else (len(counts), 3)))
    same(accel.repeat(accel.asarray(x), accel.asarray(counts), axis=axis), np.repeat(x, counts, axis))


def test_many_repeats_and_a_fused_one():
    counts = np.random.default_rng(0).integers(0, 3, 3000)
    x = numbers(3000, 2)
    same(accel.repeat(accel.asarray(x), counts, axis=0), np.repeat(x, counts, 0))
    few = counts[:300].tolist()
    fused = accel.fuse(lambda x: accel.repeat(x, few, axis=0) + 1)
    same(fused(accel.asarray(x[:300])), np.repeat(x[:300], few, 0) + 1)


def test_rolls_of_several_axes_are_one_join(monkeypatch: pytest.MonkeyPatch) -> None:
    from accel.ops import pieces

    calls = []
    real = pieces.dispatch.call
    monkeypatch.setattr(pieces.dispatch, "call", lambda *args: calls.append(args) or real(*args))
    x = numbers(3, 4, 5)
    same(accel.roll(accel.asarray(x), (1, -2, 3, 1), axis=(0, 1, 2, 0)), np.roll(x, (1, -2, 3, 1), (0, 1, 2, 0)))
    same(accel.roll(accel.asarray(x), (1, 2), axis=1), np.roll(x, (1, 2), 1))
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: accel.split(x, 2, axis=1), accel.ShapeError, "split: x: axis 1"),
        (lambda x: accel.split(x, 0), accel.ArgumentError, "split: indices_or_sections"),
        (lambda x: accel.split(x, 1.5), accel.ArgumentError, "split: indices_or_sections"),
        (lambda x: accel.split(x, [0.5]), accel.ArgumentError, "split: indices_or_sections"),
        (lambda x: accel.split(x, 2, axis=2), IndexError, "split: axis"),
        (lambda x: accel.array_split(x, -1), accel.ArgumentError, "array_split: indices_or_sections"),
        (lambda x: accel.hstack([]), accel.ArgumentError, "hstack: arrays"),
        (lambda x: accel.vstack(x), accel.ArgumentError, "vstack: arrays"),
        (lambda x: accel.vstack([x, x.T]), accel.ShapeError, r"concat: arrays\[1\]"),
        (lambda x: accel.fliplr(x[0]), IndexError, "flip: axis"),
        (lambda x: accel.rot90(x, axes=(0, 0)), accel.AxisError, "rot90: axes"),
        (lambda x: accel.rot90(x, axes=(0, 1, 2)), accel.ArgumentError, "rot90: axes"),
        (lambda x: accel.rot90(x, 0.5), accel.ArgumentError, "rot90: k"),
        (lambda x: accel.swapaxes(x, 0, 2), accel.AxisError, "swapaxes: axis2"),
        (lambda x: accel.diagonal(x, axis1=1), accel.AxisError, "diagonal: axis1, axis2"),
        (lambda x: accel.diagonal(x, axis2=0.5), accel.ArgumentError, "diagonal: axis2"),
        (lambda x: accel.atleast_1d([1]), accel.ArgumentError, "atleast_1d"),
        (lambda x: accel.kron(x, "a"), accel.ArgumentError, "kron: x2"),
        (lambda x: accel.outer(x, None), accel.ArgumentError, "outer: x2"),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error, match=words):
        call(accel.asarray(numbers(2, 3)))

"""Arrays put side by side, moved and repeated, against NumPy; derivatives, fused calls, and bad input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel import linalg
from accel.dtypes import TABLE

DTYPES = [d.name for d in TABLE.values() if d.name != "bfloat16"]
SHAPES = st.lists(st.sampled_from([1, 2, 3, 5]), min_size=1, max_size=3).map(tuple)


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with accel.config(device="cpu"):
        yield


def numbers(shape: tuple[int, ...], dtype: str = "float32", seed: int = 0) -> np.ndarray:
    made = np.random.default_rng(seed).integers(0, 2 if dtype == "bool" else 100, shape)
    return made.astype(dtype)


def same(got, want) -> None:
    host = np.asarray(got)
    assert host.dtype == want.dtype and host.shape == want.shape and np.array_equal(host, want)


@given(SHAPES, st.data(), st.sampled_from(DTYPES))
def test_one_after_the_other(shape, data, dtype):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    lengths = data.draw(st.lists(st.sampled_from([0, 1, 4]), min_size=1, max_size=4))
    parts = [numbers(tuple(n if a == axis % len(shape) else m for a, m in enumerate(shape)), dtype, n) for n in lengths]
    same(accel.concat([accel.asarray(p) for p in parts], axis=axis), np.concatenate(parts, axis=axis))
    same(accel.concat([accel.asarray(p) for p in parts], axis=None), np.concatenate(parts, axis=None))
    alike = [numbers(shape, dtype, i) for i in range(3)]
    along = data.draw(st.integers(-len(shape) - 1, len(shape)))
    same(accel.stack([accel.asarray(p) for p in alike], axis=along), np.stack(alike, axis=along))
    for got, want in zip(
        accel.unstack(accel.asarray(alike[0]), axis=axis), np.moveaxis(alike[0], axis, 0), strict=True
    ):
        same(got, want)


@given(SHAPES, st.data())
def test_moved(shape, data):
    x = numbers(shape, "int16")
    axes = st.integers(-len(shape), len(shape) - 1)
    axis, other, by = data.draw(axes), data.draw(axes), data.draw(st.integers(-7, 7))
    array = accel.asarray(x)
    same(accel.flip(array), np.flip(x))
    same(accel.flip(array, axis=axis), np.flip(x, axis))
    same(accel.roll(array, by), np.roll(x, by))
    same(accel.roll(array, by, axis=axis), np.roll(x, by, axis))
    same(accel.roll(array, (by, 1), axis=(axis, other)), np.roll(x, (by, 1), (axis, other)))
    same(accel.moveaxis(array, axis, other), np.moveaxis(x, axis, other))
    assert (
        len(shape) < 2
        or shape[0] < 2
        or not np.array_equal(np.asarray(accel.flip(array)), x)
        or (x == np.flip(x)).all()
    )


@given(SHAPES, st.data())
def test_repeated(shape, data):
    x = numbers(shape)
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    times = data.draw(st.lists(st.integers(0, 3), min_size=shape[axis], max_size=shape[axis]))
    array = accel.asarray(x)
    same(accel.repeat(array, 2), np.repeat(x, 2))
    same(accel.repeat(array, 3, axis=axis), np.repeat(x, 3, axis))
    if any(times):
        same(accel.repeat(array, accel.asarray(times), axis=axis), np.repeat(x, times, axis))
    repetitions = tuple(data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=4)))
    same(accel.tile(array, repetitions), np.tile(x, repetitions))


@given(SHAPES, st.data(), st.integers(0, 3))
def test_differences(shape, data, n):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    x, edge = (
        numbers(shape, "int32"),
        numbers(tuple(1 if a == axis % len(shape) else m for a, m in enumerate(shape)), "int32"),
    )
    same(accel.diff(accel.asarray(x), axis=axis, n=n), np.diff(x, n, axis))
    got = accel.diff(accel.asarray(x), axis=axis, prepend=accel.asarray(edge), append=accel.asarray(edge))
    same(got, np.diff(x, 1, axis, edge, edge))


@given(st.integers(1, 5), st.integers(1, 5), st.integers(-6, 6))
def test_diagonals(m, n, offset):
    x = numbers((2, m, n), "int64")
    same(linalg.diagonal(accel.asarray(x), offset=offset), np.diagonal(x, offset, -2, -1))
    same(linalg.trace(accel.asarray(x), offset=offset), np.trace(x, offset, -2, -1))


def test_products():
    a, b = numbers((2, 3, 4), "float64"), numbers((4, 3), "float64")
    for axes in (1, ((2, 1), (0, 1)), 0, ((-1,), (0,))):
        same(accel.tensordot(accel.asarray(a), accel.asarray(b), axes=axes), np.tensordot(a, b, axes))
    same(accel.vecdot(accel.asarray(a), accel.asarray(a[:1])), np.vecdot(a, a[:1]))
    same(accel.vecdot(accel.asarray(a), accel.asarray(a), axis=-2), np.vecdot(a, a, axis=-2))
    same(linalg.outer(accel.asarray(a[0, 0]), accel.asarray(b[0])), np.outer(a[0, 0], b[0]))


def test_other_libraries_dtypes_and_many_parts():
    assert isinstance(accel.concat([np.ones(2), np.zeros(1)]), np.ndarray)
    assert accel.concat([accel.ones(2, dtype="int8"), accel.ones(2, dtype="float16")]).dtype == accel.float16
    many = [numbers((3,), seed=i) for i in range(300)]
    same(accel.concat([accel.asarray(x) for x in many]), np.concatenate(many))
    turned = accel.asarray(numbers((40, 30))).T
    same(
        accel.concat([turned, accel.flip(turned)], axis=1),
        np.concatenate([numbers((40, 30)).T, np.flip(numbers((40, 30)).T)], 1),
    )


def test_in_a_fused_function():
    def both(x, y):
        return accel.roll(accel.concat([x * 2.0, y + 1.0]), 1) - 0.5

    x, y = accel.asarray(numbers((5,))), accel.asarray(numbers((3,)))
    same(accel.fuse(both)(x, y), np.asarray(both(x, y)))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: accel.concat([]), accel.ArgumentError, "concat: arrays"),
        (lambda x: accel.concat([x, x[0]]), accel.ShapeError, r"concat: arrays\[1\]"),
        (lambda x: accel.concat([x, x], axis=2), IndexError, "axis"),
        (lambda x: accel.concat([x[0, 0]]), accel.ShapeError, r"concat: arrays\[0\]"),
        (lambda x: accel.stack([x, x.T]), accel.ShapeError, r"stack: arrays\[1\]"),
        (lambda x: accel.roll(x), TypeError, "shift"),
        (lambda x: accel.roll(x, (1, 2), axis=(0, 1, 1)), accel.ArgumentError, "roll: shift"),
        (lambda x: accel.repeat(x, -1), accel.ArgumentError, "repeat: repeats"),
        (lambda x: accel.repeat(x, [1, 2, 3], axis=0), accel.ShapeError, "repeat: repeats"),
        (lambda x: accel.repeat(x, 1.5), accel.ArgumentError, "repeat: repeats"),
        (lambda x: accel.tile(x, -1), accel.ArgumentError, "tile: repetitions"),
        (lambda x: accel.moveaxis(x, (0, 0), (0, 1)), accel.ArgumentError, "moveaxis: source"),
        (lambda x: accel.diff(x, prepend=x.T), accel.ShapeError, "diff: prepend"),
        (lambda x: accel.diff(x, n=-1), accel.ArgumentError, "diff: n"),
        (lambda x: linalg.diagonal(x[0]), accel.ShapeError, "diagonal: x"),
        (lambda x: linalg.outer(x, x), accel.ShapeError, "outer: x1"),
        (lambda x: accel.tensordot(x, x, axes=3), accel.ArgumentError, "tensordot: axes"),
        (lambda x: accel.tensordot(x, x, axes=1), accel.ShapeError, "tensordot: x1, x2"),
        (lambda x: accel.vecdot(x, x.T), accel.ShapeError, "vecdot: x1, x2"),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error, match=words):
        call(accel.asarray(numbers((2, 3))))

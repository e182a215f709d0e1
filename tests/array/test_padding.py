"""Padding against NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel import linalg
from accel.testing.movement_family import MODES

WIDTH = st.integers(0, 9)
FORMS = ("one", "pair", "each")


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with accel.config(device="cpu"):
        yield


def same(got: Any, want: np.ndarray) -> None:
    host = np.asarray(got)
    assert host.dtype == want.dtype and host.shape == want.shape and np.array_equal(host, want, equal_nan=True)


@st.composite
def widths(draw: Any, ndim: int) -> Any:
    form = draw(st.sampled_from(FORMS))
    if form == "one":
        return draw(WIDTH)
    if form == "pair":
        return draw(st.tuples(WIDTH, WIDTH))
    return tuple(draw(st.tuples(WIDTH, WIDTH)) for _ in range(ndim))


@given(st.data(), st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple), st.sampled_from(MODES))
def test_modes(data, shape, mode):
    x = np.random.default_rng(0).integers(0, 99, shape).astype(np.float32)
    by = data.draw(widths(len(shape)))
    same(accel.pad(accel.asarray(x), by, mode), np.pad(x, by, mode))
    backwards = accel.asarray(x)[::-1]
    same(accel.pad(backwards, by, mode), np.pad(x[::-1], by, mode))


@given(st.data(), st.lists(st.integers(0, 4), min_size=1, max_size=3).map(tuple))
def test_constants(data, shape):
    x = np.random.default_rng(0).integers(0, 99, shape).astype(np.int16)
    by, values = data.draw(widths(len(shape))), data.draw(widths(len(shape)))
    got = accel.pad(accel.asarray(x), by, constant_values=values)
    same(got, np.pad(x, by, constant_values=values))


def test_more_boxes_than_a_join_is_made_of():
    x = np.arange(12, dtype=np.int32).reshape(2, 2, 3)
    for mode in MODES:
        same(
            accel.pad(accel.asarray(x), ((40, 41), (9, 8), (30, 2)), mode), np.pad(x, ((40, 41), (9, 8), (30, 2)), mode)
        )


def test_values_and_kinds_of_arrays():
    x = np.array([1.5, np.nan, -0.0], np.float32)
    got = accel.pad(x, 1, constant_values=(-0.0, np.inf))
    assert isinstance(got, np.ndarray) and np.signbit(got[[0, 3]]).all() and got[4] == np.inf
    assert accel.pad(accel.asarray(x), 1, constant_values=-0.0).tolist()[0] == 0 and np.signbit(got[0])
    same(accel.pad(np.array(3, np.int8), 5), np.array(3, np.int8))
    same(accel.pad(np.array([True]), 1), np.array([False, True, False]))
    half = accel.pad(accel.ones(2, dtype="bfloat16"), (0, 1), constant_values=7)
    assert half.dtype == accel.bfloat16 and half.tolist() == [1, 1, 7]
    same(accel.pad(accel.ones((2, 2)), [[1, 2], [0, 1]]), np.pad(np.ones((2, 2), np.float32), [[1, 2], [0, 1]]))


@pytest.mark.parametrize("k", range(-4, 5))
def test_diagonals(k: int) -> None:
    x = np.random.default_rng(0).standard_normal((3, 5)).astype(np.float32)
    array = accel.asarray(x)
    same(accel.diag(array, k), np.diag(x, k))
    same(accel.diag(array[0], k), np.diag(x[0], k))
    same(accel.diag(array[0, :0], k), np.diag(x[0, :0], k))
    same(accel.tri(3, 5, k), np.tri(3, 5, k, dtype=np.float32))
    same(accel.tri(4, k=k, dtype="int8"), np.tri(4, k=k, dtype=np.int8))
    assert np.allclose(np.asarray(accel.trace(array, k)), np.trace(x, k))
    same(linalg.diagonal(array, offset=k), accel.diagonal(array, k).numpy())


def test_in_a_fused_function():
    def both(x):
        return accel.pad(x * 2.0, ((1, 0), (2, 3)), "reflect") + accel.pad(x, ((0, 1), (5, 0)), constant_values=3.0)

    x = accel.asarray(np.random.default_rng(0).standard_normal((4, 6)).astype(np.float32))
    same(accel.fuse(both)(x), both(x).numpy())


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: accel.pad(x, -1), accel.ArgumentError, "pad: pad_width: expected 0 or more"),
        (lambda x: accel.pad(x, 1.5), accel.ArgumentError, "pad: pad_width: expected an integer"),
        (lambda x: accel.pad(x, (1, 2, 3)), accel.ArgumentError, "pad: pad_width: .* for each of 2 axes"),
        (lambda x: accel.pad(x, ((1, 2), 3)), accel.ArgumentError, "pad: pad_width"),
        (lambda x: accel.pad(x, "1"), accel.ArgumentError, "pad: pad_width"),
        (lambda x: accel.pad(x, 1, "mean"), accel.ArgumentError, "pad: mode: expected 'constant' or"),
        (
            lambda x: accel.pad(x, 1, "edge", constant_values=1),
            accel.ArgumentError,
            "constant_values: mode 'edge'",
        ),
        (lambda x: accel.pad(x, 1, constant_values="a"), accel.ArgumentError, "pad: constant_values"),
        (lambda x: accel.pad(x[:0], 1, "wrap"), accel.ShapeError, "pad: x: axis 0"),
        (lambda x: accel.pad(accel.ones(2, dtype="int8"), 1, constant_values=300), accel.RangeError, "constant_values"),
        (lambda x: accel.pad([1, 2], 1), accel.ArgumentError, "pad: x"),
        (lambda x: accel.diag(x[None]), accel.ShapeError, "diag: x"),
        (lambda x: accel.diag(x[0], 0.5), accel.ArgumentError, "diag: k"),
        (lambda x: accel.tri(-1), accel.ShapeError, "tri"),
        (lambda x: accel.trace(x[0]), IndexError, "trace: axis2"),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error, match=words):
        call(accel.asarray(np.ones((2, 3), np.float32)))

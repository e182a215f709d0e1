"""Cross products, norms and powers of matrices against NumPy."""

from __future__ import annotations

from typing import Any

import array_api_strict as strict
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel import linalg


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with accel.config(device="cpu"):
        yield


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).standard_normal(shape)


@given(st.lists(st.integers(0, 3), max_size=2), st.data())
def test_cross_products(lengths: list[int], data: Any) -> None:
    axis = data.draw(st.integers(-len(lengths) - 1, -1))
    at = len(lengths) + 1 + axis
    shape = (*lengths[:at], 3, *lengths[at:])
    a, b = normal(*shape), normal(*shape) + 1
    want = np.cross(a, b, axis=axis)
    assert np.allclose(linalg.cross(a, b, axis=axis), want, rtol=1e-14, atol=1e-14)
    assert np.allclose(accel.cross(a, b, axis=axis), want, rtol=1e-14, atol=1e-14)
    whole = (9 * a).astype(np.int32)
    got = linalg.cross(whole, whole[::1][..., :], axis=axis)
    assert got.dtype == np.int32 and not got.any()
    refereed = strict.linalg.cross(strict.asarray(a), strict.asarray(b), axis=axis)
    assert refereed.shape == np.shape(linalg.cross(a, b, axis=axis))


def test_numpys_axes_of_cross_products() -> None:
    a, b = normal(3, 4, 5), normal(4, 5, 3)
    for axes in ((0, 2, 1), (0, -1, 0), (-3, 2, -1)):
        got = accel.cross(a, b, *axes)
        assert np.allclose(got, np.cross(a, b, *axes)) and got.shape == np.cross(a, b, *axes).shape
    assert np.allclose(accel.cross(normal(3), normal(4, 3)), np.cross(normal(3), normal(4, 3)))
    assert np.allclose(linalg.cross(normal(5, 1, 3), normal(4, 3)), np.cross(normal(5, 1, 3), normal(4, 3)))


@given(st.lists(st.integers(1, 5), min_size=2, max_size=3), st.sampled_from(["fro", 1, -1, np.inf, -np.inf]))
def test_norms(shape: list[int], order: Any) -> None:
    x = normal(*shape)
    for keepdims in (False, True):
        want = np.linalg.matrix_norm(x, ord=order, keepdims=keepdims)
        got = linalg.matrix_norm(x, ord=order, keepdims=keepdims)
        assert np.shape(got) == want.shape and np.allclose(got, want, rtol=1e-14)


def test_norms_neither_overflow_nor_vanish_on_the_way() -> None:
    x = np.full((3, 3), 1e30, np.float32)
    assert np.isclose(float(linalg.matrix_norm(x)), 3e30, rtol=1e-6)
    small = np.full((3, 3), 1e-30, np.float32)
    assert np.isclose(float(linalg.matrix_norm(small)), 3e-30, rtol=1e-6, atol=0)


def test_norms_of_nothing() -> None:
    x = np.zeros((0, 3))
    assert float(linalg.matrix_norm(x)) == 0.0 and float(linalg.matrix_norm(x, ord=1)) == 0.0
    assert linalg.matrix_norm(np.zeros((2, 0, 0))).tolist() == [0.0, 0.0]
    with pytest.raises(accel.ShapeError, match="nothing to choose from"):
        linalg.matrix_norm(x, ord=np.inf)


@given(st.integers(0, 9), st.integers(1, 4))
def test_powers(n: int, side: int) -> None:
    x = normal(2, side, side)
    assert np.allclose(linalg.matrix_power(x, n), np.linalg.matrix_power(x, n), rtol=1e-12)
    whole = np.random.default_rng(n).integers(-3, 4, (side, side))
    got = linalg.matrix_power(whole, n)
    assert got.dtype == whole.dtype and np.array_equal(got, np.linalg.matrix_power(whole, n))


def test_powers_are_new_arrays_and_16_bits_are_rounded_once() -> None:
    x = accel.asarray(normal(3, 3))
    for n in (0, 1):
        found = linalg.matrix_power(x, n)
        assert found.buffer is not x.buffer
        found[...] = 0.0
    half = normal(4, 4).astype(np.float16)
    with accel.config(numerics="reproducible"):
        got = linalg.matrix_power(half, 5)
        want = linalg.matrix_power(half.astype(np.float32), 5).astype(np.float16)
    assert got.dtype == np.float16 and np.array_equal(got, want)
    assert linalg.matrix_power(half, 0).tolist() == np.eye(4).tolist()


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda x: linalg.cross(x, x[:, :2]), accel.ShapeError, "cross: x2: expected 3 elements"),
        (lambda x: linalg.cross(x > 0, x > 0), accel.DtypeError, "cross: x1, x2"),
        (lambda x: linalg.cross(x, x, axis=2), accel.AxisError, "cross: axis"),
        (lambda x: accel.cross(x, x, axisc=2), accel.AxisError, "out of range"),
        (lambda x: accel.cross(x, x, axisa=0.5), accel.ArgumentError, "cross: axisa"),
        (lambda x: linalg.matrix_norm(x[0]), accel.ShapeError, "matrix_norm: x"),
        (lambda x: linalg.matrix_norm(x, ord=3), accel.ArgumentError, "matrix_norm: ord: expected"),
        (lambda x: linalg.matrix_norm(x, ord="max"), accel.ArgumentError, "matrix_norm: ord: expected"),
        (lambda x: linalg.matrix_power(x, 2), accel.ShapeError, "matrix_power: x"),
        (lambda x: linalg.matrix_power(np.zeros((2, 2)), -1), accel.LinAlgError, "inv: x"),
        (lambda x: linalg.matrix_power(x @ x.T, 0.5), accel.ArgumentError, "matrix_power: n"),
        (lambda x: linalg.matrix_power((x @ x.T) > 0, 2), accel.DtypeError, "matrix_power: x"),
    ],
)
def test_errors(call: Any, kind: Any, words: str) -> None:
    with pytest.raises(kind, match=words):
        call(normal(2, 3))

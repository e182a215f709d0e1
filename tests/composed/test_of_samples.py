"""Averages, covariances, ranges, integrals and closeness against NumPy's functions."""

from __future__ import annotations

import warnings
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


SHAPES = st.lists(st.sampled_from([1, 2, 3, 7]), min_size=1, max_size=3).map(tuple)


def normal(shape: Any, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def close(got: Any, want: Any, rtol: float = 1e-12) -> None:
    assert np.shape(got) == np.shape(want)
    assert np.allclose(got, want, rtol=rtol, atol=1e-13, equal_nan=True)


@given(SHAPES, st.data())
def test_averages(shape: tuple[int, ...], data: Any) -> None:
    x, weights = normal(shape), np.abs(normal(shape, 1)) + 0.1
    axis = data.draw(st.one_of(st.none(), st.integers(-len(shape), len(shape) - 1)))
    keepdims = data.draw(st.booleans())
    close(accel.average(x, axis, keepdims=keepdims), np.average(x, axis, keepdims=keepdims))
    close(accel.average(x, axis, weights, keepdims=keepdims), np.average(x, axis, weights, keepdims=keepdims))
    if axis is not None:
        line = weights.reshape(-1)[: shape[axis]]
        for got, want in zip(accel.average(x, axis, line, True), np.average(x, axis, line, True), strict=True):
            close(got, want)
    got, total = accel.average(x, axis, returned=True)
    close(total, np.average(x, axis, returned=True)[1])
    close(got, x.mean(axis))


def test_weights_that_do_not_fit() -> None:
    x = np.zeros((2, 3))
    for weights in (np.ones(2), np.ones((2, 1)), np.ones((3, 2))):
        with pytest.raises(accel.ShapeError, match="average: weights"):
            accel.average(x, 1, weights)
    assert np.isnan(accel.average(np.zeros(2), weights=np.zeros(2)))


@given(st.data())
def test_covariances(data: Any) -> None:
    variables, n = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 6))
    rowvar = data.draw(st.booleans())
    x = normal((variables, n) if rowvar else (n, variables), n)
    y = normal(n, 5) if data.draw(st.booleans()) else None
    if not rowvar and y is not None:
        y = y[:, None]
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    keywords = {
        "bias": data.draw(st.booleans()),
        "ddof": data.draw(st.sampled_from([None, 0, 1, 2])),
        "fweights": data.draw(st.sampled_from([None, rng.integers(1, 4, n)])),
        "aweights": data.draw(st.sampled_from([None, rng.uniform(0.5, 2, n)])),
    }
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        want = np.cov(x, y, rowvar, **keywords)
        correlation = np.corrcoef(x, y, rowvar)
    close(accel.cov(x, y, rowvar, **keywords), want)
    close(accel.corrcoef(x, y, rowvar), correlation)


def test_the_variance_of_one_variable_has_no_axes() -> None:
    x = normal(9)
    assert np.shape(accel.cov(x)) == () and np.isclose(accel.cov(x), x.var(ddof=1))
    assert float(accel.corrcoef(x)) == 1.0
    for wrong, name in ((np.zeros((2, 2, 2)), "x"), (np.zeros(()), "observations")):
        with pytest.raises(accel.ShapeError, match=f"cov: .*{name}"):
            accel.cov(x, wrong) if wrong.ndim == 0 else accel.cov(wrong)


@given(SHAPES, st.data())
def test_ranges(shape: tuple[int, ...], data: Any) -> None:
    axis = data.draw(st.one_of(st.none(), st.integers(-len(shape), len(shape) - 1)))
    for x in (normal(shape), (100 * normal(shape)).astype(np.int8)):
        got = accel.ptp(x, axis)
        assert got.dtype == x.dtype and np.array_equal(got, np.ptp(x, axis))
        assert np.array_equal(accel.ptp(x, axis, keepdims=True), np.ptp(x, axis, keepdims=True))
    with pytest.raises(accel.DtypeError, match="ptp: x"):
        accel.ptp(np.array([True]))
    with pytest.raises(accel.ShapeError, match="nothing to choose from"):
        accel.ptp(np.zeros(0))


@given(SHAPES, st.data())
def test_integrals(shape: tuple[int, ...], data: Any) -> None:
    y, axis = normal(shape), data.draw(st.integers(-len(shape), len(shape) - 1))
    close(accel.trapezoid(y, dx=0.3, axis=axis), np.trapezoid(y, dx=0.3, axis=axis))
    for x in (normal(shape[axis], 1), normal(shape, 2)):
        close(accel.trapezoid(y, x, axis=axis), np.trapezoid(y, x, axis=axis))
    with pytest.raises(accel.ShapeError, match="trapezoid: x"):
        accel.trapezoid(y, normal(shape[axis] + 1), axis=axis)


def test_integrals_of_fewer_than_two_samples_are_zero() -> None:
    assert float(accel.trapezoid(np.zeros(1))) == 0.0 and float(accel.trapezoid(np.zeros(0))) == 0.0


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([1.0, 2.0], [1.0, 2.0 + 1e-6]),
        ([1.0, np.inf], [1.0, np.inf]),
        ([1.0, 5.0], [1.0, np.inf]),
        ([np.inf], [-np.inf]),
        ([np.nan, 1.0], [np.nan, 1.0]),
        ([0.0], [1e-9]),
        ([1e-9], [0.0]),
        ([1.0], [[1.0], [1.1]]),
        ([], []),
        ([3, 2**40], [3, 2**40 + 1]),
        ([-128], [127]),
        ([True, False], [True, True]),
    ],
)
def test_closeness(a: Any, b: Any) -> None:
    x, y = np.array(a), np.array(b)
    for keywords in ({}, {"equal_nan": True}, {"rtol": 0.2}, {"rtol": 0.0, "atol": 0.5}, {"rtol": 0.0, "atol": 0.0}):
        got = accel.allclose(x, y, **keywords)
        assert got.dtype == bool and bool(got) is np.allclose(x, y, **keywords), keywords
    for equal_nan in (False, True):
        assert bool(accel.array_equal(x, y, equal_nan)) is np.array_equal(x, y, equal_nan)


def test_closeness_of_integers_is_exact() -> None:
    """As float32, 2^60 and 2^60 + 1 are one number; NumPy's float64 cannot tell them apart either."""
    x = np.array([2**60, -(2**63)])
    assert not accel.allclose(x, x + np.array([1, 0]), rtol=0.0, atol=0.5)
    assert not accel.allclose(x, np.array([2**60, 2**63 - 1]), rtol=0.5)
    assert accel.allclose(x, x)
    small = np.array([-128], np.int8)
    assert not accel.allclose(small, -small - 1, rtol=0.0, atol=3.0)


def test_equal_arrays() -> None:
    x = accel.asarray([1.0, 2.0])
    assert accel.array_equal(x, accel.asarray([1, 2])) and not accel.array_equal(x, x[:1])
    found = accel.array_equal(x, x[:1])
    found[...] = True
    assert not accel.array_equal(x, x[:1]), "a result is nobody else's memory"
    assert not accel.array_equal(x, x[None]), "nothing is broadcast"
    assert isinstance(accel.array_equal(np.zeros(2), np.zeros(3)), np.ndarray)
    fused = accel.fuse(lambda x, y: accel.array_equal(x * 2, y))
    assert fused(x, accel.asarray([2.0, 4.0])) and not fused(x, x)

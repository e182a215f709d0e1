"""Medians, quantiles and percentiles against NumPy's."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel.ops.composed.order import METHODS


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with accel.config(device="cpu"):
        yield


def drawn(data: Any, nan: float = 0.0) -> tuple[np.ndarray, Any]:
    shape = tuple(data.draw(st.lists(st.sampled_from([1, 2, 3, 8, 11]), min_size=1, max_size=3)))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    x = np.round(4 * rng.standard_normal(shape)) / 4
    x[rng.random(shape) < nan] = np.nan
    axis = data.draw(
        st.one_of(st.none(), st.integers(-len(shape), len(shape) - 1), st.just(tuple(range(len(shape)))[:2]))
    )
    return x, axis


def same(got: Any, want: Any) -> None:
    assert np.shape(got) == np.shape(want)
    assert np.allclose(got, want, rtol=1e-14, atol=1e-14, equal_nan=True)


@given(st.data())
def test_medians(data: Any) -> None:
    keepdims = data.draw(st.booleans())
    for nan in (0.0, 0.05):
        x, axis = drawn(data, nan)
        same(accel.median(x, axis, keepdims=keepdims), np.median(x, axis, keepdims=keepdims))
    x, axis = drawn(data, data.draw(st.sampled_from([0.0, 0.4, 1.0])))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        want = np.nanmedian(x, axis, keepdims=keepdims)
    same(accel.nanmedian(x, axis, keepdims=keepdims), want)


@given(st.sampled_from(METHODS), st.data())
def test_quantiles(method: str, data: Any) -> None:
    x, axis = drawn(data, data.draw(st.sampled_from([0.0, 0.0, 0.05])))
    keepdims = data.draw(st.booleans())
    shares = st.one_of(st.sampled_from([0.0, 0.25, 0.3, 0.5, 0.75, 1.0]), st.floats(0, 1))
    q = data.draw(st.one_of(shares, st.lists(shares, min_size=1, max_size=4)))
    want = np.quantile(x, q, axis, method=method, keepdims=keepdims)
    same(accel.quantile(x, q, axis, method=method, keepdims=keepdims), want)
    if isinstance(q, list):
        own = accel.quantile(x, np.array(q), axis, method=method, keepdims=keepdims)
        assert np.array_equal(own, accel.quantile(x, tuple(q), axis, method=method, keepdims=keepdims), equal_nan=True)
        for i, each in enumerate(q):
            one = accel.quantile(x, each, axis, method=method, keepdims=keepdims)
            assert np.array_equal(own[i], one, equal_nan=True), "one alone has the bits of one among others"


def test_percentiles() -> None:
    x = np.random.default_rng(0).standard_normal((3, 50))
    for q in (0, 12.5, 100, [5, 50, 99]):
        same(accel.percentile(x, q, 1), np.percentile(x, q, 1))
        same(accel.percentile(x, q), np.percentile(x, q))
    same(accel.percentile(x, accel.asarray([5, 50]), 1, keepdims=True), np.percentile(x, [5, 50], 1, keepdims=True))
    same(accel.percentile(x, q=np.float64(30)), np.percentile(x, 30))


def test_infinities_are_not_lost_between_equal_neighbours() -> None:
    """NumPy's linear interpolation makes NaN of infinities that it does not need."""
    x = np.array([-np.inf, 1.0, np.inf, np.inf])
    assert accel.quantile(x, [0.0, 1 / 3, 0.9, 1.0]).tolist() == [-np.inf, 1.0, np.inf, np.inf]
    assert float(accel.median(np.array([np.inf, np.inf]))) == np.inf


def test_of_nothing() -> None:
    x = np.zeros((2, 0))
    for found in (accel.median(x, 1), accel.nanmedian(x, 1), accel.quantile(x, 0.5, 1)):
        assert np.shape(found) == (2,) and np.isnan(found).all()
    assert accel.quantile(x, [0.1, 0.2], 1, keepdims=True).shape == (2, 2, 1)
    assert accel.median(x, 0).shape == (0,)
    found = accel.median(accel.asarray(x), 1)
    found[...] = 1.0
    assert np.isnan(np.asarray(accel.median(accel.asarray(x), 1))).all(), "a result is nobody else's memory"


def test_sorted_rows_of_16_bits_are_interpolated_in_float32() -> None:
    x = np.array([1.0, 1.0009765625], np.float16)
    assert accel.median(x).dtype == np.float16
    assert accel.quantile(np.array([0, 60000], np.float16), 0.999).dtype == np.float16
    assert float(accel.median(np.array([60000, 60000], np.float16))) == 60000, "the sum is no float16"


def test_a_row_is_sorted_once_whatever_is_asked_of_it() -> None:
    lines = accel.explain("quantile", accel.ones((5, 70)), (0.1, 0.5, 0.9), axis=1)
    assert str(lines).count(" sort by ") == 1


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda x: accel.quantile(x, 1.5), accel.ArgumentError, "quantile: q: expected numbers from 0 to 1"),
        (lambda x: accel.quantile(x, float("nan")), accel.ArgumentError, "quantile: q"),
        (
            lambda x: accel.percentile(x, [50, 101]),
            accel.ArgumentError,
            "percentile: q: expected numbers from 0 to 100",
        ),
        (lambda x: accel.quantile(x, "half"), accel.ArgumentError, "quantile: q"),
        (lambda x: accel.quantile(x, [[0.5]]), accel.ArgumentError, "quantile: q"),
        (lambda x: accel.quantile(x, np.ones((1, 1))), accel.ArgumentError, "quantile: q: expected numbers along"),
        (lambda x: accel.quantile(x, 0.5, method="median"), accel.ArgumentError, "quantile: method"),
        (lambda x: accel.median(x, 2), accel.AxisError, "median: axis"),
        (lambda x: accel.median(x > 0), accel.DtypeError, "median: x"),
        (lambda x: accel.nanmedian(x, keepdims=7), accel.ArgumentError, "nanmedian: keepdims"),
    ],
)
def test_errors(call: Any, kind: Any, words: str) -> None:
    with pytest.raises(kind, match=words):
        call(np.zeros((2, 3)))

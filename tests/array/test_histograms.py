"""Counts of numbers and intervals, and values between samples, against NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel.ops.composed import exact_statistics


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with accel.config(device="cpu"):
        yield


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    """Of which some are equal."""
    return np.round(4 * np.random.default_rng([seed, *shape]).standard_normal(shape)) / 4


def same(got: Any, want: Any) -> None:
    assert got.dtype == want.dtype and got.shape == want.shape and np.allclose(got, want, rtol=1e-13, equal_nan=True)


@given(st.lists(st.integers(0, 9), max_size=30), st.integers(0, 12), st.sampled_from(["int64", "uint8", "uint64"]))
def test_counts_of_numbers(values: list[int], least: int, dtype: str) -> None:
    x = np.array(values, np.int64).astype(dtype)
    same(accel.bincount(x, minlength=least), np.bincount(x.astype(np.int64), minlength=least))
    weights = numbers(len(values), seed=1)
    if values:  # else NumPy gives counts
        same(accel.bincount(x, weights, least), np.bincount(x.astype(np.int64), weights, least))


@given(st.integers(1, 40), st.integers(1, 7), st.data())
def test_histograms(n: int, bins: int, data: Any) -> None:
    x, weights = numbers(n), np.abs(numbers(n, seed=1))
    ends = np.sort(numbers(bins + 1, seed=2))
    keywords: dict[str, Any] = {"density": data.draw(st.booleans()) and bool((np.diff(ends) > 0).all())}
    if data.draw(st.booleans()):
        keywords["weights"] = weights
    if data.draw(st.booleans()):
        keywords["range"] = (-0.5, 1.25)
    for how in (bins, ends, ends.tolist()):
        with np.errstate(all="ignore"):
            want = np.histogram(x, how, **keywords)
            got = accel.histogram(x, how, **keywords)
        assert isinstance(got, tuple) and len(got) == 2
        for a, b in zip(got, want, strict=True):
            same(a, b)


def test_what_lies_in_no_interval() -> None:
    x = np.array([np.nan, -1.0, 0.0, 0.5, 1.0, 1.5, np.inf])
    assert accel.histogram(x, 2, range=(0, 1))[0].tolist() == [1, 2]
    assert accel.histogram(x, [0.0, 0.5, 1.0], weights=np.ones(7))[0].tolist() == [1.0, 2.0]
    found, ends = accel.histogram(np.array([3, 3, 3], np.int32), 2)
    assert found.tolist() == [0, 3] and ends.tolist() == [2.5, 3.0, 3.5] and ends.dtype == np.float64
    assert accel.histogram(np.zeros(0, np.float32), 2)[1].dtype == np.float32
    many = np.random.default_rng(0).standard_normal((300, 40)).astype(np.float32)
    for a, b in zip(accel.histogram(many, 50), np.histogram(many, 50), strict=True):
        assert np.allclose(a, b)


@given(st.booleans(), st.booleans(), st.integers(0, 6))
def test_intervals(right: bool, descending: bool, n: int) -> None:
    x = np.append(numbers(4, 5), np.nan)
    bins = np.sort(numbers(n, seed=1))[:: -1 if descending else 1]
    if n:
        same(accel.digitize(x, bins, right), np.digitize(x, bins, right))


@given(st.integers(1, 9), st.data())
def test_values_between_samples(n: int, data: Any) -> None:
    x, xp, fp = numbers(3, 7), np.unique(numbers(3 * n, seed=1))[:n], numbers(3 * n, seed=2)
    fp = fp[: len(xp)]
    if data.draw(st.booleans()):
        fp[data.draw(st.integers(0, len(fp) - 1))] = np.inf
    keywords: dict[str, Any] = {}
    if data.draw(st.booleans()):
        keywords = {"left": -9.0} if data.draw(st.booleans()) else {"right": 5, "left": np.nan}
    with np.errstate(all="ignore"):
        same(accel.interp(x, xp, fp, **keywords), np.interp(x, xp, fp, **keywords))
        period = data.draw(st.sampled_from([1.7, -3.0]))
        shuffled = np.random.default_rng(n).permutation(len(xp))
        folded = np.unique(xp % abs(period)).size == xp.size
        if folded and np.isfinite(fp).all():
            want = np.interp(x, xp[shuffled], fp[shuffled], period=period)
            assert np.allclose(accel.interp(x, xp[shuffled], fp[shuffled], period=period), want, rtol=1e-9, atol=1e-9)


def test_places_that_are_nan_or_at_an_end() -> None:
    xp, fp = np.array([0.0, 1.0, 2.0]), np.array([5.0, 7.0, np.inf])
    x = np.array([np.nan, -np.inf, 0.0, 1.0, 2.0, np.inf])
    assert np.array_equal(accel.interp(x, xp, fp), [np.nan, 5.0, 5.0, 7.0, np.inf, np.inf], equal_nan=True)
    fused = accel.fuse(lambda x, xp, fp: accel.interp(x * 2.0, xp, fp))
    arrays = [accel.asarray(v) for v in (x, xp, fp)]
    again = accel.interp(arrays[0] * 2.0, *arrays[1:])
    assert np.array_equal(np.asarray(fused(*arrays)), np.asarray(again), equal_nan=True)


@given(st.lists(st.integers(-2, 2), min_size=1, max_size=5))
def test_places_of_several_points(places: list[int]) -> None:
    """The last of them counts, for accel and for what it is compared with."""
    x, xp = np.arange(-3, 3.5, 0.5), np.sort(np.array(places, float))
    fp = np.arange(xp.size) ** 2.0
    want = np.interp(x, xp, fp)
    assert np.allclose(accel.interp(x, xp, fp), want)
    assert np.allclose(exact_statistics.interp(x, xp, fp).astype(float), want)


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: accel.bincount(np.array([1, -2])), IndexError, "bincount: x: expected numbers from 0 on, got -2"),
        (lambda: accel.bincount(np.ones((2, 2), int)), accel.ShapeError, "bincount: x"),
        (lambda: accel.bincount(np.ones(2)), accel.DtypeError, "bincount: x"),
        (lambda: accel.bincount(np.ones(2, int), np.ones(3)), accel.ShapeError, "bincount: weights"),
        (lambda: accel.bincount(np.ones(2, int), minlength=-1), accel.ArgumentError, "bincount: minlength"),
        (lambda: accel.fuse(lambda x: accel.bincount(x))(np.ones(2, int)), accel.ArgumentError, "bincount"),
        (lambda: accel.histogram(np.array([np.nan])), accel.ArgumentError, "histogram: x: has NaN"),
        (lambda: accel.histogram(np.zeros(3), 0), accel.ArgumentError, "histogram: bins: expected at least one"),
        (lambda: accel.histogram(np.zeros(3), "auto"), accel.ArgumentError, "histogram: bins"),
        (lambda: accel.histogram(np.zeros(3), [1.0, 0.0]), accel.ArgumentError, "histogram: bins: .* ascend"),
        (lambda: accel.histogram(np.zeros(3), [1.0]), accel.ShapeError, "histogram: bins"),
        (lambda: accel.histogram(np.zeros(3), range=(1, 0)), accel.ArgumentError, "histogram: range"),
        (lambda: accel.histogram(np.zeros(3), range=1), accel.ArgumentError, "histogram: range"),
        (lambda: accel.histogram(np.zeros(3), weights=np.zeros(2)), accel.ShapeError, "histogram: weights"),
        (lambda: accel.histogram(np.zeros(3) > 0), accel.DtypeError, "histogram: x"),
        (lambda: accel.digitize(np.zeros(3), np.array([0.0, 2.0, 1.0])), accel.ArgumentError, "digitize: bins"),
        (lambda: accel.digitize(np.zeros(3), np.zeros((1, 2))), accel.ShapeError, "digitize: bins"),
        (lambda: accel.interp(np.zeros(3), np.zeros(2), np.zeros(3)), accel.ShapeError, "interp: xp, fp"),
        (lambda: accel.interp(np.zeros(3), np.zeros(0), np.zeros(0)), accel.ShapeError, "interp: xp"),
        (lambda: accel.interp(np.zeros(3), np.zeros(2), np.zeros(2), period=0), accel.ArgumentError, "interp: period"),
        (lambda: accel.interp(np.zeros(3), np.zeros(2), np.zeros(2), left="0"), accel.ArgumentError, "interp: left"),
        (lambda: accel.interp(np.zeros(3, int), np.zeros(2), np.zeros(2)), accel.DtypeError, "interp: x"),
    ],
)
def test_errors(call: Any, kind: Any, words: str) -> None:
    with pytest.raises(kind, match=words):
        call()

"""`nansum` and its family against NumPy's: NaN in some places, in all of them, and in none."""

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


NAMES = ("nansum", "nanprod", "nanmax", "nanmin", "nanmean", "nanvar", "nanstd")


def numpys(name: str, x: np.ndarray, **keywords: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(np, name)(x, **keywords)


@given(st.sampled_from(NAMES), st.data())
def test_they_are_numpys(name: str, data: Any) -> None:
    shape = tuple(data.draw(st.lists(st.sampled_from([1, 2, 3, 7]), min_size=1, max_size=3)))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    x = rng.uniform(0.5, 2.0, shape)
    x[rng.random(shape) < data.draw(st.sampled_from([0.0, 0.3, 0.8, 1.0]))] = np.nan
    axis = data.draw(st.one_of(st.none(), st.integers(-len(shape), len(shape) - 1)))
    given = {"correction": data.draw(st.sampled_from([0, 1, 2]))} if name in ("nanvar", "nanstd") else {}
    keepdims = data.draw(st.booleans())
    got = getattr(accel, name)(x, axis, keepdims=keepdims, **given)
    want = numpys(name, x, axis=axis, keepdims=keepdims, **given)
    assert np.shape(got) == np.shape(want)
    assert np.allclose(got, want, rtol=1e-13, atol=1e-13, equal_nan=True)


def test_the_place_of_the_largest() -> None:
    x = np.array([[np.nan, -np.inf, 3.0, 3.0], [np.nan, -np.inf, np.nan, -np.inf], [1.0, 2.0, -5.0, 0.0]])
    assert accel.nanargmax(x, 1).tolist() == [2, 1, 1], "NumPy takes the first NaN for -inf in the second row"
    assert accel.nanargmin(x, 1).tolist() == [1, 1, 2]
    assert accel.nanargmax(x, keepdims=True).tolist() == [[2]]
    assert int(accel.nanargmin(-x)) == 2
    nothing = np.full((2, 3), np.nan)
    assert accel.nanargmax(nothing, 0).tolist() == [-1, -1, -1] and int(accel.nanargmin(nothing)) == -1
    assert accel.nanargmax(np.array([3, 9, 9])).dtype == np.int64


def test_integers_and_booleans_have_no_nan() -> None:
    x = np.array([[3, -7, 2], [0, 1, 5]], np.int8)
    for name in ("nansum", "nanprod", "nanmax", "nanmin"):
        got = getattr(accel, name)(x, 1)
        assert got.dtype == getattr(np, name)(x, 1).dtype and np.array_equal(got, getattr(np, name)(x, 1))
    assert accel.nansum(x, dtype="int8").dtype == np.int8
    assert accel.nansum(np.array([True, True])) == 2
    assert accel.nanargmin(x, 1).tolist() == [1, 0]
    for name in ("nanmean", "nanvar", "nanstd"):
        with pytest.raises(accel.DtypeError, match=f"{name}: x"):
            getattr(accel, name)(x)
    with pytest.raises(accel.DtypeError, match="nanargmax: x"):
        accel.nanargmax(x > 0)


def test_sums_of_16_bit_floats_are_rounded_once() -> None:
    x = np.array([2048, 1, np.nan, 1, 1, 1], np.float16)
    assert float(accel.nansum(x)) == 2052.0
    assert accel.nansum(x, dtype="float32").dtype == np.float32


def test_errors() -> None:
    for call, kind, words in (
        (lambda: accel.nanmax(np.zeros((2, 0)), 1), accel.ShapeError, "nothing to choose from"),
        (lambda: accel.nanmean(np.zeros(3), 1), accel.AxisError, "nanmean: axis"),
        (lambda: accel.nanargmax(np.zeros((3, 3)), (0, 1)), accel.ArgumentError, "nanargmax: axis"),
        (lambda: accel.nanstd(np.zeros(3), correction="1"), accel.ArgumentError, "nanstd: correction"),
        (lambda: accel.nansum(np.zeros(3), keepdims=3), accel.ArgumentError, "nansum: keepdims"),
    ):
        with pytest.raises(kind, match=words):
            call()

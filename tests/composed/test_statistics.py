"""Variances, and norms of vectors: corrections, special values, and the range of numbers that scaling keeps."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import numpy as np
import pytest

import accel

norm = accel.linalg.vector_norm


def of(*values: float, dtype: str = "float64") -> accel.Array:
    return accel.asarray(np.array(values), dtype=dtype, device="cpu")


# variance


@pytest.mark.parametrize("correction", [0, 1, 2.5, 3, 4, 100, -1, -0.5])
@pytest.mark.parametrize("n", [1, 3])
def test_corrections_are_as_in_numpy(n: int, correction: float) -> None:
    x = np.arange(float(n)) ** 2
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning) if correction >= n else _nothing():
        want = np.var(x, ddof=correction)
    for got in (accel.var(of(*x), correction=correction), accel.var_mean(of(*x), correction=correction)[0]):
        assert np.array_equal(float(got), want, equal_nan=True) or abs(float(got) - want) < 1e-15 * want
    deviation = float(accel.std(of(*x), correction=correction))
    assert np.array_equal(deviation, np.sqrt(want), equal_nan=True) or abs(deviation - np.sqrt(want)) < 1e-15 * want


def _nothing() -> Any:
    from contextlib import nullcontext

    return nullcontext()


def test_the_variance_of_nothing() -> None:
    for axis, shape in ((None, ()), (1, (3,)), ((0, 1), ())):
        found = accel.var(accel.zeros((3, 0)), axis=axis)
        assert found.shape == shape and np.isnan(np.asarray(found)).all()
    assert accel.var(accel.zeros((3, 0)), axis=0).shape == (0,)
    assert accel.std(accel.zeros((3, 0)), axis=1, keepdims=True).shape == (3, 1)


def test_defaults_are_each_ones_own() -> None:
    x = of(1.0, 2.0, 6.0)
    assert float(accel.var(x)) == 14 / 3 and float(accel.var_mean(x)[0]) == 7.0 and float(accel.var_mean(x)[1]) == 3.0


def test_no_axes_is_no_reduction() -> None:
    x = accel.asarray([[1.0, -2.0], [nan, inf]])
    found = np.asarray(accel.var(x, axis=()))
    assert (found[0] == 0).all() and np.isnan(found[1]).all()
    assert np.array_equal(np.asarray(norm(x, axis=())), [[1.0, 2.0], [nan, inf]], equal_nan=True)


def test_a_nan_or_an_infinity_makes_the_variance_nan() -> None:
    for odd in (nan, inf, -inf):
        assert np.isnan(float(accel.var(of(1.0, odd, 2.0)))) and np.isnan(float(accel.std(of(1.0, odd, 2.0))))


# norms

SPECIAL = [
    (2, (nan, 1.0), nan),
    (2, (nan, inf), nan),
    (2, (-inf, 1.0), inf),
    (2, (0.0, -0.0), 0.0),
    (1, (-inf, 1.0), inf),
    (1, (nan, inf), nan),
    (3, (inf, 2.0), inf),
    (3, (nan, 2.0), nan),
    (3, (0.0, 0.0), 0.0),
    (0.5, (1.0, 4.0), 9.0),
    (0, (0.0, -0.0, nan, inf, 5e-324), 3.0),
    (inf, (nan, 1.0), nan),
    (inf, (-3.0, 1.0), 3.0),
    (-inf, (-3.0, 1.0), 1.0),
    (-inf, (nan, 1.0), nan),
    (-1, (0.0, 1.0), 0.0),
    (-1, (inf, 1.0), 1.0),
    (-1, (inf, inf), inf),
    (-1, (nan, 1.0), nan),
    (-1, (2.0, 2.0), 1.0),
]


@pytest.mark.parametrize(("order", "values", "want"), SPECIAL)
def test_special_values(order: float, values: tuple[float, ...], want: float) -> None:
    for dtype in ("float32", "float64"):
        tiny = tuple(v for v in values if dtype == "float64" or v != 5e-324)
        expected = want - (len(values) - len(tiny))
        found = float(norm(of(*tiny, dtype=dtype), ord=order))
        assert np.array_equal(found, expected, equal_nan=True), (dtype, found)
        assert not np.signbit(found)


EXTREMES = {
    "float32": (2.0**-149, 2.0**-126, 2.0**-100, 2.0**-50, 2.0**-49, 1.0, 2.0**44, 2.0**45, 2.0**100, 2.0**124),
    "float64": (2.0**-1074, 2.0**-1022, 2.0**-700, 2.0**-450, 2.0**-449, 1.0, 2.0**480, 2.0**481, 2.0**1020),
}


@pytest.mark.parametrize("dtype", EXTREMES)
def test_the_length_of_a_vector_scales_with_it(dtype: str) -> None:
    """Exact multiples, from subnormal numbers up to the largest: 3, 4, 12 and 13."""
    for unit in EXTREMES[dtype]:
        assert float(norm(of(3 * unit, -4 * unit, 12 * unit, dtype=dtype))) == 13 * unit
        assert float(norm(of(unit, unit, unit, unit, dtype=dtype))) == 2 * unit


@pytest.mark.parametrize("dtype", EXTREMES)
def test_the_plain_formula_does_not(dtype: str) -> None:
    """Its control."""
    first, last = EXTREMES[dtype][0], EXTREMES[dtype][-1]
    assert float(accel.sqrt(accel.sum(accel.square(of(first, first, dtype=dtype))))) == 0
    assert float(accel.sqrt(accel.sum(accel.square(of(last, last, dtype=dtype))))) == inf


@pytest.mark.parametrize("dtype", EXTREMES)
@pytest.mark.parametrize("order", [2, 1, 3, 0.5, 10.5, 100.0, -1, -3])
def test_no_norm_overflows_or_underflows_on_the_way(dtype: str, order: float) -> None:
    """Of vectors of one, and of two equal elements, where the norm is a number of the dtype."""
    info = accel.finfo(dtype)
    for unit in EXTREMES[dtype]:
        assert float(norm(of(unit, dtype=dtype), ord=order)) == unit
        want = unit * 2.0 ** (1 / order)
        if info.smallest_normal <= want <= info.max:
            assert abs(float(norm(of(unit, -unit, dtype=dtype), ord=order)) / want - 1) < 4 * info.eps


def test_one_large_element_hides_small_ones_only() -> None:
    x = np.full(1000, 2.0**-70, np.float32)
    assert abs(float(norm(accel.asarray(x))) / np.sqrt(1000 * 2.0**-140) - 1) < 1e-6
    x[500] = 2.0**-60
    assert abs(float(norm(accel.asarray(x))) / np.sqrt(2.0**-120 + 999 * 2.0**-140) - 1) < 1e-6


def test_norms_of_nothing() -> None:
    x = accel.zeros((3, 0))
    for order in (0, 0.5, 1, 2, 7):
        assert (np.asarray(norm(x, axis=1, ord=order)) == [0, 0, 0]).all()
    for order in (inf, -inf, -1):
        with pytest.raises(accel.ShapeError, match=r"vector_norm: x: shape \(3, 0\) has nothing along axes \(1,\)"):
            norm(x, axis=1, ord=order)
        assert norm(x, axis=0, ord=order).shape == (0,)


@pytest.mark.parametrize("order", [1e300, 10**400, 1e-300, -1e300])
def test_an_order_that_the_dtype_does_not_hold_is_its_limit(order: float) -> None:
    found = float(norm(of(3.0, 5.0, dtype="float32"), ord=order))
    assert found == {True: 5.0, False: 3.0}[order > 0] if abs(order) > 1 else found == inf


def test_rows_of_any_finite_length_are_normalized() -> None:
    for dtype, units in EXTREMES.items():
        for unit in units[1:]:
            x = accel.astype(of(3 * unit, 4 * unit), dtype)[None, :]
            assert np.abs(np.asarray(accel.nn.normalize(x, eps=0.0)) - [[0.6, 0.8]]).max() < accel.finfo(dtype).eps
            cosine = accel.nn.cosine_similarity(x, x[:, ::-1], eps=0.0)
            assert abs(float(cosine[0]) - 0.96) < 2 * accel.finfo(dtype).eps

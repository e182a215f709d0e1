"""frexp, isclose, lcm, lerp, nan_to_num, beta and betaln: NumPy's and SciPy's answers, edges, and wrong arguments."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

import accel
from accel.errors import ArgumentError, DtypeError, UnsupportedError

SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 1e-45, -3e-42, 3.4e38, 0.5, 6.0], np.float32)
FLOATS = ("float16", "float32", "float64")


@pytest.mark.parametrize("dtype", FLOATS)
def test_frexp_is_numpys_and_is_undone_by_ldexp(dtype):
    x = np.concatenate([SPECIAL.astype(dtype), np.random.default_rng(1).normal(size=500).astype(dtype)])
    fraction, exponent = accel.frexp(x)
    want, power = np.frexp(x)
    assert fraction.dtype == x.dtype and exponent.dtype == np.int32
    np.testing.assert_array_equal(fraction, want)
    np.testing.assert_array_equal(exponent, np.where(np.isfinite(x), power, 0))
    np.testing.assert_array_equal(np.signbit(fraction), np.signbit(x))
    np.testing.assert_array_equal(accel.ldexp(fraction, exponent.astype(dtype)), x)


@pytest.mark.parametrize("keywords", [{}, {"rtol": 0.1}, {"atol": 1.0, "rtol": 0.0}, {"equal_nan": True}])
@pytest.mark.parametrize("dtype", [*FLOATS, "int32", "uint8", "bool"])
def test_isclose_is_numpys(dtype, keywords):
    rng = np.random.default_rng(2)
    if dtype in FLOATS:
        a = rng.choice([*SPECIAL.tolist(), 1.00001, 1.05, 2.0], 2000).astype(dtype)
        b = rng.choice([*SPECIAL.tolist(), 1.00001, 1.05, 2.0], 2000).astype(dtype)
    else:
        a, b = (rng.integers(0, 2 if dtype == "bool" else 12, 2000).astype(dtype) for _ in range(2))
    with np.errstate(all="ignore"):
        want = np.isclose(*(x.astype(np.float64) for x in (a, b)), **keywords)
    assert 0 < want.sum() < want.size or dtype == "bool"
    np.testing.assert_array_equal(accel.isclose(a, b, **keywords), want)


def test_isclose_takes_numbers_and_several_kinds():
    x = np.array([1.0, 1.0 + 1e-6, 2.0], np.float32)
    assert accel.isclose(x, 1.0).tolist() == [True, True, False]
    assert accel.isclose(x, 2.0).tolist() == [False, False, True]
    assert accel.isclose(x, np.array([1, 2, 2])).tolist() == [True, False, True]


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"])
def test_lcm_is_pythons(dtype):
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    root = math.isqrt(high)
    rng = np.random.default_rng(3)
    a, b = (rng.integers(max(low, -root), root, 600).astype(dtype) for _ in range(2))
    a[:4] = [0, 0, 1, 6]
    b[:4] = [0, 5, 1, 4]
    assert accel.lcm(a, b).tolist() == [math.lcm(*pair) for pair in zip(a.tolist(), b.tolist(), strict=True)]
    assert accel.lcm(a[:4], 4).tolist() == [0, 0, 4, 12]


def test_lcm_takes_no_floats():
    with pytest.raises(DtypeError, match="lcm: x1: takes integer dtypes, got float32"):
        accel.lcm(SPECIAL, SPECIAL)


def test_lerp_is_torchs():
    torch = pytest.importorskip("torch", reason="torch is not installed: it is in the extra torch")
    rng = np.random.default_rng(4)
    start, end, weight = (rng.normal(size=(50, 40)) for _ in range(3))
    weight[0, :3] = [0.0, 1.0, 0.5]
    want = torch.lerp(*map(torch.from_numpy, (start, end, weight))).numpy()
    got = accel.lerp(start, end, weight)
    np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-15)
    assert (got[0, 0], got[0, 1]) == (start[0, 0], end[0, 1])
    np.testing.assert_array_equal(accel.lerp(start, end, 0.25), accel.lerp(start, end, np.full_like(start, 0.25)))
    np.testing.assert_array_equal(accel.lerp(start, end, 0.75), accel.lerp(start, end, np.full_like(start, 0.75)))


@pytest.mark.parametrize("keywords", [{}, {"nan": 1.5}, {"posinf": 7.0, "neginf": -0.5}])
@pytest.mark.parametrize("dtype", [*FLOATS, "int32", "bool"])
def test_nan_to_num_is_numpys(dtype, keywords):
    with np.errstate(all="ignore"):
        x = np.nan_to_num(SPECIAL).astype(dtype) if dtype in ("int32", "bool") else SPECIAL.astype(dtype)
    got = accel.nan_to_num(x, **keywords)
    want = np.nan_to_num(x, **keywords)
    assert got.dtype == want.dtype and got is not x
    np.testing.assert_array_equal(got, want)


def test_nan_to_num_says_what_it_does_not_do():
    with pytest.raises(UnsupportedError, match="copy: False would change x"):
        accel.nan_to_num(SPECIAL, copy=False)
    with pytest.raises(ArgumentError, match="nan_to_num: posinf: expected a number, got 'x'"):
        accel.nan_to_num(SPECIAL, posinf="x")
    with pytest.raises(ArgumentError, match="isclose: rtol: expected a number"):
        accel.isclose(SPECIAL, SPECIAL, None)


@pytest.mark.parametrize("name", ["beta", "betaln"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_beta_is_mpmaths(name, dtype):
    """Also far out, where logarithms of gammas would leave nothing of their difference."""
    rng = np.random.default_rng(5)
    a, b = ((2.0 ** rng.uniform(-20, 30 if name == "betaln" else 6, 300)).astype(dtype) for _ in range(2))
    got = getattr(accel.special, name)(a, b)
    assert got.dtype == a.dtype
    with mpmath.workdps(50):
        exact = [mpmath.beta(float(x), float(y)) for x, y in zip(a, b, strict=True)]
        want = np.array([float(x if name == "beta" else mpmath.log(x)) for x in exact])
    eps = np.finfo(dtype).eps
    off = np.abs(got.astype(np.float64) - want) / (np.abs(want) + (1.0 if name == "betaln" else 0.0))
    assert off.max() <= (1000 if name == "beta" else 50) * eps


def test_beta_at_the_edges():
    a = np.array([0.0, 2.0, np.inf, -1.5, np.nan, 1.0])
    np.testing.assert_array_equal(accel.special.betaln(a, 2.0)[:5], [np.inf, np.log(1 / 6), -np.inf, np.nan, np.nan])
    np.testing.assert_array_equal(accel.special.beta(a, 1.0), [np.inf, 0.5, 0.0, np.nan, np.nan, 1.0])

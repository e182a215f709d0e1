"""Complex functions where numbers are zero, infinite or NaN, and on their branch cuts: as the standard's table says."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
from special_cases import CASES, CUTS, KINDS, ROTATED

import accel

DTYPES = (np.complex64, np.complex128)
WORDS = {name: getattr(math, name) for name in ("cos", "sin", "pi", "inf", "nan", "log")}


def made(re, im, dtype) -> np.ndarray:
    """Complex numbers of parts, whose signs stay."""
    result = np.empty(np.broadcast_shapes(np.shape(re), np.shape(im)), dtype)
    result.real, result.imag = re, im
    return result


def of(name: str, x: np.ndarray) -> np.ndarray:
    with accel.config(device="cpu"):
        return getattr(accel, name)(x)


def rows(name: str) -> Iterator[tuple[float, float, str, str]]:
    for first, second, re, im in CASES[name]:
        for a in KINDS[first]:
            for b in KINDS[second]:
                yield a, b, re, im


def fits(got: float, words: str, a: float, b: float, dtype) -> bool:
    """Whether a part is what an expression says."""
    unsigned = words.startswith("?")
    want = float(eval(words.removeprefix("?"), {"__builtins__": {}}, {**WORDS, "a": a, "b": b}))
    if math.isnan(want):
        return math.isnan(got)
    if not unsigned and math.copysign(1, want) != math.copysign(1, got):
        return False
    return abs(got) == abs(want) or abs(abs(got) - abs(want)) <= 4 * np.finfo(dtype).eps * abs(want)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CASES)
def test_special_cases(name, dtype):
    table = list(rows(name))
    for mirrored in (False, True):
        a, b = (np.array([row[i] for row in table]) for i in (0, 1))
        results = of(name, made(a, -b if mirrored else b, dtype))
        if mirrored:
            results = np.conj(results)
        for (x, y, re, im), got in zip(table, results, strict=True):
            x, y = (float(np.dtype(dtype).type(v).real) for v in (x, y))
            assert fits(got.real, re, x, y, dtype), f"{name}({x}, {y}) is {got}, expected {re}, {im}"
            assert fits(got.imag, im, x, y, dtype), f"{name}({x}, {y}) is {got}, expected {re}, {im}"


def test_a_wrong_special_case_is_seen():
    assert not fits(-0.0, "0", 0.0, 0.0, np.complex64)
    assert fits(-0.0, "?0", 0.0, 0.0, np.complex64)
    assert not fits(math.inf, "nan", 0.0, 0.0, np.complex64)
    assert not fits(1.571, "pi / 2", 0.0, 0.0, np.complex64)


def same(x: np.ndarray, y: np.ndarray) -> bool:
    """Whether parts are equal, zeros with their signs."""
    pairs = ((x.real, y.real), (x.imag, y.imag))
    return all(np.array_equal(p, q, equal_nan=True) and not _differ(p, q) for p, q in pairs)


def _differ(p: np.ndarray, q: np.ndarray) -> bool:
    return bool(((np.signbit(p) != np.signbit(q)) & ~np.isnan(p)).any())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [*ROTATED, "cos"])
def test_functions_that_are_others_turned_round(name, dtype):
    values = [*sorted({v for kind in KINDS.values() for v in kind if v == v}), math.nan, -0.0]
    a, b = (part.ravel() for part in np.meshgrid(values, values))
    turned = of(ROTATED.get(name, "cosh"), made(-b, a, dtype))
    want = turned if name == "cos" else made(turned.imag, -turned.real, dtype)
    got = of(name, made(a, b, dtype))
    assert same(got, want)
    assert not same(got, np.conj(want))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CUTS)
def test_branch_cuts(name, dtype):
    tiny = 4.0 * float(np.finfo(dtype).tiny)
    for point in CUTS[name]:
        for side in (1.0, -1.0):
            across = complex(side * tiny, 0) if point.imag else complex(0, side * tiny)
            zero = (math.copysign(0.0, side), point.imag) if point.imag else (point.real, math.copysign(0.0, side))
            beside, on = of(name, np.array([point + across], dtype)), of(name, made([zero[0]], [zero[1]], dtype))
            assert abs(beside[0] - on[0]) <= 4 * np.finfo(dtype).eps * abs(on[0]), (name, point, side)
        if point.imag:
            two = of(name, made([0.0, -0.0], [point.imag] * 2, dtype))
        else:
            two = of(name, made([point.real] * 2, [0.0, -0.0], dtype))
        assert abs(two[0] - two[1]) > 0.5, "the two sides of a cut differ"


@pytest.mark.parametrize("dtype", DTYPES)
def test_magnitudes_quotients_and_tests(dtype):
    inf, nan = math.inf, math.nan
    x = made([inf, nan, -inf, nan, 0.0, 1.0], [nan, inf, 1.0, 1.0, -0.0, nan], dtype)
    assert np.array_equal(of("abs", x), [inf, inf, inf, nan, 0, nan], equal_nan=True)
    assert of("isfinite", x).tolist() == [False, False, False, False, True, False]
    assert of("isinf", x).tolist() == [True, True, True, False, False, False]
    assert of("isnan", x).tolist() == [True, True, False, True, False, True]
    assert same(of("sign", made([0.0, 3.0], [0.0, -4.0], dtype)), made([0.0, 3 / 5], [0.0, -4 / 5], dtype))
    with accel.config(device="cpu"):
        by_zero = accel.divide(made([1.0, 0.0], [-2.0, 0.0], dtype), np.zeros(2, dtype))
        by_infinity = accel.divide(np.array([1 - 2j] * 3, dtype), made([inf, 1.0, -inf], [1.0, inf, inf], dtype))
        assert by_zero.real[0] == inf and by_zero.imag[0] == -inf and np.isnan(by_zero[1])
        assert (by_infinity == 0).all()
        assert np.isnan(accel.divide(made([inf], [0.0], dtype), made([inf], [0.0], dtype)))[0]
        powers = accel.pow(np.zeros(4, dtype), np.array([0, 2, 0.5 + 1j, -1], dtype))
    assert powers[:3].tolist() == [1, 0, 0] and np.isnan(powers[3])

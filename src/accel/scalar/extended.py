"""Polynomials, and sums and products kept as an unevaluated pair of floats (high + low)."""

from __future__ import annotations

from collections.abc import Sequence

from .expr import Expr, const, fma


def polynomial(x: Expr, coefficients: Sequence[float]) -> Expr:
    """Sum of c[i] x**i by Horner's rule."""
    result = const(coefficients[-1], x.dtype)
    for c in reversed(coefficients[:-1]):
        result = fma(result, x, c)
    return result


def polynomial_by_halves(x: Expr, square: Expr, coefficients: Sequence[float]) -> Expr:
    """Sum of c[i] x**i as even(x**2) + x odd(x**2): two chains of half the length, for long polynomials."""
    return fma(polynomial(square, coefficients[1::2]), x, polynomial(square, coefficients[0::2]))


def fast_two_sum(a: Expr, b: Expr) -> tuple[Expr, Expr]:
    """a + b rounded, and its exact error; a is zero or its exponent is not below b's (T. J. Dekker, 1971)."""
    s = a + b
    return s, b - (s - a)


def two_product(a: Expr, b: Expr | float) -> tuple[Expr, Expr]:
    """a * b rounded, and its exact error where that is not below the subnormal range."""
    p = a * b
    return p, fma(a, b, -p)

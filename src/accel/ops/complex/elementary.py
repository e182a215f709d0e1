"""Exponentials, logarithms, roots and powers of complex numbers, with the special cases of C99, Annex G, which the
array API standard has. Functions here take and give real and imaginary parts."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nan

from ...array import Array
from ...registry import OPS
from ..primitive.pointwise import fn
from .arithmetic import floats, scaled
from .rule import both, number, rule, split

Pair = tuple[Array, Array]

LARGE = {"float32": (88.0, 1.6516362549940018e38), "float64": (709.0, 8.218407461554972e307)}
"""By dtype: where exp(a) may overflow although a part of exp(a + bi) does not, and the exponential of that."""

PER_OCTAVE, PER_DECADE = 1.4426950408889634, 0.4342944819032518
"""1 / log(2) and 1 / log(10)."""


def complex_function(name: str) -> Callable[[Callable[[Array, Array], Pair]], Callable[[Array, Array], Pair]]:
    """Makes a function of parts what an op of one operand computes where it is complex."""

    def decorate(of_parts: Callable[[Array, Array], Pair]) -> Callable[[Array, Array], Pair]:
        @rule(OPS[name])
        def served(x: Array, params: None) -> Array:
            re, im = split(x)
            return both(*of_parts(re, im))

        return of_parts

    return decorate


def _turn(a: Array, b: Array) -> Pair:
    """cos(b) and sin(b); where b has none, those of 0 for what an infinite a, or exp(a) = 0, multiplies."""
    lost = ~fn.isfinite(b)
    return fn.where(lost & fn.isinf(a), 1.0, fn.cos(b)), fn.where(lost & (a == -inf), 0.0, fn.sin(b))


def _growth(a: Array) -> Pair:
    """exp(a) as a product of two numbers, of which the second is 1 unless a is large."""
    at, factor = LARGE[a.dtype.name]
    large = a > at
    return fn.exp(a - fn.where(large, at, 0.0)), fn.where(large, number(factor, a), 1.0)


@complex_function("exp")
def exp(a: Array, b: Array) -> Pair:
    """exp(a) (cos b + i sin b)"""
    (c, s), (size, more) = _turn(a, b), _growth(a)
    return size * c * more, fn.where(b == 0.0, b, size * s * more)


@complex_function("expm1")
def expm1(a: Array, b: Array) -> Pair:
    """Its real part is expm1(a) cos b - 2 sin(b / 2) ** 2 where exp(a) is not large."""
    re, im = exp(a, b)
    c, _ = _turn(a, b)
    h = fn.sin(fn.where((a == -inf) & ~fn.isfinite(b), 0.0, b * 0.5))
    return fn.where(a > 1.0, re - 1.0, fn.expm1(fn.minimum(a, 1.0)) * c - h * h * 2.0), im


def _log_size(a: Array, b: Array) -> Array:
    """The logarithm of hypot(a, b): of the larger part, and half of log1p of the square of their quotient; near 1, half
    of log1p of what the sum of squares has above 1."""
    m, n = fn.maximum(fn.abs(a), fn.abs(b)), fn.minimum(fn.abs(a), fn.abs(b))
    q = fn.where(m == n, 1.0, n / m)
    far = fn.log(m) + fn.log1p(q * q) * 0.5
    near = fn.log1p((m - 1.0) * (m + 1.0) + n * n) * 0.5
    found = fn.where((m > 0.5) & (m < 2.0), near, far)
    return fn.where(fn.isinf(a) | fn.isinf(b), inf, found)


@complex_function("log")
def log_(a: Array, b: Array) -> Pair:
    """log(hypot(a, b)) + i atan2(b, a)"""
    return _log_size(a, b), fn.atan2(b, a)


@complex_function("log1p")
def log1p(a: Array, b: Array) -> Pair:
    """Where a and b are small the real part is log1p(a (2 + a) + b b) / 2."""
    small = fn.maximum(fn.abs(a), fn.abs(b)) < 0.5
    near = fn.log1p(fn.where(small, a * (a + 2.0) + b * b, 0.0)) * 0.5
    return fn.where(small, near, _log_size(a + 1.0, b)), fn.atan2(b, a + 1.0)


@complex_function("log2")
def log2(a: Array, b: Array) -> Pair:
    re, im = log_(a, b)
    return re * PER_OCTAVE, im * PER_OCTAVE


@complex_function("log10")
def log10(a: Array, b: Array) -> Pair:
    re, im = log_(a, b)
    return re * PER_DECADE, im * PER_DECADE


@complex_function("sqrt")
def sqrt(a: Array, b: Array) -> Pair:
    """t = sqrt((|a| + hypot(a, b)) / 2) and |b| / 2t, of parts that are scaled by a power of two."""
    (x, y), root, size = scaled(a, b)
    zero = size == 0.0
    t = fn.sqrt((fn.abs(x) + fn.hypot(x, y)) * 0.5)
    other = fn.where(zero, 0.0, fn.abs(y) / (t + t))
    right = a >= 0.0
    re, im = fn.where(right, t, other) / root, fn.copysign(fn.where(right, other, t) / root, b)
    nothing, endless = b * 0.0, fn.isinf(b)  # of an infinite a: 0 with the sign of b, or NaN
    re = fn.where(endless, inf, fn.where(fn.isinf(a), fn.where(right, inf, fn.abs(nothing)), re))
    im = fn.where(endless, b, fn.where(fn.isinf(a), fn.where(right, nothing, fn.copysign(inf, b)), im))
    return fn.where(fn.isnan(a) & ~endless, a, re), fn.where(fn.isnan(b) & ~fn.isinf(a), b, im)


@rule(OPS["pow"])
def _pow(x1: Array, x2: Array, params: None) -> Array:
    """exp(x2 log(x1)); the exponents 0, 1 and 2 by themselves, and powers of 0."""
    a, b, c, d = floats(x1, x2)
    b = fn.abs(fn.copysign(0.0, a)) if b is None else b
    size, angle = log_(a, b)
    re, im = exp(*((c * size, c * angle) if d is None else (c * size - d * angle, c * angle + d * size)))
    nothing = fn.where(c > 0.0, number(0.0, c), nan)
    zero = (a == 0.0) & (b == 0.0)
    re, im = fn.where(zero, nothing, re), fn.where(zero, nothing, im)
    for exponent, (p, q) in ((2.0, (a * a - b * b, a * b + a * b)), (1.0, (a, b)), (0.0, (1.0, 0.0))):
        this = (c == exponent) if d is None else (c == exponent) & (d == 0.0)
        re, im = fn.where(this, p, re), fn.where(this, q, im)
    return both(re, im)


__all__ = ["Pair", "complex_function", "exp", "log_", "sqrt"]

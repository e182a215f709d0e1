"""Trigonometric and hyperbolic functions of complex numbers and their inverses (Kahan 1987, "Branch cuts for complex
elementary functions"). Those of one kind are the others of i x, turned back: sin x = -i sinh(i x)."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, pi

from ...array import Array
from ..primitive.pointwise import fn
from .arithmetic import quotient
from .elementary import LARGE, Pair, complex_function, sqrt
from .rule import number, zeros_beside

FLAT = {"float32": 11.0, "float64": 22.0}
"""By dtype: beyond it tanh differs from 1 by less than its digits."""

WIDE = {"float32": 2.0**26, "float64": 2.0**55}
"""By dtype: beyond it atanh(x) differs from 1 / x and pi / 2 by less than its digits."""


def _rotated(of: Callable[[Array, Array], Pair]) -> Callable[[Array, Array], Pair]:
    """-i f(i x)"""

    def rotated(a: Array, b: Array) -> Pair:
        p, q = of(fn.negative(b), a)
        return q, fn.negative(p)

    return rotated


def _waves(a: Array, b: Array) -> tuple[Array, Array, Array, Array, Array]:
    """sinh(a) and cosh(a), both over one factor, which is the third; cos(b), that of 0 where a is infinite and b has
    none, and sin(b)."""
    at, factor = LARGE[a.dtype.name]
    large = fn.abs(a) > at
    half = fn.exp(fn.abs(a) - fn.where(large, at, 0.0)) * 0.5
    sh, ch = fn.where(large, fn.copysign(half, a), fn.sinh(a)), fn.where(large, half, fn.cosh(a))
    c = fn.where(fn.isinf(a) & ~fn.isfinite(b), 1.0, fn.cos(b))
    return sh, ch, fn.where(large, number(factor, a), 1.0), c, fn.sin(b)


@complex_function("sinh")
def sinh(a: Array, b: Array) -> Pair:
    """sinh(a) cos(b) + i cosh(a) sin(b)"""
    sh, ch, more, c, s = _waves(a, b)
    re = fn.where((a == 0.0) & ~fn.isfinite(b), a, sh * c * more)
    return re, fn.where(b == 0.0, b, ch * s * more)


@complex_function("cosh")
def cosh(a: Array, b: Array) -> Pair:
    """cosh(a) cos(b) + i sinh(a) sin(b)"""
    sh, ch, more, c, s = _waves(a, b)
    nothing = fn.copysign(0.0, a) * fn.copysign(1.0, b)
    return ch * c * more, fn.where((b == 0.0) | ((a == 0.0) & ~fn.isfinite(b)), nothing, sh * s * more)


@complex_function("tanh")
def tanh(a: Array, b: Array) -> Pair:
    """With t = tan(b), s = sinh(a): ((1 + tt) s cosh(a) + i t) / (1 + (1 + tt) ss)."""
    limit = FLAT[a.dtype.name]
    flat = fn.abs(a) > limit
    near = fn.where(flat, 0.0, a)
    t, s = fn.tan(b), fn.sinh(near)
    beta = t * t + 1.0
    below = beta * s * s + 1.0
    far = fn.sin(b) * fn.cos(b) * 4.0 * fn.exp(fn.abs(a) * -2.0)
    far = fn.where(fn.isinf(a) & ~fn.isfinite(b), fn.copysign(0.0, b), far)
    one = fn.copysign(1.0, a)
    one = fn.where(fn.isinf(a), one, b * 0.0 + one)  # NaN where b has no sine and cosine
    re = fn.where(flat, one, beta * fn.cosh(near) * s / below)
    im = fn.where(flat, far, t / below)
    return fn.where((a == 0.0) & ~fn.isfinite(b), a, re), fn.where(b == 0.0, b, im)


@complex_function("cos")
def cos(a: Array, b: Array) -> Pair:
    """cosh(i x)"""
    return cosh(fn.negative(b), a)


complex_function("sin")(_rotated(sinh))
complex_function("tan")(_rotated(tanh))


def _roots(a: Array, b: Array) -> tuple[Pair, Pair]:
    """sqrt(1 - x) and sqrt(1 + x)"""
    return sqrt(1.0 - a, fn.negative(b)), sqrt(a + 1.0, b)


def _end(x: Array) -> Array:
    """What counts of a part where one is infinite: 1 or 0, with its sign; NaN stays."""
    return fn.where(fn.isnan(x), x, fn.copysign(fn.where(fn.isinf(x), 1.0, 0.0), x))


def _asin(a: Array, b: Array) -> Pair:
    """With p = sqrt(1 - x), q = sqrt(1 + x): atan2(a, Re(p q)) + i asinh(Im(conj(p) q))."""
    (p, pi_), (q, qi) = _roots(a, b)
    endless = fn.isinf(a) | fn.isinf(b)
    re = fn.where(endless, fn.atan2(_end(a), fn.abs(_end(b))), fn.atan2(a, p * q - pi_ * qi))
    im = fn.where(endless, fn.copysign(inf, b), fn.asinh(p * qi - pi_ * q))
    return fn.where(a == 0.0, a, re), im


complex_function("asin")(_asin)


@complex_function("asinh")
def asinh(a: Array, b: Array) -> Pair:
    """-i asin(i x)"""
    p, q = _asin(fn.negative(b), a)
    return q, fn.negative(p)


@complex_function("acos")
def acos(a: Array, b: Array) -> Pair:
    """With p = sqrt(1 - x), q = sqrt(1 + x): 2 atan2(Re p, Re q) + i asinh(Im(conj(q) p))."""
    (p, pi_), (q, qi) = _roots(a, b)
    endless = fn.isinf(a) | fn.isinf(b)
    re = fn.where(endless, fn.atan2(fn.abs(_end(b)), _end(a)), fn.atan2(p, q) * 2.0)
    im = fn.where(endless, fn.copysign(inf, fn.negative(b)), fn.asinh(q * pi_ - qi * p))
    return fn.where((a == 0.0) & fn.isnan(b), pi / 2, re), im


@complex_function("acosh")
def acosh(a: Array, b: Array) -> Pair:
    """acos(x) times i or -i, so that its real part is not negative."""
    re, im = acos(a, b)
    return fn.abs(im), fn.copysign(re, b)


@complex_function("atanh")
def atanh(a: Array, b: Array) -> Pair:
    """log1p(4a / ((1 - a) ** 2 + bb)) / 4 + i atan2(2b, (1 - a)(1 + a) - bb) / 2, for positive a; 1 / x and pi / 2 far
    from 0."""
    x, y = fn.abs(a), fn.abs(b)
    far = fn.maximum(x, y) > WIDE[a.dtype.name]
    u, v = (fn.where(far, 0.5, part) for part in (x, y))
    gap = 1.0 - u
    re = fn.log1p(u * 4.0 / (gap * gap + v * v)) * 0.25
    re = fn.where(u == 1.0, (fn.log(fn.hypot(fn.copysign(2.0, v), v)) - fn.log(v)) * 0.5, re)
    im = fn.atan2(v + v, gap * (u + 1.0) - v * v) * 0.5
    inverse, _ = quotient(fn.copysign(1.0, fn.abs(zeros_beside(x))), None, x, y)
    endless = fn.isinf(a) | fn.isinf(b)
    re = fn.where(endless, 0.0, fn.where(far, inverse, re))
    im = fn.where(fn.isnan(b), b, fn.where(far | endless, pi / 2, im))
    return fn.where(a == 0.0, a, fn.copysign(re, a)), fn.copysign(im, b)


complex_function("atan")(_rotated(atanh))

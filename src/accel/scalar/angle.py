"""Degrees and radians, and sinc."""

from __future__ import annotations

import math
from typing import Any

from .binary_format import format_of, infinity, nearest_integer
from .coefficients_trigonometric import DEGREE, PI, RADIAN
from .expr import Expr, const, fma, ne, rarely, select
from .extended import fast_two_sum
from .scalar_function import ScalarFunction
from .trigonometric import flip, odd, second, sine_and_cosine


def deg2rad(x: Expr) -> Expr:
    high, low = DEGREE[x.dtype]
    return fma(x, high, x * low)


def rad2deg(x: Expr) -> Expr:
    high, low = RADIAN[x.dtype]
    scaled = x * high
    size = abs(scaled)
    end = ~((size > 0.0) & (size < infinity(x.dtype)))  # where the two products have no sum, or one of another sign
    return rarely(end, scaled, fma(x, high, x * low))


def sine_of_pi(a: Expr) -> tuple[Expr, Expr, Expr, Expr, Expr]:
    """sine_and_cosine of pi times a's distance to the nearest half of an integer, which is exact, and the number of
    that half as bits; for 0 <= a < 2**fraction."""
    turned = fma(nearest_integer(a, 0.5)[0], -2.0, a)
    k, q = nearest_integer(turned, 2.0)
    return *sine_and_cosine(*times_pi(fma(k, -0.5, turned))), q


def sinc(x: Expr) -> Expr:
    """sin(pi x) / (pi x), pi x a pair."""
    f = format_of(x)
    a = abs(x)
    whole = a >= 2.0**f.fraction  # all integers; an infinity too
    near = rarely(whole, const(0.0, x.dtype), a)
    sine, sine_low, cosine, cosine_low, q = sine_of_pi(near)
    n, n_low = fast_two_sum(select(odd(q), cosine, sine), select(odd(q), cosine_low, sine_low))
    d, d_low = times_pi(near)
    inverse = 1.0 / d
    quotient = n * inverse
    value = fma(fma(-quotient, d, n) + fma(-quotient, d_low, n_low), inverse, quotient)
    value = flip(value, second(q))
    value = rarely(near < 2.0**-30, const(1.0, x.dtype), value)
    return select(ne(x, x), x, rarely(whole, const(0.0, x.dtype), value))


def times_pi(x: Expr) -> tuple[Expr, Expr]:
    high, low = PI[x.dtype]
    product = x * high
    return product, fma(x, low, fma(x, high, -product))


def _sinc(mp: Any, x: Any) -> Any:
    return mp.sincpi(x) if x else mp.one


def _sinc_derivative(fn: Any, g: Any, y: Any, x: Any) -> tuple[Any]:
    """(cos(pi x) - sinc(x)) / x, and near 0 the first terms of its series."""
    angle = x * math.pi
    square = angle * angle
    near = -(angle * math.pi / 3.0) * (1.0 - square * (0.1 - square / 280.0))
    safe = fn.where(fn.less(fn.abs(x), 0.02), 1.0, x)
    return (g * fn.where(fn.less(fn.abs(x), 0.02), near, (fn.cos(angle) - y) / safe),)


FLOAT = ("float",)
PRODUCT = ("NaN -> NaN", "+0 -> +0", "-0 -> -0", "inf -> inf with its sign")

ROWS = (
    ScalarFunction(
        "deg2rad", 1, FLOAT, deg2rad, "Gives pi / 180 times each element.", ulp=(0.7, 0.6),
        special=PRODUCT, source="product with a pair of floats",
        reference=lambda mp, x: x * mp.pi / 180,
        derivative=lambda fn, g, y, x: (g * (math.pi / 180),),
    ),
    ScalarFunction(
        "rad2deg", 1, FLOAT, rad2deg, "Gives 180 / pi times each element.", ulp=(0.7, 0.6),
        special=PRODUCT, source="product with a pair of floats",
        reference=lambda mp, x: x * 180 / mp.pi,
        derivative=lambda fn, g, y, x: (g * (180 / math.pi),),
    ),
    ScalarFunction(
        "sinc", 1, FLOAT, sinc, "Gives sin(pi x) / (pi x) for each element, and 1 for 0.", ulp=(1.0, 1.0),
        range="[-0.22, 1]", special=("NaN -> NaN", "+0, -0 -> 1", "an integer -> 0", "inf -> 0"),
        source="minimax polynomials of pi times x less the nearest half of an integer, which is exact", reference=_sinc,
        derivative=_sinc_derivative,
    ),
)  # fmt: skip

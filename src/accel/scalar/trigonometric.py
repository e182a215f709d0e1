"""sin, cos, tan and their inverses, atan2, and degrees.

sin and cos of the reduced argument are minimax polynomials, corrected by what the reduction's rounding left; tan is
their quotient. asin and acos are one polynomial of x or of sqrt((1 - |x|) / 2), atan one of a quotient up to 1/2.
"""

from __future__ import annotations

from typing import Any

from .binary_format import format_of, infinity, nan, raw, with_sign_of
from .coefficients_trigonometric import ASIN, ATAN, COS, HALF_PI, PI, QUARTER_PI, SIN
from .expr import WIDTH, Expr, bitcast, const, eq, fma, ne, rarely, select, sqrt
from .extended import fast_two_sum, polynomial
from .reduction import quadrant
from .scalar_function import ScalarFunction


def flip(x: Expr, sign: Expr) -> Expr:
    """x with its sign changed where ``sign``, bits, has the sign bit."""
    f = format_of(x)
    return bitcast(raw(x) ^ (sign & f.sign_mask), x.dtype)


def sine_and_cosine(r: Expr, low: Expr) -> tuple[Expr, Expr, Expr, Expr]:
    """(sine, its rest, cosine, its rest) of r + low for |r| <= pi / 4: each is a sum of a first term and the others."""
    u = r * r
    half = u * 0.5
    near = 1.0 - half
    others = ((1.0 - near) - half) + fma(u * u, polynomial(u, COS[r.dtype]), -(r * low))
    return r, fma(r * u, polynomial(u, SIN[r.dtype]), low * near), near, others


def odd(q: Expr) -> Expr:
    """Whether the last bit is set."""
    return ne(q & 1, 0)


def second(q: Expr) -> Expr:
    """The bit of 2 of q, as a sign bit."""
    return q << (WIDTH[q.dtype] - 2)


def sin(x: Expr) -> Expr:
    r, low, q = quadrant(abs(x))
    sine, sine_low, cosine, cosine_low = sine_and_cosine(r, low)
    return flip(select(odd(q), cosine + cosine_low, sine + sine_low), raw(x) ^ second(q))


def cos(x: Expr) -> Expr:
    r, low, q = quadrant(abs(x))
    sine, sine_low, cosine, cosine_low = sine_and_cosine(r, low)
    return flip(select(odd(q), sine + sine_low, cosine + cosine_low), second(q + 1))


def tan(x: Expr) -> Expr:
    """sine / cosine or -cosine / sine, with one step of Newton's that takes both rests into account."""
    r, low, q = quadrant(abs(x))
    sine, sine_low, cosine, cosine_low = sine_and_cosine(r, low)
    swapped = odd(q)
    n, n_low = fast_two_sum(select(swapped, cosine, sine), select(swapped, cosine_low, sine_low))
    d, d_low = fast_two_sum(select(swapped, sine, cosine), select(swapped, sine_low, cosine_low))
    inverse = 1.0 / d
    quotient = n * inverse
    rest = fma(-quotient, d, n) + fma(-quotient, d_low, n_low)
    value = fma(rest, inverse, quotient)
    return flip(value, raw(x) ^ (q << (WIDTH[q.dtype] - 1)))


def asin_near(x: Expr, u: Expr) -> Expr:
    """asin for |x| <= 1/2, u = x**2"""
    return fma(x * u, polynomial(u, ASIN[x.dtype]), x)


def asin(x: Expr) -> Expr:
    a = abs(x)
    inside = a < 0.5
    u = select(inside, a * a, (1.0 - a) * 0.5)
    s = select(inside, a, sqrt(u))
    rest = s * u * polynomial(u, ASIN[x.dtype])
    # What rounding the root lost, near enough where the root is above 1/3 and the result below 1.
    lost = fma(-s, s, u) * 1.25
    high, low = HALF_PI[x.dtype][:2]
    outside = (high - s * 2.0) - ((rest + lost) * 2.0 - low)
    return with_sign_of(select(inside, s + rest, outside), x)


def acos(x: Expr) -> Expr:
    a = abs(x)
    inside = a < 0.5
    u = select(inside, a * a, (1.0 - a) * 0.5)
    s = select(inside, x, sqrt(u))
    value = asin_near(s, u)
    half, half_low = HALF_PI[x.dtype][:2]
    whole, whole_low = PI[x.dtype]
    twice = value * 2.0
    outside = select(x < 0.0, whole - (twice - whole_low), twice)
    return select(inside, half - (value - half_low), outside)


def _angle(n: Expr, d: Expr, steep: Expr, left: Expr | None) -> Expr:
    """atan(n / d) for 0 <= n <= d; pi / 2 minus that where ``steep``, then pi minus that where ``left``.

    Where n / d is above 1/2 it is pi / 4 plus the angle of (n - d) / (n + d). All multiples of pi / 4 are one.
    """
    dtype = n.dtype
    far = n > d * 0.5
    t = select(far, n - d, n) / select(far, n + d, d)
    u = t * t
    turned = steep if left is None else steep ^ left
    t = select(turned, -t, t)
    eighths = select(far, const(1.0, dtype), 0.0)
    eighths = select(steep, 2.0 - eighths, eighths)
    if left is not None:
        eighths = select(left, 4.0 - eighths, eighths)
    high, low = QUARTER_PI[dtype]
    base = eighths * high
    base_low = fma(eighths, low, fma(eighths, high, -base))
    return base + (t + fma(t * u, polynomial(u, ATAN[dtype]), base_low))


def atan(x: Expr) -> Expr:
    a = abs(x)
    one = const(1.0, x.dtype)
    steep = a > 1.0
    return with_sign_of(_angle(select(steep, one, a), select(steep, a, one), steep, None), x)


SMALL = {"float32": 2.0**-78, "float64": 2.0**-917}
UP = {"float32": 2.0**64, "float64": 2.0**128}
"""Denominators that atan2 makes larger, with their numerators, and by what."""


def atan2(y: Expr, x: Expr) -> Expr:
    f = format_of(x)
    ay, ax = abs(y), abs(x)
    steep = ay > ax
    n, d = select(steep, ax, ay), select(steep, ay, ax)
    large = d > 2.0 ** (f.bias - 1)
    n, d = rarely(large, n * 0.25, n), rarely(large, d * 0.25, d)
    # so that what a quotient leaves over is no rounded subnormal, of which d would make much
    small, up = d < SMALL[x.dtype], UP[x.dtype]
    n, d = rarely(small, n * up, n), rarely(small, d * up, d)
    end = ~((d > 0.0) & (d < infinity(x.dtype)))
    one = const(1.0, x.dtype)
    n, d = rarely(end, select(eq(n, infinity(x.dtype)), one, 0.0), n), rarely(end, one, d)
    angle = with_sign_of(_angle(n, d, steep, ne(raw(x) & f.sign_mask, 0)), y)
    return select(ne(x, x) | ne(y, y), nan(x.dtype), angle)


def _atan2(mp: Any, y: Any, x: Any) -> Any:
    if y == 0:
        raise ValueError("the sign of the zero decides, which mpmath has none of")
    return mp.atan2(y, x)


FLOAT = ("float",)
ODD = ("NaN -> NaN", "+0 -> +0", "-0 -> -0")
PERIODIC = (*ODD, "inf -> NaN")
REDUCED = "minimax polynomials after an exact reduction by pi / 2 (Payne and Hanek 1983 for large arguments)"
HALVED = "minimax polynomial of x, or of sqrt((1 - |x|) / 2) where |x| >= 1/2"
TURNED = "minimax polynomial, pi / 4 taken off above 1/2 and pi / 2 above 1"

ROWS = (
    ScalarFunction(
        "sin", 1, FLOAT, sin, "Gives the sine of each element, in radians.", ulp=(0.9, 0.9), range="[-1, 1]",
        special=PERIODIC, source=REDUCED, reference=lambda mp, x: mp.sin(x),
        derivative=lambda fn, g, y, x: (g * fn.cos(x),),
    ),
    ScalarFunction(
        "cos", 1, FLOAT, cos, "Gives the cosine of each element, in radians.", ulp=(0.9, 0.9), range="[-1, 1]",
        special=("NaN -> NaN", "+0, -0 -> 1", "inf -> NaN"), source=REDUCED, reference=lambda mp, x: mp.cos(x),
        derivative=lambda fn, g, y, x: (-g * fn.sin(x),),
    ),
    ScalarFunction(
        "tan", 1, FLOAT, tan, "Gives the tangent of each element, in radians.", ulp=(1.1, 1.1), special=PERIODIC,
        source=REDUCED + ", and their quotient", reference=lambda mp, x: mp.tan(x),
        derivative=lambda fn, g, y, x: (g * (y * y + 1.0),),
    ),
    ScalarFunction(
        "asin", 1, FLOAT, asin, "Gives the angle in [-pi / 2, pi / 2] whose sine is x, for each element.",
        ulp=(1.8, 1.8), range="[-pi / 2, pi / 2]", special=(*ODD, "|x| > 1 -> NaN"), source=HALVED,
        reference=lambda mp, x: mp.asin(x),
        derivative=lambda fn, g, y, x: (g * fn.rsqrt((1.0 - x) * (x + 1.0)),), turns=(0.0,),
    ),
    ScalarFunction(
        "acos", 1, FLOAT, acos, "Gives the angle in [0, pi] whose cosine is x, for each element.", ulp=(1.2, 1.2),
        range="[0, pi]", special=("NaN -> NaN", "1 -> +0", "|x| > 1 -> NaN"), source=HALVED,
        reference=lambda mp, x: mp.acos(x),
        derivative=lambda fn, g, y, x: (-g * fn.rsqrt((1.0 - x) * (x + 1.0)),), turns=(0.0,),
    ),
    ScalarFunction(
        "atan", 1, FLOAT, atan, "Gives the angle in [-pi / 2, pi / 2] whose tangent is x, for each element.",
        ulp=(1.5, 1.5), range="[-pi / 2, pi / 2]", special=(*ODD, "+inf -> pi / 2", "-inf -> -pi / 2"), source=TURNED,
        reference=lambda mp, x: mp.atan(x),
        derivative=lambda fn, g, y, x: (g / (x * x + 1.0),), turns=(0.0,),
    ),
    ScalarFunction(
        "atan2", 2, FLOAT, atan2, "Gives the angle of the point (x2, x1), from -pi to pi, for each pair of elements.",
        ulp=(1.5, 1.5), range="[-pi, pi]",
        special=(
            "NaN in any argument -> NaN", "+0, +0 -> +0", "+0, -0 -> pi", "-0, +0 -> -0", "-0, -0 -> -pi",
            "0, x -> 0 or pi with the sign of x1", "y, 0 -> pi / 2 with the sign of y",
            "y, +inf -> 0 with the sign of y", "y, -inf -> pi with the sign of y",
            "inf, x -> pi / 2 with the sign of x1", "inf, +inf -> pi / 4", "inf, -inf -> 3 pi / 4",
        ),
        source=TURNED.replace("polynomial", "polynomial of a quotient"),
        reference=_atan2,
        derivative=lambda fn, g, y, a, b: (g * (b / (a * a + b * b)), -g * (a / (a * a + b * b))),
    ),
)  # fmt: skip

"""exp, exp2, exp10 and expm1.

exp(x) = 2**k exp(r) with k = round(x / ln 2), r = x - k ln 2 in two steps (W. J. Cody and W. Waite, 1980) and a minimax
polynomial. 2**k is two factors, so that a result in the subnormal range is rounded once, by the last product.
"""

from __future__ import annotations

from math import log

from .binary_format import format_of, nearest_integer, power_of_two
from .coefficients import EXP, EXP2, LN2, LOG2_E, LOG10_2
from .coefficients_trigonometric import LN10, LOG2_10
from .expr import Expr, const, fma, rarely, select
from .extended import polynomial
from .scalar_function import ScalarFunction

# exp is infinite above EXP_HIGH. It rounds to 0 far above EXP_LOW, where even its product with EXP_LOW does.
EXP_HIGH = {"float32": 89.0, "float64": 710.0}
EXP_LOW = {"float32": -150.0, "float64": -800.0}
EXP2_LIMIT = {"float32": 160.0, "float64": 1100.0}
EXP10_LIMIT = {"float32": 47.0, "float64": 330.0}
EXPM1_LOW = {"float32": -20.0, "float64": -40.0}  # expm1 is within half a unit of -1


def clamp(x: Expr, low: float, high: float) -> Expr:
    """x limited to [low, high]; NaN stays."""
    raised = select(x < low, const(low, x.dtype), x)
    return select(raised > high, const(high, x.dtype), raised)


def power_factors(k: Expr, bits: Expr) -> tuple[Expr, Expr]:
    """Two normal powers of two whose product is 2**k, |k| < 2 * bias, from nearest_integer's results."""
    _, half = nearest_integer(k, 0.5)
    return power_of_two(half, k.dtype), power_of_two(bits - half, k.dtype)


def reduce(x: Expr) -> tuple[Expr, Expr, Expr, Expr]:
    """(r, rest, k, bits of k) with x = k ln 2 + r + rest, |r| <= ln(2) / 2, rest what rounding r lost."""
    k, bits = nearest_integer(x, LOG2_E[x.dtype][0])
    high, low = LN2[x.dtype]
    exact = fma(k, -high, x)
    r = fma(k, -low, exact)
    return r, fma(k, -low, exact - r), k, bits


def exp_fraction(x: Expr, low: Expr | None = None) -> tuple[Expr, Expr, Expr]:
    """(p, k, bits of k) with exp(x + low) = 2**k p, for EXP_LOW <= x <= EXP_HIGH, low tiny."""
    r, _, k, bits = reduce(x)
    if low is not None:
        r = r + low
    return fma(fma(polynomial(r, EXP[x.dtype]), r, 1.0), r, 1.0), k, bits


def exp_factors(x: Expr, low: Expr | None = None) -> tuple[Expr, Expr, Expr]:
    """exp(x + low) as the product of a number near 1 and two powers of two, the first product exact."""
    p, k, bits = exp_fraction(x, low)
    return p, *power_factors(k, bits)


def exp(x: Expr) -> Expr:
    p, first, second = exp_factors(clamp(x, EXP_LOW[x.dtype], EXP_HIGH[x.dtype]))
    return p * first * second


def exp_of_negative(x: Expr, low: Expr | None = None) -> tuple[Expr, Expr, Expr]:
    """exp_factors for x <= 0 or NaN."""
    return exp_factors(select(x < EXP_LOW[x.dtype], const(EXP_LOW[x.dtype], x.dtype), x), low)


def exp2_factors(x: Expr, low: Expr | None = None) -> tuple[Expr, Expr]:
    """2**(x + low) as a product of a normal number and a power of two, for |x| <= EXP2_LIMIT."""
    k, bits = nearest_integer(x)
    r = x - k
    if low is not None:
        r = r + low
    p = fma(polynomial(r, EXP2[x.dtype]), r, 1.0)
    first, second = power_factors(k, bits)
    return p * first, second


def exp2(x: Expr) -> Expr:
    value, scale = exp2_factors(clamp(x, -EXP2_LIMIT[x.dtype], EXP2_LIMIT[x.dtype]))
    return value * scale


def exp10(x: Expr) -> Expr:
    """2**k exp(r) with k = round(x log2(10)), r = (x - k log10(2)) log(10) a pair: exact where a float is."""
    inside = clamp(x, -EXP10_LIMIT[x.dtype], EXP10_LIMIT[x.dtype])
    k, bits = nearest_integer(inside, LOG2_10[x.dtype][0])
    high, low = LOG10_2[x.dtype]
    exact = fma(k, -high, inside)
    part = fma(k, -low, exact)
    part_low = fma(k, -low, exact - part)
    factor, factor_low = LN10[x.dtype]
    r = part * factor
    r_low = fma(part_low, factor, fma(part, factor_low, fma(part, factor, -r)))
    first, second = power_factors(k, bits)
    return (r + fma(r * polynomial(r, EXP[x.dtype]), r, r_low) + 1.0) * first * second


def expm1_inside(x: Expr) -> Expr:
    """expm1 for EXPM1_LOW <= x <= EXP_HIGH, but +0 for -0: 2**k (exp(r) - 1) + (2**k - 1), with 2**(k - 1) in place of
    2**k, which may overflow."""
    r, rest, _, bits = reduce(x)
    q = fma(r * polynomial(r, EXP[x.dtype]), r, rest) + r
    half = power_of_two(bits - 1, x.dtype)
    return fma(half, q, half - 0.5) * 2.0


def expm1(x: Expr) -> Expr:
    value = expm1_inside(clamp(x, EXPM1_LOW[x.dtype], EXP_HIGH[x.dtype]))
    return rarely(abs(x) < 2.0 ** -(format_of(x).fraction + 2), x, value)


FLOAT = ("float",)
SOURCE = "2**k times a minimax polynomial of x - k ln 2"
SPECIAL = ("NaN -> NaN", "+0, -0 -> 1", "+inf -> +inf", "-inf -> +0")

ROWS = (
    ScalarFunction(
        "exp", 1, FLOAT, exp, "Gives e**x for each element.", ulp=(1.0, 1.0), range="[0, inf]", special=SPECIAL,
        source=SOURCE,
        reference=lambda mp, x: mp.exp(x),
        derivative=lambda fn, g, y, x: (g * y,),
    ),
    ScalarFunction(
        "exp2", 1, FLOAT, exp2, "Gives 2**x for each element, exactly for integers.", ulp=(1.0, 1.0), range="[0, inf]",
        special=SPECIAL,
        source="2**k times a minimax polynomial of x - k", reference=lambda mp, x: mp.power(2, x),
        derivative=lambda fn, g, y, x: (g * y * log(2.0),),
    ),
    ScalarFunction(
        "exp10", 1, FLOAT, exp10, "Gives 10**x for each element, exactly where a float holds the power.",
        ulp=(1.0, 1.0), range="[0, inf]", special=SPECIAL, source="2**k times a minimax polynomial of a pair of floats",
        reference=lambda mp, x: mp.power(10, x),
        derivative=lambda fn, g, y, x: (g * y * log(10.0),),
    ),
    ScalarFunction(
        "expm1", 1, FLOAT, expm1, "Gives e**x - 1 for each element, accurate near 0.", ulp=(2.0, 2.0),
        range="[-1, inf]",
        special=("NaN -> NaN", "+0 -> +0", "-0 -> -0", "+inf -> +inf", "-inf -> -1"),
        source=SOURCE + ", with 1 taken off before the scaling", reference=lambda mp, x: mp.expm1(x),
        derivative=lambda fn, g, y, x: (g * (y + 1.0),),
    ),
)  # fmt: skip

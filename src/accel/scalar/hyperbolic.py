"""sinh, cosh, asinh, acosh, atanh; tanh is in activation.py.

sinh and cosh are sum and difference of E = exp(|x|) / 2 and 1 / (4 E); sinh of |x| < 1 is a minimax polynomial. The
inverses are log1p of an argument that is kept as a pair of floats.
"""

from __future__ import annotations

from .activation import at_most
from .binary_format import format_of, infinity, nan, power_of_two, with_sign_of
from .coefficients import LN2
from .coefficients_trigonometric import SINH
from .exponential import exp_fraction
from .expr import Expr, bitcast, const, eq, fma, rarely, select, sqrt
from .extended import fast_two_sum, polynomial
from .logarithm import fraction_and_exponent, log_tail
from .scalar_function import ScalarFunction

HALF_EXP_END = {"float32": 90.0, "float64": 711.0}  # exp(x) / 2 is infinite


def half_exp(a: Expr) -> Expr:
    """exp(a) / 2 for a >= 0, infinite only where it is itself beyond the largest float; NaN stays."""
    p, _, bits = exp_fraction(at_most(a, HALF_EXP_END[a.dtype]))
    return p * power_of_two(bits - 2, a.dtype) * 2.0


def sinh(x: Expr) -> Expr:
    a = abs(x)
    u = a * a
    near = fma(a * u, polynomial(u, SINH[x.dtype]), a)
    e = half_exp(a)
    return with_sign_of(select(a < 1.0, near, e - 0.25 / e), x)


def cosh(x: Expr) -> Expr:
    e = half_exp(abs(x))
    return e + 0.25 / e


def log1p_pair(x: Expr, low: Expr, twos: tuple[Expr, float] | None = None) -> Expr:
    """log(1 + x + low) for x >= 0, low within a unit of x's last place, finite. twos: a rare
    condition, and how often log 2 is added where it holds."""
    fmt = format_of(x)
    m, k, field = fraction_and_exponent(1.0 + x)
    scale = bitcast((const(2 * fmt.bias, fmt.bits) - field) << fmt.fraction, x.dtype)
    f = rarely(~(x < 2.0 ** (fmt.fraction + 2)), m - 1.0, fma(x, scale, scale - 1.0))
    rest = low * scale
    rest = fma(-f, rest, rest)
    if twos is not None:
        k = rarely(twos[0], k + twos[1], k)
    high, k_low = LN2[x.dtype]
    return fma(k, high, f + fma(k, k_low, log_tail(f) + rest))


def asinh(x: Expr) -> Expr:
    """log1p(a + a**2 / (1 + sqrt(a**2 + 1))) with a = |x|; log(a) + log(2) where a**2 ends the format or nearly."""
    a = abs(x)
    f = format_of(x)
    large = a > 2.0 ** (f.fraction + 4)
    square = a * a
    v, low = fast_two_sum(a, square / (sqrt(square + 1.0) + 1.0))
    v, low = rarely(large, a * 0.5, v), rarely(large, const(0.0, x.dtype), low)
    value = log1p_pair(v, low, (large, 2.0))
    value = rarely(~(a < infinity(x.dtype)), a, value)
    return with_sign_of(rarely(a < 2.0 ** -(f.fraction // 2 + 2), a, value), x)


def acosh(x: Expr) -> Expr:
    """log1p(t + sqrt(t (t + 2))) with t = x - 1"""
    f = format_of(x)
    large = x > 2.0 ** (f.fraction + 4)
    t = x - 1.0
    root = sqrt(fma(t, t, t * 2.0))
    v, low = fast_two_sum(root, t)
    v, low = rarely(large, x * 0.5, v), rarely(large, const(0.0, x.dtype), low)
    value = log1p_pair(v, low, (large, 2.0))
    special = select(x < 1.0, nan(x.dtype), x)
    return rarely(~((x >= 1.0) & (x < infinity(x.dtype))), special, value)


def atanh(x: Expr) -> Expr:
    """log1p(2 a / (1 - a)) / 2 with a = |x|, the quotient as a pair."""
    a = abs(x)
    d, d_low = fast_two_sum(const(1.0, x.dtype), -a)
    inverse = 1.0 / d
    n = a * 2.0
    q = n * inverse
    low = inverse * fma(-q, d_low, fma(-q, d, n))
    value = log1p_pair(q, low) * 0.5
    f = format_of(x)
    value = rarely(~(a < 1.0), select(eq(a, 1.0), infinity(x.dtype), nan(x.dtype)), value)
    return with_sign_of(rarely(a < 2.0 ** -(f.fraction // 2 + 2), a, value), x)


FLOAT = ("float",)
ODD = ("NaN -> NaN", "+0 -> +0", "-0 -> -0")
ENDLESS = (*ODD, "+inf -> +inf", "-inf -> -inf")

ROWS = (
    ScalarFunction(
        "sinh", 1, FLOAT, sinh, "Gives (e**x - e**-x) / 2 for each element.", ulp=(1.7, 1.7), special=ENDLESS,
        source="|x| < 1: minimax polynomial; else E - 1 / (4 E) with E = e**|x| / 2",
        reference=lambda mp, x: mp.sinh(x),
        derivative=lambda fn, g, y, x: (g * fn.cosh(x),), turns=(0.0,),
    ),
    ScalarFunction(
        "cosh", 1, FLOAT, cosh, "Gives (e**x + e**-x) / 2 for each element.", ulp=(1.4, 1.4), range="[1, inf]",
        special=("NaN -> NaN", "+0, -0 -> 1", "inf -> +inf"),
        source="E + 1 / (4 E) with E = e**|x| / 2", reference=lambda mp, x: mp.cosh(x),
        derivative=lambda fn, g, y, x: (g * fn.sinh(x),),
    ),
    ScalarFunction(
        "asinh", 1, FLOAT, asinh, "Gives the number whose sinh is x, for each element.", ulp=(1.8, 1.8),
        special=ENDLESS, source="log1p(|x| + x**2 / (1 + sqrt(x**2 + 1))), the argument a pair of floats",
        reference=lambda mp, x: mp.asinh(x),
        derivative=lambda fn, g, y, x: (g / fn.cosh(y),), turns=(0.0,),
    ),
    ScalarFunction(
        "acosh", 1, FLOAT, acosh, "Gives the number not below 0 whose cosh is x, for each element.", ulp=(2.0, 2.0),
        range="[0, inf]", special=("NaN -> NaN", "below 1 -> NaN", "1 -> +0", "+inf -> +inf"),
        source="log1p(t + sqrt(t (t + 2))) with t = x - 1, the argument a pair of floats",
        reference=lambda mp, x: mp.acosh(x),
        derivative=lambda fn, g, y, x: (g / fn.sinh(y),),
    ),
    ScalarFunction(
        "atanh", 1, FLOAT, atanh, "Gives the number whose tanh is x, for each element.", ulp=(1.6, 1.6),
        special=(*ODD, "|x| > 1 -> NaN", "1 -> +inf", "-1 -> -inf"),
        source="log1p(2 |x| / (1 - |x|)) / 2, the quotient a pair of floats", reference=lambda mp, x: mp.atanh(x),
        derivative=lambda fn, g, y, x: (g / ((1.0 - x) * (x + 1.0)),), turns=(0.0,),
    ),
)  # fmt: skip

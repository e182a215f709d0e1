"""log, log2, log10 and log1p.

x = 2**k m with m in [sqrt(1/2), sqrt(2)), found from the bits; log(m) = f - f**2 / 2 + f**3 P(f) with f = m - 1, which
is exact, and a minimax P. The products with log2(e) and log10(e) keep their rounding errors.
"""

from __future__ import annotations

import math

from .binary_format import format_of, infinity, nan, raw
from .coefficients import LN2, LOG, LOG2_E, LOG10_2, LOG10_E
from .expr import Expr, bitcast, const, eq, fma, rarely, select
from .extended import fast_two_sum, polynomial_by_halves, two_product
from .scalar_function import ScalarFunction

SQRT_HALF_BITS = {"float32": 0x3F3504F3, "float64": 0x3FE6A09E667F3BCD}
"""Bits of the float nearest to sqrt(1/2): the least fraction m."""


def fraction_and_exponent(x: Expr) -> tuple[Expr, Expr, Expr]:
    """(m, k, k + bias as bits) with x = 2**k m, for normal x > 0; any values for other x."""
    f = format_of(x)
    least = SQRT_HALF_BITS[x.dtype]
    moved = raw(x) + (f.one_bits - least)
    field = moved >> f.fraction
    m = bitcast((moved & ((1 << f.fraction) - 1)) + least, x.dtype)
    # The field placed in the fraction of 2**fraction: no conversion of a 64-bit integer.
    k = bitcast(field | ((f.bias + f.fraction) << f.fraction), x.dtype) - (2.0**f.fraction + f.bias)
    return m, k, field


def normalised(x: Expr) -> tuple[Expr, Expr]:
    """(m, k) with x = 2**k m, for finite x > 0."""
    f = format_of(x)
    subnormal = x < f.smallest_normal
    m, k, _ = fraction_and_exponent(rarely(subnormal, x * 2.0 ** (f.fraction + 1), x))
    return m, rarely(subnormal, k - float(f.fraction + 1), k)


def log_tail(f: Expr) -> Expr:
    """log(1 + f) - f"""
    square = f * f
    return square * fma(polynomial_by_halves(f, square, LOG[f.dtype]), f, -0.5)


def finish(x: Expr, value: Expr, pole: float = 0.0) -> Expr:
    """value where x is finite and above the pole; the special values of a logarithm elsewhere."""
    special = select(x > pole, x, select(eq(x, pole), -infinity(x.dtype), nan(x.dtype)))
    return rarely(~((x > pole) & (x < infinity(x.dtype))), special, value)


def log(x: Expr) -> Expr:
    m, k = normalised(x)
    f = m - 1.0
    high, low = LN2[x.dtype]
    return finish(x, fma(k, high, f + fma(k, low, log_tail(f))))


def log2(x: Expr) -> Expr:
    m, k = normalised(x)
    f = m - 1.0
    high, low = LOG2_E[x.dtype]
    product, error = two_product(f, high)
    total, rest = fast_two_sum(k, product)
    return finish(x, total + (rest + fma(log_tail(f), high, fma(f, low, error))))


def log10(x: Expr) -> Expr:
    m, k = normalised(x)
    f = m - 1.0
    high, low = LOG10_E[x.dtype]
    k_high, k_low = LOG10_2[x.dtype]
    product, error = two_product(f, high)
    total, rest = fast_two_sum(k * k_high, product)
    return finish(x, total + (rest + fma(log_tail(f), high, fma(f, low, fma(k, k_low, error)))))


def log1p(x: Expr) -> Expr:
    """log of u = 1 + x, but with f = x 2**-k + (2**-k - 1), which is rounded once, not m - 1 of the rounded u."""
    fmt = format_of(x)
    u = 1.0 + x
    m, k, field = fraction_and_exponent(u)
    scale = bitcast((const(2 * fmt.bias, fmt.bits) - field) << fmt.fraction, x.dtype)
    f = rarely(~(u < 2.0 ** (fmt.fraction + 2)), m - 1.0, fma(x, scale, scale - 1.0))
    high, low = LN2[x.dtype]
    value = finish(x, fma(k, high, f + fma(k, low, log_tail(f))), -1.0)
    return rarely(abs(x) < 2.0 ** -(fmt.fraction + 2), x, value)


FLOAT = ("float",)
POLE = ("NaN -> NaN", "negative -> NaN", "+0, -0 -> -inf", "1 -> +0", "+inf -> +inf")
SOURCE = "a multiple of k plus a minimax polynomial of m - 1, where x = 2**k m"

ROWS = (
    ScalarFunction(
        "log", 1, FLOAT, log, "Gives the natural logarithm of each element.", ulp=(1.0, 1.0), special=POLE,
        source=SOURCE,
        reference=lambda mp, x: mp.log(x),
        derivative=lambda fn, g, y, x: (g / x,),
    ),
    ScalarFunction(
        "log2", 1, FLOAT, log2, "Gives the binary logarithm of each element, exactly for powers of two.",
        ulp=(1.2, 1.2), special=POLE,
        source=SOURCE, reference=lambda mp, x: mp.log(x, 2),
        derivative=lambda fn, g, y, x: (g / (x * math.log(2.0)),),
    ),
    ScalarFunction(
        "log10", 1, FLOAT, log10, "Gives the decimal logarithm of each element.", ulp=(1.1, 1.1), special=POLE,
        source=SOURCE,
        reference=lambda mp, x: mp.log10(x),
        derivative=lambda fn, g, y, x: (g / (x * math.log(10.0)),),
    ),
    ScalarFunction(
        "log1p", 1, FLOAT, log1p, "Gives log(1 + x) for each element, accurate near 0.", ulp=(1.6, 1.6),
        special=("NaN -> NaN", "below -1 -> NaN", "-1 -> -inf", "+0 -> +0", "-0 -> -0", "+inf -> +inf"),
        source=SOURCE.replace("m - 1, where x", "m - 1 (taken from x itself), where 1 + x"),
        reference=lambda mp, x: mp.log1p(x),
        derivative=lambda fn, g, y, x: (g / (x + 1.0),),
    ),
)  # fmt: skip

"""Floating-point pow: 2**(y log2|x|) with the logarithm and the product kept as pairs of floats."""

from __future__ import annotations

from typing import Any

from .binary_format import infinity, nan, with_sign_of
from .coefficients import LOG2_S, LOG2_S_LOW
from .exponential import EXP2_LIMIT, clamp, exp2_factors
from .expr import Expr, const, eq, fma, ne, rarely, rint, select
from .extended import fast_two_sum, polynomial, two_product
from .logarithm import normalised


def log2_pair(x: Expr) -> tuple[Expr, Expr]:
    """log2(x) as a pair, for 0 < x < inf: k + s G(s**2) with s = (m - 1) / (m + 1) = tanh(log(m) / 2).

    s, its square, the two lowest coefficients of the minimax G and every product with them are pairs.
    """
    m, exponent = normalised(x)
    f = m - 1.0
    below, below_low = fast_two_sum(const(1.0, x.dtype), m)  # exponents of 1 and m differ by one at most: exact
    inverse = 1.0 / below
    s = f * inverse
    s_low = inverse * fma(-s, below_low, fma(-s, below, f))
    u = s * s
    u_low = fma(s * 2.0, s_low, fma(s, s, -u))
    c, c_low = LOG2_S[x.dtype], LOG2_S_LOW[x.dtype]
    t, t_low = fast_two_sum(const(c[1], x.dtype), u * polynomial(u, c[2:]))
    t_low = t_low + c_low[1]
    v, v_low = two_product(u, t)
    v_low = fma(u, t_low, fma(u_low, t, v_low))
    g, g_low = fast_two_sum(const(c[0], x.dtype), v)
    g_low = g_low + (v_low + c_low[0])
    p, p_low = two_product(s, g)
    p_low = fma(s, g_low, fma(s_low, g, p_low))
    high, low = fast_two_sum(exponent, p)
    return fast_two_sum(high, low + p_low)


def power(x: Expr, y: Expr) -> Expr:
    """The special values take part only where an argument is not finite, or x not above 0."""
    ax = abs(x)
    inf = infinity(x.dtype)
    log_high, log_low = log2_pair(ax)
    irregular = ~((ax > 0.0) & (ax < inf))
    log_high = rarely(irregular, select(eq(ax, 0.0), -inf, ax), log_high)  # of infinity and NaN: itself
    log_low = rarely(irregular, const(0.0, x.dtype), log_low)
    z, z_low = two_product(y, log_high)
    z_low = fma(y, log_low, z_low)
    limit = EXP2_LIMIT[x.dtype]
    outside = ~(abs(z) <= limit)
    value, scale = exp2_factors(clamp(z, -limit, limit), rarely(outside, const(0.0, x.dtype), z_low))
    product = value * scale
    magnitude = select(eq(ax, 1.0) | eq(y, 0.0), const(1.0, x.dtype), product)
    integral = eq(rint(y), y)
    odd = integral & ne(rint(y * 0.5), y * 0.5) & (abs(y) < inf)
    signed = select(odd, with_sign_of(magnitude, x), magnitude)
    undefined = (x < 0.0) & (ax < inf) & ~integral
    usual = (x > 0.0) & (x < inf) & (abs(y) < inf)
    return rarely(~usual, select(undefined, nan(x.dtype), signed), product)


def derivative(fn: Any, g: Any, y: Any, x: Any, exponent: Any) -> tuple[Any, Any]:
    """exponent x**(exponent - 1), 0 for the exponent 0; y log(x), 0 for x = 0 and an exponent not below 0."""
    of_base = fn.where(fn.equal(exponent, 0.0), 0.0, exponent * fn.pow(x, exponent - 1.0))
    flat = fn.logical_and(fn.equal(x, 0.0), fn.greater_equal(exponent, 0.0))
    return g * of_base, g * fn.where(flat, 0.0, y * fn.log(x))


SPECIAL = (
    "x ** 0 -> 1, even for NaN",
    "1 ** y -> 1, even for NaN",
    "NaN in any argument -> NaN otherwise",
    "negative finite ** non-integer -> NaN",
    "-1 ** inf -> 1",
    "|x| > 1: +inf -> +inf, -inf -> +0",
    "|x| < 1: +inf -> +0, -inf -> +inf",
    "+inf ** positive -> +inf, ** negative -> +0",
    "-inf ** odd integer -> -inf or -0, else +inf or +0",
    "0 ** negative -> +inf (-inf for -0 and an odd integer)",
    "0 ** positive -> +0 (-0 for -0 and an odd integer)",
)
SOURCE = "2**(y log2|x|), the logarithm by atanh((m - 1) / (m + 1)) in pairs of floats (T. J. Dekker, 1971)"

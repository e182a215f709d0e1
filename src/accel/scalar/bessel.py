"""The modified Bessel functions I0 and I1, and both times exp(-|x|)."""

from __future__ import annotations

from typing import Any

from .activation import at_most
from .binary_format import infinity, with_sign_of
from .coefficients_bessel import I0, I0_FAR, I1, I1_FAR
from .exponential import exp_factors
from .expr import Expr, const, fma, rarely, sqrt
from .extended import polynomial, two_product
from .scalar_function import ScalarFunction

FAR = 8.0
"""From here on a polynomial of 1 / x over sqrt(x) exp(-x); below, one of x**2."""

END = {"float32": 96.0, "float64": 718.0}  # I0 and I1 are infinite


SLOPE = ((0.25, 0.05078125), (0.125, 0.0224609375))
"""Of each order, c and d in c / (1 + d u), near enough the logarithmic derivative by u = x**2 to multiply what rounding
u lost."""


def _near(a: Expr, order: int) -> Expr:
    u, lost = two_product(a, a)
    c, d = SLOPE[order]
    value = polynomial(u, (I1 if order else I0)[a.dtype])
    value = fma(value, lost * (c / fma(u, d, 1.0)), value)
    return a * value if order else value


def _far(a: Expr, order: int, p: Expr | None = None) -> Expr:
    """The polynomial over sqrt(a), or times p, with one step of Newton's on the quotient."""
    v = 1.0 / a
    n, low = polynomial(v, (I1_FAR if order else I0_FAR)[a.dtype]), const(0.0, a.dtype)
    if p is not None:
        n, low = two_product(n, p)
    root = sqrt(a)
    quotient = n / root
    lost = fma(-root, root, a) * 0.5 / root
    return quotient + (fma(-quotient, root, n) + fma(-quotient, lost, low)) / root


def whole(x: Expr, order: int) -> Expr:
    a = at_most(abs(x), END[x.dtype])
    p, first, second = exp_factors(a)
    value = rarely(a >= FAR, _far(a, order, p) * first * second, _near(a, order))
    return with_sign_of(value, x) if order else value


def scaled(x: Expr, order: int) -> Expr:
    a = abs(x)
    near = at_most(a, FAR)
    p, first, second = exp_factors(-near)
    far = rarely(a < infinity(x.dtype), _far(a, order), 1.0 / a)
    value = rarely(a >= FAR, far, _near(near, order) * p * (first * second))
    return with_sign_of(value, x) if order else value


def _reference(mp: Any, x: Any, order: int, scale: bool) -> Any:
    if scale and abs(x) > 1e4:  # what is left out is below 2**-160 of the rest
        total, term, v = mp.one, mp.one, 1 / (8 * abs(x))
        for k in range(1, 40):
            term = -term * (4 * order * order - (2 * k - 1) ** 2) / k * v
            total += term
        value = total / mp.sqrt(2 * mp.pi * abs(x))
        return -value if order and x < 0 else value
    if abs(x) > 1e4:
        return mp.inf
    return mp.besseli(order, x) * (mp.exp(-abs(x)) if scale else 1)


def _over(fn: Any, y: Any, x: Any) -> Any:
    """y / x, and its limit at 0."""
    return fn.where(fn.equal(x, 0.0), 0.5, y / x)


I1E_TURN = 2.781492935347947
"""Where the second derivative of I1(x) exp(-x) is zero."""

FLOAT = ("float",)
SOURCE = "|x| < 8: a minimax polynomial of x**2; else one of 1 / |x|, over sqrt(|x|)"
ODD = ("NaN -> NaN", "+0 -> +0", "-0 -> -0")

ROWS = (
    ScalarFunction(
        "i0", 1, FLOAT, lambda x: whole(x, 0), "Gives the modified Bessel function of order 0 of each element.",
        ulp=(3.5, 3.5), range="[1, inf]", special=("NaN -> NaN", "+0, -0 -> 1", "inf -> +inf"),
        source=SOURCE + " exp(-|x|)", reference=lambda mp, x: _reference(mp, x, 0, False),
        derivative=lambda fn, g, y, x: (g * fn.i1(x),),
    ),
    ScalarFunction(
        "i0e", 1, FLOAT, lambda x: scaled(x, 0),
        "Gives e**-|x| times the modified Bessel function of order 0 of each element.",
        ulp=(4.0, 3.5), range="[0, 1]", special=("NaN -> NaN", "+0, -0 -> 1", "inf -> +0"), source=SOURCE,
        reference=lambda mp, x: _reference(mp, x, 0, True),
        derivative=lambda fn, g, y, x: (g * (fn.i1e(x) - fn.sign(x) * y),), turns=(0.0,),
    ),
    ScalarFunction(
        "i1", 1, FLOAT, lambda x: whole(x, 1), "Gives the modified Bessel function of order 1 of each element.",
        ulp=(4.0, 4.0), special=(*ODD, "+inf -> +inf", "-inf -> -inf"), source=SOURCE + " exp(-|x|)",
        reference=lambda mp, x: _reference(mp, x, 1, False),
        derivative=lambda fn, g, y, x: (g * (fn.i0(x) - _over(fn, y, x)),), turns=(0.0,),
    ),
    ScalarFunction(
        "i1e", 1, FLOAT, lambda x: scaled(x, 1),
        "Gives e**-|x| times the modified Bessel function of order 1 of each element.",
        ulp=(4.0, 4.0), range="[-0.22, 0.22]", special=(*ODD, "inf -> 0 with its sign"), source=SOURCE,
        reference=lambda mp, x: _reference(mp, x, 1, True),
        derivative=lambda fn, g, y, x: (g * (fn.i0e(x) - y * fn.sign(x) - _over(fn, y, x)),),
        turns=(-I1E_TURN, 0.0, I1E_TURN),
    ),
)  # fmt: skip

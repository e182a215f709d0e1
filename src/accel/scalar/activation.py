"""Functions of neural networks and their kin: tanh, sigmoid, erf, gelu, gelu_tanh, silu, relu."""

from __future__ import annotations

import math
from typing import Any

from .binary_format import format_of, infinity, power_of_two, with_sign_of
from .coefficients import ERF, ERFC_LOG, GELU_TANH_CUBIC, GELU_TANH_LINEAR, MILLS, MILLS_LOW
from .exponential import EXP_LOW, exp_factors, exp_fraction, exp_of_negative, expm1_inside
from .expr import FLOATS, Expr, const, fma, ne, rarely, select
from .extended import polynomial, polynomial_by_halves, two_product
from .scalar_function import ScalarFunction

TANH_END = {"float32": 10.0, "float64": 20.0}  # tanh rounds to 1
ERF_END = {"float32": 4.0, "float64": 6.0}  # erf rounds to 1
MILLS_CENTRE = {"float32": 3.0, "float64": 4.0}
MILLS_END = {"float32": 15.0, "float64": 39.0}  # gelu rounds to 0 before


def at_most(x: Expr, limit: float) -> Expr:
    """x, or the limit where x is above; NaN stays."""
    return select(x > limit, const(limit, x.dtype), x)


def tanh(x: Expr) -> Expr:
    """e / (e + 2) with e = expm1(2 |x|), which loses nothing near 0."""
    a = at_most(abs(x), TANH_END[x.dtype]) * 2.0
    e = rarely(a < 2.0 ** -(format_of(x).fraction + 2), a, expm1_inside(a))
    return with_sign_of(e / (e + 2.0), x)


def sigmoid(x: Expr) -> Expr:
    """1 / (1 + z) or z / (1 + z) with z = exp(-|x|)."""
    p, first, second = exp_of_negative(-abs(x))
    z = p * first * second
    return select(x < 0.0, z, const(1.0, x.dtype)) / (z + 1.0)


def silu(x: Expr) -> Expr:
    return gate(x, -abs(x), None)


def gate(x: Expr, exponent: Expr, low: Expr | None) -> Expr:
    """x sigmoid(w) for w of x's sign, from exponent + low = -|w|.

    For negative x the factor exp(w) may be subnormal where the product is not, so its power of two comes last.
    """
    p, first, second = exp_of_negative(exponent, low)
    z = p * first * second
    limited = select(x < EXP_LOW[x.dtype], const(EXP_LOW[x.dtype], x.dtype), x)
    quotient = select(x < 0.0, limited * p, x) / (z + 1.0)
    return select(x < 0.0, quotient * first * second, quotient)


def gelu_tanh(x: Expr) -> Expr:
    """x (1 + tanh(w / 2)) / 2 = x sigmoid(w), w = x (a + b x**2), a pair as exp makes its error a relative one."""
    limit = EXP_LOW[x.dtype]
    limited = select(x < limit, const(limit, x.dtype), at_most(x, -limit))
    linear, linear_low = GELU_TANH_LINEAR[x.dtype]
    cubic, cubic_low = GELU_TANH_CUBIC[x.dtype]
    u, u_low = two_product(limited, limited)
    p, p_low = two_product(u, cubic)
    p_low = fma(u, cubic_low, fma(u_low, cubic, p_low))
    # linear may be smaller or larger than p: the general two_sum (D. E. Knuth)
    s = p + linear
    back = s - p
    s_low = (p - (s - back)) + (linear - back) + (p_low + linear_low)
    w, w_low = two_product(s, abs(limited))
    w_low = fma(s_low, abs(limited), w_low)
    return gate(x, -w, -w_low)


def erf(x: Expr) -> Expr:
    a = at_most(abs(x), ERF_END[x.dtype])
    square = a * a
    near = fma(polynomial_by_halves(square, square * square, ERF[x.dtype]), a, a)
    p, _, bits = exp_fraction(-polynomial(a, ERFC_LOG[x.dtype]))
    far = fma(-p, power_of_two(bits, x.dtype), 1.0)
    return with_sign_of(select(a < 1.0, near, far), x)


def gelu(x: Expr) -> Expr:
    """x Phi(x), Phi the normal distribution function: with T = erfc(|x| / sqrt 2) / 2, x - x T for x >= 0, else x T.

    T = exp(-x**2 / 2) M(|x|) with x**2 a pair and M, Mills' ratio over sqrt(2 pi), (a + c) M(a) a polynomial of
    (a - c) / (a + c) (M. M. Shepherd and J. G. Laframboise, "Chebyshev approximation of (1 + 2x) exp(x**2) erfc x in
    0 <= x < infinity", 1981).
    """
    a = at_most(abs(x), MILLS_END[x.dtype])
    ratio, ratio_low = mills_ratio(a)
    square, square_low = two_product(a, a)
    p, first, second = exp_factors(square * -0.5, square_low * -0.5)
    tail, tail_low = two_product(ratio, p)
    tail_low = fma(ratio_low, p, tail_low)
    negative = -fma(a, tail, a * tail_low) * first * second
    positive = fma(-x, (tail + tail_low) * first * second, x)
    value = select(x < 0.0, negative, select(x < infinity(x.dtype), positive, x))
    return with_sign_of(value, x)


def mills_ratio(a: Expr) -> tuple[Expr, Expr]:
    """exp(a**2 / 2) erfc(a / sqrt 2) / 2 as a pair, for 0 <= a <= MILLS_END."""
    centre = MILLS_CENTRE[a.dtype]
    below = a + centre
    back = below - centre
    below_low = (a - back) + (centre - (below - back))  # two_sum, as either of a and c may be the larger
    inverse = 1.0 / below
    inverse_low = inverse * fma(-inverse, below_low, fma(-inverse, below, const(1.0, a.dtype)))
    t = fma(inverse_low, -2.0 * centre, fma(inverse, -2.0 * centre, 1.0))  # 1 - 2 c / (a + c)
    c, slope = MILLS[a.dtype][0], polynomial(t, MILLS[a.dtype][1:])
    value = fma(slope, t, c)
    value_low = fma(slope, t, c - value) + MILLS_LOW[a.dtype][0]
    ratio, ratio_low = two_product(value, inverse)
    return ratio, fma(value, inverse_low, fma(value_low, inverse, ratio_low))


def relu(x: Expr) -> Expr:
    """maximum(x, 0), with NaN as it is."""
    positive = select(x > 0, x, const(0, x.dtype))
    return positive if x.dtype not in FLOATS else select(ne(x, x), x, positive)


def _gelu_reference(mp: Any, x: Any) -> Any:
    if abs(x) > 100:  # mpmath's erfc overflows far out, where gelu(x) is x or nothing
        return x if x > 0 else mp.zero
    return x * mp.erfc(-x / mp.sqrt(2)) / 2


SILU_TURN, GELU_TANH_TURN = 2.3993572805154677, 1.4185040087908283
"""Zeros of the second derivatives."""


def _gelu_derivative(fn: Any, g: Any, y: Any, x: Any) -> tuple[Any]:
    """Phi(x) + x phi(x), with y / x for Phi, which is accurate far below 0 too."""
    density = fn.exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi))
    return (g * (fn.where(fn.equal(x, 0.0), 0.5, y / x) + x * density),)


def _gelu_tanh_derivative(fn: Any, g: Any, y: Any, x: Any) -> tuple[Any]:
    """s + y (1 - s) dw/dx, for y = x s and s = sigmoid(w)."""
    square, linear = x * x, 2 * math.sqrt(2 / math.pi)
    s = fn.sigmoid(x * (square * (linear * 0.044715) + linear))
    return (g * (s + y * (1.0 - s) * (square * (linear * 3 * 0.044715) + linear)),)


def _silu_derivative(fn: Any, g: Any, y: Any, x: Any) -> tuple[Any]:
    s = fn.sigmoid(x)
    return (g * (s + y * (1.0 - s)),)


FLOAT = ("float",)
ODD = ("NaN -> NaN", "+0 -> +0", "-0 -> -0", "+inf -> 1", "-inf -> -1")
GATE = ("NaN -> NaN", "+0 -> +0", "-0 -> -0", "+inf -> +inf", "-inf -> -0")

ROWS = (
    ScalarFunction(
        "tanh", 1, FLOAT, tanh, "Gives the hyperbolic tangent of each element.", ulp=(3.0, 3.0), range="[-1, 1]",
        special=ODD,
        source="e / (e + 2), e = expm1(2 |x|)", reference=lambda mp, x: mp.tanh(x),
        derivative=lambda fn, g, y, x: (g * (1.0 - y * y),), turns=(0.0,),
    ),
    ScalarFunction(
        "sigmoid", 1, FLOAT, sigmoid, "Gives 1 / (1 + e**-x) for each element.", ulp=(3.0, 3.0), range="[0, 1]",
        special=("NaN -> NaN", "+0, -0 -> 0.5", "+inf -> 1", "-inf -> +0"),
        source="from exp(-|x|)", reference=lambda mp, x: 1 / (1 + mp.exp(-x)),
        derivative=lambda fn, g, y, x: (g * (y * (1.0 - y)),), turns=(0.0,),
    ),
    ScalarFunction(
        "erf", 1, FLOAT, erf, "Gives the error function of each element.", ulp=(1.5, 1.5), range="[-1, 1]", special=ODD,
        source="|x| < 1: x times a minimax polynomial of x**2; else 1 - exp of one, fitted to log(erfc(|x|))",
        reference=lambda mp, x: mp.erf(x),
        derivative=lambda fn, g, y, x: (g * (2.0 / math.sqrt(math.pi) * fn.exp(-(x * x))),), turns=(0.0,),
    ),
    ScalarFunction(
        "gelu", 1, FLOAT, gelu, "Gives x times the normal distribution function of x, for each element.",
        ulp=(3.0, 3.0),
        range="[-0.17, inf]", special=GATE, source="exp(-x**2 / 2) times a minimax polynomial for Mills' ratio",
        reference=_gelu_reference,
        derivative=_gelu_derivative, turns=(-math.sqrt(2.0), math.sqrt(2.0)),
    ),
    ScalarFunction(
        "gelu_tanh", 1, FLOAT, gelu_tanh, "Gives x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x**3))) / 2 for each element.",
        ulp=(4.0, 4.0),
        range="[-0.17, inf]", special=GATE, source="x sigmoid(2 sqrt(2 / pi) (x + 0.044715 x**3))",
        reference=lambda mp, x: x / (1 + mp.exp(-2 * mp.sqrt(2 / mp.pi) * (x + mp.mpf("0.044715") * x**3))),
        derivative=_gelu_tanh_derivative, turns=(-GELU_TANH_TURN, GELU_TANH_TURN),
    ),
    ScalarFunction(
        "silu", 1, FLOAT, silu, "Gives x sigmoid(x) for each element.", ulp=(4.0, 4.0), range="[-0.28, inf]",
        special=GATE,
        source="from exp(-|x|)", reference=lambda mp, x: x / (1 + mp.exp(-x)),
        derivative=_silu_derivative, turns=(-SILU_TURN, SILU_TURN),
    ),
    ScalarFunction(
        "relu", 1, ("int", "float"), relu, "Gives the larger of each element and 0.", range="[0, inf]",
        special=("NaN -> NaN", "-0 -> +0"), reference=lambda mp, x: max(x, 0),
        derivative=lambda fn, g, y, x: (fn.where(fn.greater(x, 0.0), g, 0.0),), turns=(0.0,),
    ),
)  # fmt: skip

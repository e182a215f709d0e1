"""Rectifiers and their kin without parameters: hardsigmoid, hardswish, logsigmoid, mish, selu, softsign, tanhshrink."""

from __future__ import annotations

from typing import Any

from .activation import FLOAT, GATE, TANH_END, at_most
from .binary_format import format_of, power_of_two, with_sign_of
from .coefficients import LN2, SELU_NEGATIVE, SELU_POSITIVE, TANHSHRINK
from .exponential import EXP_LOW, EXPM1_LOW, exp_factors, exp_fraction, exp_of_negative, expm1_inside
from .expr import Expr, bitcast, const, fma, rarely, select
from .extended import polynomial_by_halves
from .logarithm import fraction_and_exponent, log_tail
from .scalar_function import ScalarFunction

MISH_END = {"float32": 10.0, "float64": 20.0}  # tanh(softplus(x)) rounds to 1


def log1p_of_fraction(z: Expr) -> Expr:
    """log1p for 0 <= z <= 1, where neither pole nor overflow is near; any number for NaN."""
    f = format_of(z)
    _, k, field = fraction_and_exponent(1.0 + z)
    scale = bitcast((const(2 * f.bias, f.bits) - field) << f.fraction, z.dtype)
    reduced = fma(z, scale, scale - 1.0)  # (1 + z) / 2**k - 1, rounded once
    high, low = LN2[z.dtype]
    return fma(k, high, reduced + fma(k, low, log_tail(reduced)))


def logsigmoid(x: Expr) -> Expr:
    """min(x, 0) - log1p(exp(-|x|)): terms of one sign."""
    p, first, second = exp_of_negative(-abs(x))
    return select(x > 0.0, const(0.0, x.dtype), x) - log1p_of_fraction(p * first * second)


def mish(x: Expr) -> Expr:
    """x e (e + 2) / (e (e + 2) + 2) with e = exp(x), which tanh(log(1 + e)) is, and the product x e as a pair.

    For negative x the factor e may be subnormal where the product is not, so its power of two comes last.
    """
    limited = select(x < EXP_LOW[x.dtype], const(EXP_LOW[x.dtype], x.dtype), at_most(x, MISH_END[x.dtype]))
    p, first, second = exp_factors(limited)
    e = p * first * second
    above = e + 2.0
    ratio = above / fma(e, above, 2.0)
    product = limited * p
    excess = fma(-limited, p, product)  # what rounding added, +0 where x is a zero: its sign stays
    quotient = fma(product, ratio, -(excess * ratio))
    return select(x > MISH_END[x.dtype], x, quotient * first * second)


def selu(x: Expr) -> Expr:
    """scale x for x > 0, scale alpha expm1(x) elsewhere, with the second constant as a pair."""
    low = EXPM1_LOW[x.dtype]
    inner = expm1_inside(select(x < low, const(low, x.dtype), at_most(x, 0.0)))
    negative = rarely(abs(x) < 2.0 ** -(format_of(x).fraction + 2), x, inner)
    high, rest = SELU_NEGATIVE[x.dtype]
    return select(x > 0.0, x * SELU_POSITIVE[x.dtype][0], fma(negative, high, negative * rest))


def tanhshrink(x: Expr) -> Expr:
    """x - tanh(x): below 1, x**3 times a minimax polynomial of x**2; above, |x| - 1 + 2 / (exp(2 |x|) + 1), whose first
    difference is exact."""
    square = x * x
    near = x * (square * polynomial_by_halves(square, square * square, TANHSHRINK[x.dtype]))
    a = abs(x)
    p, _, bits = exp_fraction(at_most(a, TANH_END[x.dtype]) * 2.0)
    far = (a - 1.0) + 2.0 / fma(p, power_of_two(bits, x.dtype), 1.0)
    return select(a < 1.0, near, with_sign_of(abs(far), x))


def softsign(x: Expr) -> Expr:
    a = at_most(abs(x), 2.0 ** (format_of(x).fraction + 2))  # from there on the quotient rounds to 1
    return with_sign_of(a / (a + 1.0), x)


def hardsigmoid(x: Expr) -> Expr:
    """(x + 3) / 6 from -3 to 3; the sum is exact where it cancels."""
    return between_three(x, 0.0, (x + 3.0) / 6.0, const(1.0, x.dtype))


def hardswish(x: Expr) -> Expr:
    """x (x + 3) / 6 from -3 to 3."""
    return between_three(x, -0.0, x * (x + 3.0) / 6.0, x)


def between_three(x: Expr, below: float, inside: Expr, above: Expr) -> Expr:
    """inside from -3 to 3 and for NaN."""
    return select(x < -3.0, const(below, x.dtype), select(x > 3.0, above, inside))


SELU_ALPHA, SELU_SCALE = "1.6732632423543772848170429916717", "1.0507009873554804934193349852946"


def _log_sigmoid(mp: Any, x: Any) -> Any:
    return -mp.log1p(mp.exp(-x)) if x > -1000 else x  # beyond, exp(x) is below every unit of x


def _mish(mp: Any, x: Any) -> Any:
    if x > 1000:  # beyond, exp overflows mpmath's patience, and tanh is 1
        return x
    e = mp.exp(x)
    return x * e * (e + 2) / (e * (e + 2) + 2)


def _selu(mp: Any, x: Any) -> Any:
    return mp.mpf(SELU_SCALE) * (x if x > 0 else mp.mpf(SELU_ALPHA) * mp.expm1(x))


def _tanhshrink(mp: Any, x: Any) -> Any:
    if abs(x) < 1e-9:  # the definition loses what tanh has in common with x
        return x**3 / 3 - 2 * x**5 / 15
    return x - mp.tanh(x)


def _hard(mp: Any, x: Any) -> Any:
    return min(max(x + 3, mp.zero), mp.mpf(6)) / 6


MISH_TURNS = (-2.256376396360793, 1.4905711794854284)
"""Zeros of the second derivative."""


def _mish_derivative(fn: Any, g: Any, y: Any, x: Any) -> tuple[Any]:
    """t + x (1 - t**2) sigmoid(x), for y = x t and t = tanh(log(1 + e**x))."""
    t = fn.where(fn.equal(x, 0.0), 0.6, y / x)
    return (g * (t + (x - y * t) * fn.sigmoid(x)),)


def _selu_derivative(fn: Any, g: Any, y: Any, x: Any) -> tuple[Any]:
    scale = float(SELU_SCALE)
    return (g * fn.where(fn.greater(x, 0.0), scale, y + scale * float(SELU_ALPHA)),)


def _hardswish_derivative(fn: Any, g: Any, y: Any, x: Any) -> tuple[Any]:
    inside = fn.where(fn.less_equal(x, 3.0), x / 3.0 + 0.5, 1.0)
    return (fn.where(fn.less(x, -3.0), 0.0, g * inside),)


ROWS = (
    ScalarFunction(
        "logsigmoid", 1, FLOAT, logsigmoid, "Gives log(1 / (1 + e**-x)) for each element.", ulp=(3.0, 3.0),
        range="[-inf, 0]", special=("NaN -> NaN", "+inf -> +0", "-inf -> -inf"),
        source="min(x, 0) - log1p(exp(-|x|))", reference=_log_sigmoid,
        derivative=lambda fn, g, y, x: (g * fn.sigmoid(-x),),
    ),
    ScalarFunction(
        "mish", 1, FLOAT, mish, "Gives x tanh(log(1 + e**x)) for each element.", ulp=(4.0, 4.0), range="[-0.31, inf]",
        special=GATE, source="x e (e + 2) / (e (e + 2) + 2) with e = exp(x) (Misra 2019, arXiv:1908.08681)",
        reference=_mish,
        derivative=_mish_derivative, turns=MISH_TURNS,
    ),
    ScalarFunction(
        "selu", 1, FLOAT, selu, "Gives scale x for x > 0, else scale alpha (e**x - 1), for each element.",
        ulp=(2.5, 2.5), range="[-1.76, inf]",
        special=("NaN -> NaN", "+0 -> +0", "-0 -> -0", "+inf -> +inf", "-inf -> -scale alpha"),
        source=f"scale = {SELU_SCALE[:18]}, alpha = {SELU_ALPHA[:18]} (Klambauer and others 2017, arXiv:1706.02515)",
        reference=_selu,
        derivative=_selu_derivative, turns=(0.0,),
    ),
    ScalarFunction(
        "softsign", 1, FLOAT, softsign, "Gives x / (1 + |x|) for each element.", ulp=(1.5, 1.5), range="[-1, 1]",
        special=("NaN -> NaN", "+0 -> +0", "-0 -> -0", "+inf -> 1", "-inf -> -1"),
        reference=lambda mp, x: x / (1 + abs(x)),
        derivative=lambda fn, g, y, x: (g / fn.square(fn.abs(x) + 1.0),), turns=(0.0,),
    ),
    ScalarFunction(
        "tanhshrink", 1, FLOAT, tanhshrink, "Gives x - tanh(x) for each element.", ulp=(4.0, 4.0),
        special=("NaN -> NaN", "+0 -> +0", "-0 -> -0", "+inf -> +inf", "-inf -> -inf"),
        source="|x| < 1: x**3 times a minimax polynomial of x**2; else |x| - 1 + 2 / (exp(2 |x|) + 1)",
        reference=_tanhshrink,
        derivative=lambda fn, g, y, x: (g * fn.square(fn.tanh(x)),), turns=(0.0,),
    ),
    ScalarFunction(
        "hardsigmoid", 1, FLOAT, hardsigmoid, "Gives (x + 3) / 6 limited to [0, 1], for each element.",
        ulp=(1.5, 1.5), range="[0, 1]", special=("NaN -> NaN", "+inf -> 1", "-inf -> +0"), reference=_hard,
        derivative=lambda fn, g, y, x: (fn.where(fn.less(fn.abs(x), 3.0), g / 6.0, 0.0),), turns=(-3.0, 3.0),
    ),
    ScalarFunction(
        "hardswish", 1, FLOAT, hardswish, "Gives x times (x + 3) / 6 limited to [0, 1], for each element.",
        ulp=(3.0, 3.0), range="[-0.375, inf]", special=GATE,
        source="definition (Howard and others 2019, arXiv:1905.02244)",
        reference=lambda mp, x: x * _hard(mp, x),
        derivative=_hardswish_derivative, turns=(-3.0, 3.0),
    ),
)  # fmt: skip

"""erfc, erfcx, the normal distribution's ndtr, log_ndtr and ndtri, and erfinv; erf is in activation.py.

The tail is exp(-x**2) erfcx(x), with x**2 a pair, and (x + 9/16) erfcx(x) a minimax polynomial of (x - 3) / (x + 3) on
the whole half line (M. M. Shepherd and J. G. Laframboise, "Chebyshev approximation of (1 + 2x) exp(x**2) erfc x in
0 <= x < infinity", 1981). The inverse is a polynomial of w = -log(1 - x**2), and of sqrt(w) far out (M. Giles,
"Approximating the erfinv function", 2010).
"""

from __future__ import annotations

import math
from typing import Any

from .activation import MILLS_END, at_most, mills_ratio
from .binary_format import infinity, nan, with_sign_of
from .coefficients import ERF, LN2
from .coefficients_error_function import ERFCX, ERFCX_LOW, ERFINV, ERFINV_FAR, ERFINV_MIDDLE, HALF_ROOT_2, ROOT_2
from .exponential import exp_factors
from .expr import Expr, const, eq, fma, rarely, select, sqrt
from .extended import fast_two_sum, polynomial, polynomial_by_halves, two_product
from .logarithm import log_tail, normalised
from .scalar_function import ScalarFunction

ERFC_END = {"float32": 10.5, "float64": 27.5}  # erfc rounds to 0
SHIFT = 9 / 16
EXP_SQUARE_END = {"float32": 9.625, "float64": 26.875}  # exp(x**2) is infinite
RATIO_END = 2.0**30  # -x**2 / 2 is all of log_ndtr


def erfcx_pair(a: Expr) -> tuple[Expr, Expr]:
    """exp(a**2) erfc(a) as a pair, for 0 <= a < inf."""
    t = (a - 3.0) / (a + 3.0)
    c = ERFCX[a.dtype]
    slope = polynomial_by_halves(t, t * t, c[1:])
    below = a + SHIFT
    back = below - SHIFT
    below_low = (a - back) + (SHIFT - (below - back))
    inverse = 1.0 / below
    inverse_low = inverse * fma(-inverse, below_low, fma(-inverse, below, const(1.0, a.dtype)))
    value = fma(slope, t, c[0])
    value_low = fma(slope, t, c[0] - value) + ERFCX_LOW[a.dtype][0]
    ratio, ratio_low = two_product(value, inverse)
    return ratio, fma(value, inverse_low, fma(value_low, inverse, ratio_low))


def _tail(ratio: Expr, low: Expr, a: Expr, factor: float) -> Expr:
    """(ratio + low) exp(factor a**2), for a factor that is a power of two."""
    square, square_low = two_product(a, a)
    p, first, second = exp_factors(square * factor, square_low * factor)
    return fma(ratio, p, low * p) * first * second


def erfc(x: Expr) -> Expr:
    """1 - erf(x) for |x| < 3/4, where that is 1 - x less a small rest."""
    a = at_most(abs(x), ERFC_END[x.dtype])
    tail = _tail(*erfcx_pair(a), a, -1.0)
    square = a * a
    near = fma(-x, polynomial_by_halves(square, square * square, ERF[x.dtype]), 1.0 - x)
    return select(a < 0.75, near, select(x < 0.0, 2.0 - tail, tail))


def erfcx(x: Expr) -> Expr:
    a = abs(x)
    ratio, low = erfcx_pair(a)
    limited = at_most(a, EXP_SQUARE_END[x.dtype])
    square, square_low = two_product(limited, limited)
    p, first, second = exp_factors(square, square_low)
    ratio = ratio + low
    value = select(x < 0.0, p * 2.0 * first * second - ratio, ratio)
    infinite = select(x > 0.0, const(0.0, x.dtype), a)
    return rarely(~(a < infinity(x.dtype)), infinite, value)


def ndtr(x: Expr) -> Expr:
    a = at_most(abs(x), MILLS_END[x.dtype])
    tail = _tail(*mills_ratio(a), a, -0.5)
    return select(x < 0.0, tail, 1.0 - tail)


def log_ndtr(x: Expr) -> Expr:
    """log(erfcx(a) / 2) - a**2 for a = -x / sqrt 2 >= 0, else log(1 - tail): one logarithm of a pair."""
    a = abs(x)
    near = at_most(a, RATIO_END)
    ratio, low = erfcx_pair(near * HALF_ROOT_2[x.dtype][0])
    ratio, low = ratio * 0.5, low * 0.5
    tail = _tail(ratio, low, at_most(a, MILLS_END[x.dtype]), -0.5)
    rest, rest_low = fast_two_sum(const(1.0, x.dtype), -tail)
    negative = x < 0.0
    u, u_low = select(negative, ratio, rest), select(negative, low, rest_low)
    m, k = normalised(u)
    f = m - 1.0
    high, k_low = LN2[x.dtype]
    value = fma(k, high, f + fma(k, k_low, log_tail(f) + u_low / u))
    return select(negative, fma(a * -0.5, a, value), value)


def _over_argument(u: Expr) -> Expr:
    """erfinv(x) / x for 1 - x**2 = u > 0, from w = -log(u)."""
    m, k = normalised(u)
    f = m - 1.0
    high, low = LN2[u.dtype]
    w = -fma(k, high, f + fma(k, low, log_tail(f)))
    t = w - 3.125
    value = polynomial_by_halves(t, t * t, ERFINV[u.dtype])
    s = sqrt(w)
    middle = polynomial((s - 4.0) / (s + 4.0), ERFINV_MIDDLE[u.dtype])
    far = polynomial((s - 12.0) / (s + 12.0), ERFINV_FAR[u.dtype])
    return rarely(w > 6.25, s * rarely(w > 36.0, far, middle), value)


def erfinv(x: Expr) -> Expr:
    a = abs(x)
    inside = a < 1.0
    value = a * _over_argument(select(inside, (1.0 - a) * (1.0 + a), const(1.0, x.dtype)))
    end = select(eq(a, 1.0), infinity(x.dtype), nan(x.dtype))
    return with_sign_of(rarely(~inside, end, value), x)


def ndtri(x: Expr) -> Expr:
    """-sqrt 2 erfinv(1 - 2 q) with q the smaller of x and 1 - x, and the sign of x - 1/2."""
    upper = x > 0.5
    q = select(upper, 1.0 - x, x)  # exact, by Sterbenz
    inside = q > 0.0
    high, low = ROOT_2[x.dtype]
    argument = fma(q, -2.0, 1.0)
    scaled = fma(argument, high, argument * low)
    value = scaled * _over_argument(select(inside, (q * 4.0) * (1.0 - q), const(1.0, x.dtype)))
    end = select(eq(q, 0.0), infinity(x.dtype), nan(x.dtype))
    value = rarely(~inside, end, value)
    return select(x < 0.5, -value, value)


def _erfcx_reference(mp: Any, x: Any) -> Any:
    if x < -1000:  # beyond every float
        return mp.inf
    if x > 10_000:
        return (1 - 1 / (2 * x * x) + 3 / (4 * x**4)) / (x * mp.sqrt(mp.pi))
    with mp.workprec(mp.prec + 40):
        return mp.exp(x * x) * mp.erfc(x)


def _log_ndtr_reference(mp: Any, x: Any) -> Any:
    if x > 100:  # less than any float64
        return -mp.exp(-x * x / 2)
    if x > 0:
        return mp.log1p(-mp.erfc(x / mp.sqrt(2)) / 2)
    a = -x / mp.sqrt(2)
    return mp.log(_erfcx_reference(mp, a) / 2) - a * a


def _erfc_inverse(mp: Any, small: Any) -> Any:
    """The y with erfc(y) = small <= 1, by Newton's steps on the logarithm."""
    with mp.workprec(mp.prec + 20):
        wanted = mp.log(small)
        y = mp.sqrt(-wanted) if wanted < -2 else (1 - small) * mp.sqrt(mp.pi) / 2
        for _ in range(100):
            tail = mp.erfc(y)
            step = (mp.log(tail) - wanted) * mp.exp(y * y) * tail * mp.sqrt(mp.pi) / 2
            y += step
            if abs(step) <= abs(y) * mp.eps:
                break
        return y


def _erfinv_reference(mp: Any, x: Any) -> Any:
    if abs(x) >= 1:
        raise ValueError("no number")
    if abs(x) < mp.mpf(2) ** -40:
        return mp.sqrt(mp.pi) / 2 * (x + mp.pi * x**3 / 12)
    return mp.sign(x) * _erfc_inverse(mp, 1 - abs(x))


def _ndtri_reference(mp: Any, x: Any) -> Any:
    if not 0 < x < 1:
        raise ValueError("no number")
    q = min(x, 1 - x)
    if q > 0.25:
        return mp.sign(x - 0.5) * mp.sqrt(2) * abs(_erfinv_reference(mp, 1 - 2 * q))
    return mp.sign(x - 0.5) * mp.sqrt(2) * _erfc_inverse(mp, 2 * q)


FLOAT = ("float",)
TAIL = "exp(-x**2) times a minimax polynomial for erfcx"
INVERSE = "minimax polynomials of w = -log(1 - x**2) and, far out, of sqrt(w)"

ROWS = (
    ScalarFunction(
        "erfc", 1, FLOAT, erfc, "Gives 1 - erf(x) for each element, accurate far out.", ulp=(2.0, 2.0), range="[0, 2]",
        special=("NaN -> NaN", "+0, -0 -> 1", "+inf -> +0", "-inf -> 2"), source=TAIL,
        reference=lambda mp, x: mp.erfc(x) if x < 200 else mp.zero,
        derivative=lambda fn, g, y, x: (g * (-2.0 / math.sqrt(math.pi) * fn.exp(-(x * x))),), turns=(0.0,),
    ),
    ScalarFunction(
        "erfcx", 1, FLOAT, erfcx, "Gives e**(x**2) erfc(x) for each element.", ulp=(3.0, 2.5), range="[0, inf]",
        special=("NaN -> NaN", "+0, -0 -> 1", "+inf -> +0", "-inf -> +inf"),
        source="a minimax polynomial over the half line; 2 e**(x**2) less that of |x| for x < 0",
        reference=_erfcx_reference,
        derivative=lambda fn, g, y, x: (g * ((x + x) * y - 2.0 / math.sqrt(math.pi)),),
    ),
    ScalarFunction(
        "ndtr", 1, FLOAT, ndtr, "Gives the normal distribution function of each element.", ulp=(2.5, 2.5),
        range="[0, 1]", special=("NaN -> NaN", "+0, -0 -> 0.5", "+inf -> 1", "-inf -> +0"),
        source="exp(-x**2 / 2) times a minimax polynomial for Mills' ratio",
        reference=lambda mp, x: mp.erfc(-x / mp.sqrt(2)) / 2 if x > -200 else mp.zero,
        derivative=lambda fn, g, y, x: (g * (fn.exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi))),), turns=(0.0,),
    ),
    ScalarFunction(
        "log_ndtr", 1, FLOAT, log_ndtr, "Gives the logarithm of the normal distribution function of each element.",
        ulp=(3.5, 3.5), range="[-inf, 0]", special=("NaN -> NaN", "+inf -> +0", "-inf -> -inf"),
        source="log(erfcx(a) / 2) - a**2 with a = -x / sqrt 2, or log(1 - tail) for x > 0",
        reference=_log_ndtr_reference,
        derivative=lambda fn, g, y, x: (g * (math.sqrt(2 / math.pi) / fn.erfcx(x * -math.sqrt(0.5))),),
    ),
    ScalarFunction(
        "erfinv", 1, FLOAT, erfinv, "Gives the number whose erf is x, for each element.", ulp=(3.5, 3.0),
        special=("NaN -> NaN", "+0 -> +0", "-0 -> -0", "1 -> +inf", "-1 -> -inf", "|x| > 1 -> NaN"),
        source="x times " + INVERSE, reference=_erfinv_reference,
        derivative=lambda fn, g, y, x: (g * (math.sqrt(math.pi) / 2 * fn.exp(y * y)),), turns=(0.0,),
    ),
    ScalarFunction(
        "ndtri", 1, FLOAT, ndtri, "Gives the number whose ndtr is x, for each element.", ulp=(4.0, 3.8),
        special=("NaN -> NaN", "+0, -0 -> -inf", "0.5 -> +0", "1 -> +inf", "below 0 or above 1 -> NaN"),
        source="sqrt 2 erfinv(2 x - 1), with 1 - (2 x - 1)**2 = 4 x (1 - x)", reference=_ndtri_reference,
        derivative=lambda fn, g, y, x: (g * (math.sqrt(2 * math.pi) * fn.exp(y * y * 0.5)),), turns=(0.5,),
    ),
)  # fmt: skip

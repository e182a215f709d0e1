"""Products with logarithms, and the logarithm of odds: xlogy, xlog1py, entr, logit."""

from __future__ import annotations

from typing import Any

from .binary_format import format_of, infinity, nan
from .expr import Expr, const, eq, fma, rarely, select
from .extended import fast_two_sum
from .hyperbolic import log1p_pair
from .logarithm import log, log1p
from .scalar_function import ScalarFunction

LOGIT_SHIFT = 64
"""The power of two that a tiny x is multiplied by, so that 1 / x is far from both ends of the format."""


def _product(x: Expr, y: Expr, logarithm: Expr) -> Expr:
    """x times a logarithm of y; 0 where x is 0 and y is a number."""
    nothing = eq(x, 0.0) & eq(y, y)
    return select(nothing, const(0.0, x.dtype), x * logarithm)


def xlogy(x: Expr, y: Expr) -> Expr:
    return _product(x, y, log(y))


def xlog1py(x: Expr, y: Expr) -> Expr:
    return _product(x, y, log1p(y))


def entr(x: Expr) -> Expr:
    value = select(x < 0.0, -infinity(x.dtype), -(x * log(x)))
    return select(eq(x, 0.0), const(0.0, x.dtype), value)


def logit(x: Expr) -> Expr:
    """log1p((1 - 2 a) / a) with a the smaller of x and 1 - x, the quotient a pair, and the sign of x - 1/2."""
    f = format_of(x)
    upper = x > 0.5
    a = select(upper, 1.0 - x, x)  # exact, by Sterbenz
    tiny = a < 2.0 ** -(f.bias - 7)
    n, n_low = fast_two_sum(const(1.0, x.dtype), a * -2.0)
    d = rarely(tiny, a * 2.0**LOGIT_SHIFT, a)
    inverse = 1.0 / d
    q = n * inverse
    low = inverse * (fma(-q, d, n) + n_low)
    value = log1p_pair(q, low, (tiny, float(LOGIT_SHIFT)))
    inside = (x > 0.0) & (x < 1.0)
    end = select(eq(a, 0.0), infinity(x.dtype), nan(x.dtype))
    value = rarely(~inside, end, value)
    return select(upper, value, -value)


def _where_not_nothing(fn: Any, x: Any, value: Any) -> Any:
    return fn.where(fn.equal(x, 0.0), 0.0, value)


FLOAT = ("float",)
NOTHING = ("NaN in any argument -> NaN", "0, y -> +0")

ROWS = (
    ScalarFunction(
        "xlogy", 2, FLOAT, xlogy, "Gives x1 log(x2) for each pair of elements, and 0 where x1 is 0.", ulp=(1.7, 1.7),
        special=(*NOTHING, "x, negative -> NaN"), source="log times x1", reference=lambda mp, x, y: x * mp.log(y),
        derivative=lambda fn, g, y, a, b: (
            g * _where_not_nothing(fn, a, fn.log(b)), _where_not_nothing(fn, a, g * (a / b))
        ),
    ),
    ScalarFunction(
        "xlog1py", 2, FLOAT, xlog1py, "Gives x1 log(1 + x2) for each pair of elements, and 0 where x1 is 0.",
        ulp=(2.3, 2.3), special=(*NOTHING, "x, below -1 -> NaN"), source="log1p times x1",
        reference=lambda mp, x, y: x * mp.log1p(y),
        derivative=lambda fn, g, y, a, b: (
            g * _where_not_nothing(fn, a, fn.log1p(b)), _where_not_nothing(fn, a, g * (a / (b + 1.0)))
        ),
    ),
    ScalarFunction(
        "entr", 1, FLOAT, entr, "Gives -x log(x) for each element, and 0 for 0.", ulp=(1.7, 1.7), range="[-inf, 0.37]",
        special=("NaN -> NaN", "0 -> +0", "negative -> -inf", "+inf -> -inf"), source="log times x",
        reference=lambda mp, x: -x * mp.log(x) if x >= 0 else mp.ninf,
        derivative=lambda fn, g, y, x: (-g * (fn.log(x) + 1.0),),
    ),
    ScalarFunction(
        "logit", 1, FLOAT, logit, "Gives log(x / (1 - x)) for each element.", ulp=(1.6, 1.6),
        special=("NaN -> NaN", "+0, -0 -> -inf", "1 -> +inf", "below 0 or above 1 -> NaN"),
        source="log1p(|1 - 2 x| / a) with a the smaller of x and 1 - x, the quotient a pair of floats",
        reference=lambda mp, x: mp.log(x / (1 - x)),
        derivative=lambda fn, g, y, x: (g / (x * (1.0 - x)),), turns=(0.5,),
    ),
)  # fmt: skip

"""logaddexp: logarithms of sums of exponentials."""

from __future__ import annotations

from typing import Any

from .binary_format import infinity
from .comparison import maximum
from .exponential import exp_of_negative
from .expr import Expr, select
from .rectifier import log1p_of_fraction
from .scalar_function import ScalarFunction


def logaddexp(x: Expr, y: Expr) -> Expr:
    """max(x, y) + log1p(exp(-|x - y|)). Where the difference is infinite or no number, the maximum alone is right."""
    high, apart = maximum(x, y), abs(x - y)
    p, first, second = exp_of_negative(-apart)
    return select(apart < infinity(x.dtype), high + log1p_of_fraction(p * first * second), high)


def _derivative(fn: Any, g: Any, result: Any, x: Any, y: Any) -> tuple[Any, Any]:
    """exp(x - result) and exp(y - result), as the quotients 1 / (1 + exp(y - x)) and 1 / (1 + exp(x - y)): equal
    arguments, infinite ones too, share evenly."""
    equal = fn.equal(x, y)
    return tuple(g * fn.where(equal, 0.5, fn.sigmoid(d)) for d in (x - y, y - x))  # type: ignore[return-value]


def _reference(mp: Any, x: Any, y: Any) -> Any:
    high, apart = max(x, y), abs(x - y)
    return high + mp.log1p(mp.exp(-apart)) if apart < 5000 else high  # beyond, exp is below every unit of the result


ROWS = (
    ScalarFunction(
        "logaddexp", 2, ("float",), logaddexp,
        "Gives log(e**x1 + e**x2) for each pair of elements, also where the powers overflow.",
        ulp=(1.8, 1.8), least=0.5,
        special=("NaN in any argument -> NaN", "+inf in any other -> +inf", "-inf and x -> x"),
        source="max(x1, x2) + log1p(exp(-|x1 - x2|)); where the sum cancels, the error is in units of 1/2",
        reference=_reference, derivative=_derivative,
    ),
)  # fmt: skip

"""Comparisons, logic, classification and choice."""

from __future__ import annotations

from typing import Any

from .binary_format import infinity, nan, raw
from .expr import FLOATS, Expr, bitcast, eq, ne, select
from .scalar_function import ScalarFunction


def isnan(x: Expr) -> Expr:
    return ne(x, x) if x.dtype in FLOATS else ~_always(x)


def isinf(x: Expr) -> Expr:
    return eq(abs(x), infinity(x.dtype)) if x.dtype in FLOATS else ~_always(x)


def isfinite(x: Expr) -> Expr:
    return abs(x) < infinity(x.dtype) if x.dtype in FLOATS else _always(x)


def _always(x: Expr) -> Expr:
    """True, made of x so that the result has its shape in every language."""
    return eq(x ^ x, 0)


def choose(condition: Expr, a: Expr, b: Expr) -> Expr:
    if a.dtype == "bool":
        return (condition & a) | (~condition & b)
    return select(condition, a, b)


def maximum(a: Expr, b: Expr) -> Expr:
    """The larger; any NaN wins, and +0 is above -0, so that the order of many does not matter."""
    return _nan_of(_larger(a, b), a, b)


def minimum(a: Expr, b: Expr) -> Expr:
    """The smaller; any NaN wins, and -0 is below +0."""
    return _nan_of(_smaller(a, b), a, b)


def clip(x: Expr, low: Expr, high: Expr) -> Expr:
    """minimum(maximum(x, low), high)"""
    return _nan_of(_smaller(_larger(x, low), high), x, low, high)


def _larger(a: Expr, b: Expr) -> Expr:
    """maximum of ordered numbers."""
    larger = select(a > b, a, b)
    if a.dtype not in FLOATS:
        return larger
    return select(eq(a, b), bitcast(raw(a) & raw(b), a.dtype), larger)  # of zeros, the sign that both have


def _smaller(a: Expr, b: Expr) -> Expr:
    """minimum of ordered numbers."""
    smaller = select(a < b, a, b)
    if a.dtype not in FLOATS:
        return smaller
    return select(eq(a, b), bitcast(raw(a) | raw(b), a.dtype), smaller)


def _nan_of(value: Expr, *arguments: Expr) -> Expr:
    """value, or the quiet NaN if any argument is NaN."""
    if value.dtype not in FLOATS:
        return value
    unordered = ne(arguments[0], arguments[0])
    for a in arguments[1:]:
        unordered = unordered | ne(a, a)
    return select(unordered, nan(value.dtype), value)


def _share(fn: Any, g: Any, less: Any, more: Any) -> Any:
    """g where the first is below the second, half of it where they are equal."""
    return fn.where(fn.less(less, more), g, fn.where(fn.equal(less, more), g * 0.5, 0.0))


def _clip_derivative(fn: Any, g: Any, y: Any, x: Any, low: Any, high: Any) -> tuple[Any, Any, Any]:
    above = fn.logical_or(fn.greater(x, high), fn.greater(low, high))
    below = fn.logical_and(fn.less(x, low), fn.less(low, high))
    inside = fn.logical_and(fn.less_equal(low, x), fn.less_equal(x, high))
    return fn.where(inside, g, 0.0), fn.where(below, g, 0.0), fn.where(above, g, 0.0)


ALL = ("bool", "int", "float")
BOOL = ("bool",)
NUMBER = ("int", "float")
NAN = "NaN in any argument -> NaN"
UNORDERED = "NaN in any argument -> False"

ROWS = (
    ScalarFunction(
        "equal", 2, ALL, eq, "Tells whether x1 == x2, for each pair of elements.", "bool",
        special=(UNORDERED, "+0 == -0 -> True"),
    ),
    ScalarFunction(
        "not_equal", 2, ALL, ne, "Tells whether x1 != x2, for each pair of elements.", "bool",
        special=("NaN in any argument -> True",),
    ),
    ScalarFunction(
        "less", 2, NUMBER, lambda a, b: a < b, "Tells whether x1 < x2, for each pair of elements.", "bool",
        special=(UNORDERED,),
    ),
    ScalarFunction(
        "less_equal", 2, NUMBER, lambda a, b: a <= b, "Tells whether x1 <= x2, for each pair of elements.", "bool",
        special=(UNORDERED,),
    ),
    ScalarFunction(
        "greater", 2, NUMBER, lambda a, b: a > b, "Tells whether x1 > x2, for each pair of elements.", "bool",
        special=(UNORDERED,),
    ),
    ScalarFunction(
        "greater_equal", 2, NUMBER, lambda a, b: a >= b, "Tells whether x1 >= x2, for each pair of elements.", "bool",
        special=(UNORDERED,),
    ),
    ScalarFunction("logical_and", 2, BOOL, lambda a, b: a & b, "Tells whether both x1 and x2 are true.", "bool"),
    ScalarFunction("logical_or", 2, BOOL, lambda a, b: a | b, "Tells whether x1, x2 or both are true.", "bool"),
    ScalarFunction("logical_xor", 2, BOOL, lambda a, b: a ^ b, "Tells whether one of x1 and x2 only is true.", "bool"),
    ScalarFunction("logical_not", 1, BOOL, lambda a: ~a, "Tells whether each element is false.", "bool"),
    ScalarFunction("isnan", 1, NUMBER, isnan, "Tells whether each element is NaN; no integer is.", "bool"),
    ScalarFunction("isinf", 1, NUMBER, isinf, "Tells whether each element is infinite; no integer is.", "bool"),
    ScalarFunction(
        "isfinite", 1, NUMBER, isfinite,
        "Tells whether each element is neither NaN nor infinite; every integer is.", "bool",
    ),
    ScalarFunction(
        "where", 3, ALL, choose, "Chooses x1 where the condition is true, and x2 where it is false.",
        derivative=lambda fn, g, y, c, a, b: (None, fn.where(c, g, 0.0), fn.where(c, 0.0, g)),
    ),
    ScalarFunction(
        "minimum", 2, NUMBER, minimum, "Gives the smaller of x1 and x2, for each pair of elements.",
        special=(NAN, "minimum(-0, +0) -> -0 in either order"),
        reference=lambda mp, a, b: min(a, b),
        derivative=lambda fn, g, y, a, b: (_share(fn, g, a, b), _share(fn, g, b, a)),
    ),
    ScalarFunction(
        "maximum", 2, NUMBER, maximum, "Gives the larger of x1 and x2, for each pair of elements.",
        special=(NAN, "maximum(-0, +0) -> +0 in either order"),
        reference=lambda mp, a, b: max(a, b),
        derivative=lambda fn, g, y, a, b: (_share(fn, g, b, a), _share(fn, g, a, b)),
    ),
    ScalarFunction(
        "clip", 3, NUMBER, clip, "Limits each element to [min, max]: minimum(maximum(x, min), max).", special=(NAN,),
        reference=lambda mp, x, low, high: min(max(x, low), high),
        derivative=_clip_derivative,
    ),
)  # fmt: skip

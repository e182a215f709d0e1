"""Rounding to integral values; integers are returned as they are."""

from __future__ import annotations

from collections.abc import Callable

from . import expr
from .expr import FLOATS, Expr
from .scalar_function import JUMPS, ScalarFunction


def _row(name: str, primitive: Callable[[Expr], Expr], doc: str, reference: Callable) -> ScalarFunction:
    return ScalarFunction(
        name,
        1,
        ("int", "float"),
        lambda x: primitive(x) if x.dtype in FLOATS else x,
        doc,
        range="integers",
        special=("NaN -> NaN", "inf -> inf", "a zero result has the sign of the argument"),
        source="IEEE 754 roundToIntegral",
        reference=reference,
        derivative=JUMPS,
    )


FRAC = ScalarFunction(
    "frac",
    1,
    ("float",),
    lambda x: x - expr.trunc(x),
    "Gives each element less its integer part, exactly.",
    range="(-1, 1)",
    special=("NaN -> NaN", "inf -> NaN", "an integer -> +0"),
    reference=lambda mp, x: x - (mp.floor(x) if x > 0 else mp.ceil(x)),
    derivative=lambda fn, g, y, x: (g,),
)

ROWS = (
    FRAC,
    _row("floor", expr.floor, "Gives the largest integer not above each element.", lambda mp, x: mp.floor(x)),
    _row("ceil", expr.ceil, "Gives the smallest integer not below each element.", lambda mp, x: mp.ceil(x)),
    _row(
        "trunc",
        expr.trunc,
        "Gives the integer part of each element.",
        lambda mp, x: mp.floor(x) if x > 0 else mp.ceil(x),
    ),
    _row(
        "round",
        expr.rint,
        "Gives the integer nearest to each element, and of two the even one.",
        lambda mp, x: mp.nint(x),
    ),
)

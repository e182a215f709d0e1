"""The table of scalar functions: the rows of every family, by name."""

from __future__ import annotations

from . import (
    activation,
    adjacent,
    angle,
    arithmetic,
    bessel,
    comparison,
    entropy,
    error_function,
    exponent,
    exponential,
    gamma,
    hyperbolic,
    integer,
    log_sum,
    logarithm,
    random,
    rectifier,
    root,
    rounding,
    trigonometric,
)
from .scalar_function import ScalarFunction

FAMILIES = (
    *(
        arithmetic,
        integer,
        comparison,
        rounding,
        adjacent,
        exponential,
        logarithm,
        log_sum,
        root,
        trigonometric,
        hyperbolic,
    ),
    *(activation, rectifier, exponent, angle, entropy, error_function, gamma, bessel, random),
)

FUNCTIONS: dict[str, ScalarFunction] = {row.name: row for family in FAMILIES for row in family.ROWS}

STEPS: dict[str, ScalarFunction] = FUNCTIONS | {row.name: row for row in adjacent.HALF_ROWS}
"""What a step of a program may be: the functions, and what stands for one of them at a 16-bit dtype where the answer
is not the float32 function's, rounded: its name, an underscore and the dtype."""


def table() -> str:
    """All functions as a Markdown table: name, what it is, dtypes, largest error in ULP, range, special values."""
    lines = [
        "| function | value | accepts | ULP float32 | ULP float64 | range | special values | source |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in FUNCTIONS.values():
        floats = "float" in row.kinds and row.result != "bool"
        single, double = (_ulp(u) if floats else "-" for u in row.ulp)
        special = "; ".join(row.special) or "-"
        fields = (f"`{row.name}`", row.doc, ", ".join(row.kinds), single, double, row.range, special, row.source)
        lines.append("| " + " | ".join(field.replace("|", "\\|") for field in fields) + " |")
    return "\n".join(lines) + "\n"


def _ulp(error: float) -> str:
    return "exact" if error == 0 else f"{error:g}"

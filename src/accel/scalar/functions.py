"""The table of scalar functions: the rows of every family, by name."""

from __future__ import annotations

from . import activation, arithmetic, comparison, exponential, integer, log_sum, logarithm, rectifier, rounding
from .scalar_function import ScalarFunction

FAMILIES = (arithmetic, integer, comparison, rounding, exponential, logarithm, activation, rectifier, log_sum)

FUNCTIONS: dict[str, ScalarFunction] = {row.name: row for family in FAMILIES for row in family.ROWS}


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

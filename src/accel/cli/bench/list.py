"""``accel bench list``: the cases of a suite."""

from __future__ import annotations

from typing import Any

import click

from .filters import chooses_cases


@click.command(short_help="List the cases of a suite, and measure nothing.")
@chooses_cases
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def command(
    suite: str,
    ops: tuple[str, ...],
    models: tuple[str, ...],
    dtypes: tuple[str, ...],
    patterns: tuple[str, ...],
    as_json: bool,
) -> int:
    """Says of each case that `accel bench run` would measure which bytes it has to move and how many operations it
    needs at least. Exit code 2 for bad arguments, or where no case matches."""
    from ...bench.measure.plan import Plan
    from ...bench.measure.runner import chosen
    from .. import console

    rows = [_row(case) for case in chosen(Plan(suite, "", ops, models, dtypes, patterns))]
    if as_json:
        console.print_json({"suite": suite, "cases": rows})
        return 0
    console.table(
        ("op", "bytes", "flops", "case"),
        [(row["op"], _number(row["bytes"]), _number(row["flops"]), row["id"]) for row in rows],
    )
    console.say(f"{len(rows)} cases")
    return 0


def _row(case: Any) -> dict[str, Any]:
    """A case as it is before anything is measured."""
    from ...bench.result.record import blank

    kept = ("id", "model", "layer", "phase", "count", "op", "dtype", "cache", "class", "bytes", "flops")
    record = blank(case, "", "UNSUPPORTED")
    return {name: record[name] for name in kept} | {"supported": record["class"] is not None}


def _number(value: float | None) -> str:
    return "no such op" if value is None else f"{value:.3g}"

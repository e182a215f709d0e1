"""The options that choose cases of a suite, of every command that has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

OPTIONS = (
    click.option("--suite", default="quick", show_default=True, metavar="NAME", help="quick, core, models or science."),
    click.option("--op", "ops", multiple=True, metavar="NAME", help="Only cases of this op (may be repeated)."),
    click.option(
        "--model", "models", multiple=True, metavar="NAME", help="Only cases of this model (may be repeated)."
    ),
    click.option(
        "--dtype", "dtypes", multiple=True, metavar="NAME", help="Only cases of this dtype (may be repeated)."
    ),
    click.option(
        "--case",
        "patterns",
        multiple=True,
        metavar="PATTERN",
        help="Only the case of this id, or those whose id has this regular expression (may be repeated).",
    ),
)


def chooses_cases(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command the parameters suite, ops, models, dtypes and patterns."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command

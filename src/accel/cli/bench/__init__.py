"""``accel bench``: how fast a device is, how right, and what it is made of; one module per command."""

from __future__ import annotations

import click

from .. import Commands

COMMANDS = ("compare", "cpu", "finish", "history", "list", "probe", "report", "run", "submit_check", "validate")


@click.group(
    cls=Commands, package=__name__, names=COMMANDS, short_help="How fast is accel, against others and the machine?"
)
def command() -> None:
    """Measures accel against NumPy, torch and the machine's limits."""

"""``accel bench finish``: the result file of a run that cannot go on."""

from __future__ import annotations

from pathlib import Path

import click

from .run import exit_code, summarize


@click.command(short_help="The result file of an interrupted run.")
@click.argument("output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE")
def command(output: Path) -> int:
    """Writes FILE, the result file of an interrupted run, from the journal beside it, on any machine: where the one
    that was measured is not there any more. Cases that the run did not reach are missing, and the file says so; those
    that fewer processes timed than it planned have these alone. The journal stays, so that a run can still go on.

    Exit code 0 well; 1 a result is wrong, could not be checked, or took its process down; 2 there is no such journal,
    or nothing in it.
    """
    from ...bench.measure import runner

    record = runner.finish(output)
    summarize(record, record["suite"]["name"], output)
    return exit_code(record, ("incorrect",))

"""What `accel bench run` shows while it goes on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from .. import console

if TYPE_CHECKING:
    from ...bench.measure.runner import Event

EVERY = 10
"""Where there is no terminal, a line is printed after so many."""


@contextlib.contextmanager
def progress() -> Iterator[Callable[[Event], None]]:
    """Takes the events of a run: a bar with the time left where stderr is a terminal, else a line now and then."""
    err = console.console(stderr=True)
    if not err.is_terminal:
        yield _print_event
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        BarColumn(bar_width=24), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
    )  # fmt: skip
    # drawn at events only: a thread that draws would take time from what is measured
    with Progress(*columns, console=err, transient=True, auto_refresh=False, speed_estimate_period=600) as bar:
        task = bar.add_task("", total=None)

        def on_event(event: Event) -> None:
            if event.kind == "notice":
                err.print(f"accel: {event.text}")
            elif event.kind == "case" and event.entry["status"] not in ("PASS", "FALLBACK", "SKIPPED_MEM"):
                err.print(f"{event.entry['status']} {event.text}: {event.entry['detail']}")
            bar.update(task, completed=event.done, total=event.total, description=event.text, refresh=True)

        yield on_event


def _print_event(event: Event) -> None:
    """One line on stderr for what must be known, and after every `EVERY` cases."""
    if event.kind == "notice" or (event.kind == "plan" and event.text):
        click.echo(f"accel: {event.text}", err=True)
    elif event.kind == "plan":
        click.echo(f"accel: {event.total} cases to time, each as often as there are processes for it", err=True)
    elif event.kind == "case" and (event.done % EVERY == 0 or event.done == event.total):
        click.echo(f"accel: {event.done} of {event.total} timed, the last: {event.text}", err=True)

"""What commands print with: tables and progress on a terminal, plain text elsewhere, no escapes under NO_COLOR."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..config import environment

if TYPE_CHECKING:
    from rich.console import Console

GOOD, BAD, WARN = "green", "bold red", "yellow"
"""Styles of a verdict."""


def console(stderr: bool = False) -> Console:
    """A console on stdout or stderr that takes all text literally."""
    from rich.console import Console

    return Console(
        stderr=stderr,
        color_system=None if environment("NO_COLOR") else "auto",
        markup=False,
        highlight=False,
        emoji=False,
        soft_wrap=True,
    )


def say(text: str, style: str | None = None, stderr: bool = False) -> None:
    """One paragraph; never broken into lines where there is no terminal."""
    console(stderr).print(text, style=style)


def heading(text: str) -> None:
    """The title of a section, with an empty line before it."""
    say(f"\n{text}", style="bold")


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], styles: dict[int, str] | None = None) -> None:
    """Rows of single-line cells under column titles. styles: by row number."""
    out = console()
    if not out.is_terminal:
        for line in plain([columns, *rows]):
            out.print(line)
        return
    from rich.box import SIMPLE
    from rich.table import Table
    from rich.text import Text

    made = Table(box=SIMPLE, pad_edge=False)
    for title in columns:
        made.add_column(Text(title), overflow="fold")
    for number, row in enumerate(rows):
        made.add_row(*(Text(cell) for cell in row), style=(styles or {}).get(number))
    out.print(made, soft_wrap=False)


def plain(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with their columns aligned, two spaces between them and none at the end."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def print_json(value: Any) -> None:
    """A machine's form of a command's answer."""
    print(json.dumps(value, indent=2, default=str))


@contextlib.contextmanager
def progress(title: str, total: int | None = None) -> Iterator[Callable[[str], None]]:
    """Yields what is called with a text after each step: a bar on stderr where that is a terminal, else nothing."""
    err = console(stderr=True)
    if not err.is_terminal:
        yield lambda text: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda text: bar.update(task, advance=1, description=f"{title}: {text}", refresh=True)


@contextlib.contextmanager
def bar(title: str) -> Iterator[Callable[[str, int], None]]:
    """Yields what is called with a text and the number of steps that are left, which may grow: a bar on stderr where
    that is a terminal, else nothing."""
    err = console(stderr=True)
    if not err.is_terminal:
        yield lambda text, left: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    done = 0
    with Progress(*columns, console=err, transient=True) as shown:
        task = shown.add_task(title, total=None)

        def step(text: str, left: int) -> None:
            nonlocal done
            shown.update(task, completed=done, total=done + left, description=f"{title}: {text}")
            done += 1

        yield step


def memory(nbytes: int | None) -> str:
    """A size of memory for people."""
    return "unknown" if nbytes is None else f"{nbytes / 2**30:.1f} GiB"

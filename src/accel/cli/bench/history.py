"""``accel bench history``: what became faster or slower over the result files of a folder, and when."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .compare import STYLES, Share

if TYPE_CHECKING:
    from ...bench.result.history import Point, Series

MARKS = {"slower": "▲", "faster": "▼", "ambiguous": "?", "lost": "✗", "gained": "+"}
"""What stands beside a time that is not the same as before."""


@click.command(short_help="What became faster or slower, and when?")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR")
@click.option(
    "--case", "pattern", default="", metavar="PATTERN", help="Only cases whose id has this regular expression."
)
@click.option(
    "--threshold", default="5%", show_default=True, type=Share(), metavar="SHARE", help="Smallest change that matters."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(folder: Path, pattern: str, threshold: float, as_json: bool) -> int:
    """Reads every result file below DIR and shows, for each device and suite, the median of each case from run to run,
    with the verdict of `accel bench compare` between neighbours: ▲ slower, ▼ faster, ? ambiguous, ✗ lost, + gained.

    Exit code 0; 2 if there is no valid result file, or no case matches.
    """
    from ...bench.result import history
    from .. import console

    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise click.BadParameter(f"{pattern!r} is not a regular expression: {error}", param_hint="--case") from None
    entries, refused = history.read(folder)
    for name, why in refused:
        console.say(f"not read: {name}: {why}", style=console.WARN, stderr=True)
    if not entries:
        raise click.BadParameter(
            f"{folder}: no valid result file below it; {len(refused)} other .json", param_hint="DIR"
        )
    series = history.history(entries, threshold)
    names = {name for each in series for name in each.lines if expression.search(name)}
    if not names:
        some = sorted({name for each in series for name in each.lines})
        raise click.BadParameter(
            f"no case matches {pattern!r}; there are {len(some)}, such as {', '.join(some[:3])}", param_hint="--case"
        )
    series = list(history.matching(series, names))
    if as_json:
        left_out = [{"file": name, "why": why} for name, why in refused]
        console.print_json(
            {"threshold": threshold, "series": [each.to_json() for each in series], "not_read": left_out}
        )
        return 0
    for each in series:
        show(each)
    return 0


def show(series: Series) -> None:
    """The files, a line for each case, and what changed when."""
    from .. import console

    description, isa, backend = series.device
    console.heading(
        f"{description}, {isa or 'no instruction set stated'}, {backend}; suite {series.suite[0]} {series.suite[1]}"
    )
    rows = [(str(n + 1), e.record["run"]["started"], e.version, e.path) for n, e in enumerate(series.entries)]
    console.table(("run", "started", "accel", "file"), rows)
    lines, styles = [], {}
    for number, (name, points) in enumerate(series.lines.items()):
        by_entry = {point.entry: point for point in points}
        lines.append((name, *(_cell(by_entry.get(n)) for n in range(len(series.entries)))))
        latest = points[-1].kind
        if latest in STYLES and points[-1].entry == len(series.entries) - 1:
            styles[number] = STYLES[latest]
    console.table(("case", *(str(n + 1) for n in range(len(series.entries)))), lines, styles)
    for n, count in enumerate(series.bits):
        if count:
            console.say(f"run {n + 1} to {n + 2}: {count} results differ in their bits", style=console.BAD)
    for changes, how in ((series.changes, ""), (series.crept, " in small steps")):
        for change in changes:
            by = f" by a factor of {change.ratio:.3f}" if change.ratio is not None else ""
            console.say(f"run {change.before + 1} to {change.after + 1}: {change.kind}{by}{how}: {change.case}")
    if not series.changes and not series.crept:
        console.say(f"No case changed beyond noise over {len(series.entries)} runs.")


def _cell(point: Point | None) -> str:
    from ...bench.cpu.report import time

    if point is None:
        return "-"
    mark = MARKS.get(point.kind or "", "")
    return (time(point.seconds) if point.seconds is not None else point.status) + (f" {mark}" if mark else "")

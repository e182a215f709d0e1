"""``accel bench cpu``: how fast the CPU backend is, against NumPy, torch and the machine's limits."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .files import FILE

if TYPE_CHECKING:
    from ...bench.cpu.aims import Row


def matching(rows: str, cases: str) -> list[Row]:
    """The rows whose names a regular expression is found in, and that have a case of which that holds for the other
    one. Raises click.BadParameter for a bad one or no row."""
    from ...bench.cpu.aims import ROWS

    for option, pattern in (("--rows", rows), ("--cases", cases)):
        try:
            re.compile(pattern)
        except re.error as error:
            raise click.BadParameter(f"{pattern!r} is not a regular expression: {error}", param_hint=option) from None
    found = [row for row in ROWS if re.search(rows, row.name)]
    if not found:
        names = ", ".join(row.name for row in ROWS)
        raise click.BadParameter(f"no row matches {rows!r}; there are {names}", param_hint="--rows")
    kept = [row for row in found if any(re.search(cases, case.name) for case in row.cases())]
    if not kept:
        names = ", ".join(case.name for row in found for case in row.cases())
        raise click.BadParameter(f"no case matches {cases!r}; there are {names}", param_hint="--cases")
    return kept


def thread_counts(text: str | None) -> list[int]:
    """Numbers of threads from "1,2"; by default 1 and all usable cores. Raises click.BadParameter."""
    from ...backends.cpu import usable_cores

    if text is None:
        return sorted({1, usable_cores()})
    counts = [int(word) if word.strip().isdecimal() else 0 for word in text.split(",")]
    if min(counts) < 1:
        raise click.BadParameter(f"{text!r}: expected whole numbers from 1 on, as in 1,2", param_hint="--threads")
    return list(dict.fromkeys(counts))


@click.command(short_help="The CPU backend against its aims and guards.")
@click.option("--rows", default="", metavar="PATTERN", help="Only rows whose name has this regular expression.")
@click.option("--cases", default="", metavar="PATTERN", help="Only cases whose name has this regular expression.")
@click.option("--threads", default=None, metavar="N[,N…]", help="Numbers of threads. [default: 1 and all usable cores]")
@click.option("--isa", default=None, metavar="NAME", help="Instruction set. [default: the best]")
@click.option("--seconds", default=0.3, show_default=True, type=click.FloatRange(0, min_open=True), help="Per case.")
@click.option("--json", "file", default=None, type=click.Path(dir_okay=False), help="Write the samples here.")
@click.option(
    "--guards", "guards_file", default=None, type=FILE, help="Judge by this file of guards. [default: accel's]"
)
@click.option("--save-guards", "saved", default=None, type=click.Path(dir_okay=False, path_type=Path),
              help="Write what was reached into this file, as guards for the next run.")  # fmt: skip
@click.option("--list", "listed", is_flag=True, help="List the rows and their aims, and measure nothing.")
@click.option("--verbose", is_flag=True, help="Print every case.")
def command(
    rows: str,
    cases: str,
    threads: str | None,
    isa: str | None,
    seconds: float,
    file: str | None,
    guards_file: Path | None,
    saved: Path | None,
    listed: bool,
    verbose: bool,
) -> int:
    """Times each row's cases in turn with the same calls of NumPy and torch, in one process per number of threads.

    A ratio above 1 means that accel is faster than the better of the two. Each row has an aim, which is printed, and a
    guard, which decides: what was reached on that instruction set with that number of threads, less the noise.
    Exit code 0 if no row is below its guard, even if it has none; 1 if one is, or a result is wrong; 2 for bad
    arguments.
    """
    from .. import console

    chosen, counts = matching(rows, cases), thread_counts(threads)
    if saved is not None and cases:
        raise click.BadParameter("guards are of whole rows: give --rows, not --cases", param_hint="--save-guards")
    if listed:
        _list(chosen)
        return 0
    from ...backends.cpu import isa as choose
    from ...bench.cpu import guards, report, result, run

    table = guards.load(guards_file or guards.FILE)
    kept = guards.load(saved) if saved is not None and saved.exists() else {}
    name = choose(isa)
    header = run.header(name)
    for text in report.head(header):
        console.say(text)
    warning = report.busy(header)
    if warning is not None:
        console.say(warning, style=console.WARN)
    header["probes"], verdicts = {}, []

    def on_probes(count: int, rates: dict[str, Any]) -> None:
        header["probes"][str(count)] = rates
        console.say(f"\n{report.probes(count, rates)}")
        console.say(report.guarded(table.get((name, count)), name, count))
        console.say(report.titles(), style="bold")

    for count in counts:
        held_to = table.get((name, count))
        for verdict in run.run(chosen, count, name, seconds, on_probes, run.launch, cases, held_to):
            verdicts.append(verdict)
            style = console.BAD if not verdict.passed else console.WARN if verdict.below_aim else console.GOOD
            console.say(report.row(verdict), style=style)
            for text in report.case_lines(verdict) if verbose else ():
                console.say(text)
    if file is not None:
        Path(file).write_text(json.dumps(result.to_json(header, verdicts, name), indent=1) + "\n", encoding="utf-8")
    console.say("")
    for text in report.below(verdicts):
        console.say(text, style=console.BAD)
    if warning is not None:
        console.say(warning, style=console.WARN)
    for text, good in report.summary(verdicts):
        console.say(text, style=console.GOOD if good else console.BAD)
    if saved is not None:
        machine = f"{header['cpu']}, {header['cores']} cores"
        saved.write_text(guards.text(result.renewed(kept, verdicts, name, machine)), encoding="utf-8")
        console.say(f"written: {saved}")
    return 0 if all(v.passed for v in verdicts) else 1


def _list(rows: list[Row]) -> None:
    """The rows and their aims."""
    from ...bench.cpu import report
    from .. import console

    console.table(
        ("row", "aim", "of limit", "peers", "work"),
        [(r.name, report.aim(r), f"{r.limit:.0%}" if r.limit else "", ", ".join(r.peers), r.work) for r in rows],
    )

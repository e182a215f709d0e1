"""The view model: everything that a report says, in the order in which it says it. Formats only lay it out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from . import card, grid, lists, models, summary, units
from . import limits as probes
from .case import Record, aim, at, noisy, settings, timed


@dataclass(frozen=True)
class Run:
    """One result file.

    letter: A, B and so on. name: of the device. summary: what comes first. warnings: what a reader must know before any
    number. marks: those that stand in the report, with what they mean. complete: whether
    the file has every case of its suite, unfiltered. steady, timed: how many timed cases are known within `noise`, of
    how many. hashed: how many cases have a hash.
    """

    record: Record
    letter: str
    name: str
    summary: tuple[summary.Line, ...]
    marks: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    complete: bool
    limits: probes.Limits
    matrix: grid.Grid
    heat: grid.Grid
    worst: tuple[lists.Slow, ...]
    launch: tuple[lists.Slow, ...]
    without_limit: int
    settings: str | None
    counts: tuple[tuple[str, int], ...]
    not_passed: tuple[Record, ...]
    unsteady: tuple[Record, ...]
    baseline_notes: tuple[tuple[str, int], ...]
    noise: float
    steady: int
    timed: int
    hashed: int

    @property
    def cases(self) -> list[Record]:
        return list(self.record.get("cases") or ())


@dataclass(frozen=True)
class Report:
    """Everything. same, differing: cases of which two records' hashes are equal or not."""

    title: str
    subtitle: str
    runs: tuple[Run, ...]
    card: tuple[card.Card, ...]
    models: tuple[models.Model, ...]
    baselines: tuple[str, ...]
    against: tuple[Any, ...]
    overall: tuple[tuple[lists.Against | None, ...], ...]
    hashes: tuple[lists.Hashed, ...]
    same: int
    differing: int

    @property
    def several(self) -> bool:
        return len(self.runs) > 1


def build(records: Sequence[Record]) -> Report:
    """The report on the records, which are result files that `accel.bench.result.file.load` took."""
    runs = tuple(_run(record, chr(ord("A") + number % 26)) for number, record in enumerate(records))
    suites = dict.fromkeys(card.suite(record) for record in records)
    labels = dict.fromkeys(str(at(record, "label") or "unverified") for record in records)
    dates = dict.fromkeys((at(record, "run", "started") or "no date")[:10] for record in records)
    rows = lists.hashes(records)
    return Report(
        f"accel bench, suite {', '.join(suites)}",
        " · ".join([", ".join(run.name for run in runs), ", ".join(labels), ", ".join(dates)]),
        runs,
        tuple(card.build(records)),
        tuple(models.build(records)),
        tuple(lists.baselines(records)),
        tuple(lists.against(records)),
        lists.overall(records),
        tuple(rows),
        sum(row.verdict == "same" for row in rows),
        sum(row.verdict == "differs" for row in rows),
    )


def _run(record: Record, letter: str) -> Run:
    cases = record.get("cases") or ()
    known = [case for case in cases if timed(case)]
    noise = aim(record)
    lines = summary.build(record)
    return Run(
        record,
        letter,
        str(at(record, "device", "name") or "unknown device"),
        lines,
        _marks(record, lines),
        tuple(_warnings(record)),
        bool(cases) and not _lacking(record),
        probes.build(record),
        grid.matrix(cases),
        grid.heat(cases),
        tuple(lists.slowest(record, launch=False)),
        tuple(lists.slowest(record, launch=True)),
        lists.without_limit(record),
        settings(record),
        tuple(lists.counts(record)),
        tuple(lists.not_passed(record)),
        tuple(lists.unsteady(record)),
        tuple(lists.baseline_notes(record)),
        noise,
        sum(not noisy(case, noise) for case in known),
        len(known),
        sum(bool(case.get("hash")) for case in cases),
    )


def _marks(record: Record, lines: Sequence[summary.Line]) -> tuple[tuple[str, str], ...]:
    used = {mark for each in lines for mark in each.marks}
    return tuple((mark, summary.explained(mark, record)) for mark in (summary.NOISY, summary.BUSY_MARK) if mark in used)


def _lacking(record: Record) -> list[str]:
    """Why the file is not a whole result of the suite; nothing where it is."""
    found, count, planned = [], len(record.get("cases") or ()), at(record, "suite", "cases")
    if at(record, "run", "complete") is not True:
        of = f" of {planned}" if planned is not None else ""
        found.append(f"Incomplete: not every case was run; {units.whole(count, 'case')}{of} in this file.")
    elif planned is not None and planned != count:
        found.append(f"Incomplete: {units.whole(count, 'case')} in this file, {planned} in the suite.")
    for kind, words in (at(record, "suite", "filters") or {}).items():
        if words:
            found.append(f"A part of the suite: only {kind} {', '.join(map(str, words))}.")
    return found


def _warnings(record: Record) -> list[str]:
    """What a reader must know before any number."""
    found, cases = _lacking(record), record.get("cases") or ()
    wrong = sum(case.get("status") == "INCORRECT" for case in cases)
    if wrong:
        found.append(f"{units.whole(wrong, 'case')} INCORRECT.")
    if summary.busy(record):
        words = summary.explained(summary.BUSY_MARK, record)
        found.append(f"{words[0].upper()}{words[1:]}. Times are longer than they should be, and ratios are no claim.")
    if at(record, "accel", "dirty"):
        found.append("accel was built from sources with uncommitted changes.")
    if not cases:
        found.append("No case in this file.")
    return found

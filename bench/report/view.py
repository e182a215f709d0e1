"""The view model: everything that a report says, in the order in which it says it. Formats only lay it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import grid, lists, models, units
from . import limits as probes
from .case import Record, at, half_width, settings, timed

Fact = tuple[str, str]
"""What a thing is called, and what it is."""

MAX_NOISE = 0.02
"""The aim of a run that does not tell its own: half the interval of the median, as a share of the median."""


@dataclass(frozen=True)
class Run:
    """One result file.

    letter: A, B and so on. name: of the device. warnings: what a reader must know before any number. complete: whether the
    file has every case of its suite, unfiltered. facts: the device card, groups in the same order in every run. steady, timed: how many timed cases are known within `noise`, of how many.
    hashed: how many cases have a hash.
    """

    record: Record
    letter: str
    name: str
    warnings: tuple[str, ...]
    complete: bool
    facts: tuple[tuple[str, tuple[Fact, ...]], ...]
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
    def cases(self) -> Sequence[Record]:
        return self.record.get("cases") or ()


@dataclass(frozen=True)
class Card:
    """A group of the device card: (label, the value of each run, whether they differ)."""

    title: str
    rows: tuple[tuple[str, tuple[str, ...], bool], ...]


@dataclass(frozen=True)
class Report:
    """Everything. same, differing: cases of which two records' hashes are equal or not."""

    title: str
    subtitle: str
    runs: tuple[Run, ...]
    card: tuple[Card, ...]
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
    """The report on the records, which are result files that `accel.bench.result.load` took."""
    runs = tuple(_run(record, chr(ord("A") + number % 26)) for number, record in enumerate(records))
    suites = dict.fromkeys(_suite(record) for record in records)
    labels = dict.fromkeys(str(at(record, "label") or "unverified") for record in records)
    dates = dict.fromkeys((at(record, "run", "started") or "no date")[:10] for record in records)
    rows = lists.hashes(records)
    return Report(
        f"accel bench, suite {', '.join(suites)}",
        " · ".join([", ".join(run.name for run in runs), ", ".join(labels), ", ".join(dates)]),
        runs,
        _card(runs),
        tuple(models.build(records)),
        tuple(lists.baselines(records)),
        tuple(lists.against(records)),
        lists.overall(records),
        tuple(rows),
        sum(row.verdict == "same" for row in rows),
        sum(row.verdict == "differs" for row in rows),
    )


def _suite(record: Record) -> str:
    version = at(record, "suite", "version")
    return f"{at(record, 'suite', 'name') or 'of no name'}" + (f" {version}" if version is not None else "")


def _run(record: Record, letter: str) -> Run:
    cases = record.get("cases") or ()
    known = [case for case in cases if timed(case)]
    noise = at(record, "run", "max_noise") or MAX_NOISE
    return Run(
        record,
        letter,
        str(at(record, "device", "name") or "unknown device"),
        tuple(_warnings(record)),
        bool(cases) and not _lacking(record),
        tuple(_facts(record)),
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
        sum((half_width(case) or 0.0) <= noise for case in known),
        len(known),
        sum(bool(case.get("hash")) for case in cases),
    )


def _lacking(record: Record) -> list[str]:
    """Why the file is not a whole result of the suite; nothing where it is."""
    found, count, planned = [], len(record.get("cases") or ()), at(record, "suite", "cases")
    if at(record, "run", "complete") is not True:
        of = f" of {planned}" if planned is not None else ""
        found.append(f"Incomplete: the run was not finished; {units.whole(count, 'case')}{of} in this file.")
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
    if at(record, "accel", "dirty"):
        found.append("accel was built from sources with uncommitted changes.")
    if not cases:
        found.append("No case in this file.")
    return found


def _facts(record: Record) -> list[tuple[str, tuple[Fact, ...]]]:
    device, host, run = (record.get(key) or {} for key in ("device", "host", "run"))
    clock, limit = device.get("clock_hz") or {}, device.get("power_limit_w")
    commit = at(record, "accel", "commit")
    return [
        (
            "Device",
            (
                ("name", _text(device.get("name"))),
                ("backend, kind", f"{_text(device.get('backend'))}, {_text(device.get('kind'))}"),
                ("vendor", _text(device.get("vendor"))),
                ("description", _text(device.get("description"))),
                ("driver", _text(device.get("driver"))),
                ("memory", units.size(device.get("memory"))),
                ("threads", _text(device.get("threads"))),
                ("instruction set", _text(device.get("isa"))),
                ("clock, now", units.prefixed(clock.get("now"), "Hz")),
                ("clock, highest", units.prefixed(clock.get("max"), "Hz")),
                ("power limit", units.UNKNOWN if limit is None else f"{limit:g} W"),
                ("ECC", _text(device.get("ecc"))),
                *_mapping(device.get("details")),
            ),
        ),
        (
            "Host",
            (
                ("system", f"{_text(host.get('system'))} {_text(host.get('kernel'))}"),
                ("CPU", _text(host.get("cpu"))),
                ("architecture", _text(host.get("architecture"))),
                ("cores", _text(host.get("cores"))),
                ("memory", units.size(host.get("memory"))),
                *((f"cache {name}", units.size(size)) for name, size in (host.get("caches") or {}).items()),
                ("virtual", _text(host.get("virtual"))),
                ("governor", _text(host.get("governor"))),
                ("load", _text(host.get("load"))),
            ),
        ),
        ("Toolchain", _mapping(record.get("toolchain"))),
        (
            "accel",
            (
                ("version", _text(at(record, "accel", "version"))),
                ("commit", _text(commit) + (" with changes" if at(record, "accel", "dirty") else "")),
                ("bit contract", _text(at(record, "accel", "bit_contract"))),
                ("suite", _suite(record)),
                ("probes' version", _text(record.get("probe_version"))),
                ("schema", _text(record.get("schema"))),
                ("label", _text(record.get("label"))),
            ),
        ),
        ("Environment", _mapping(record.get("environment"))),
        (
            "Run",
            (
                ("started", _text(run.get("started"))),
                ("took", units.time(run.get("seconds"))),
                ("arguments", " ".join(map(str, run.get("arguments") or ())) or units.UNKNOWN),
                ("complete", _text(run.get("complete"))),
                ("resumed", _text(run.get("resumed"))),
                ("seed", _text(run.get("seed"))),
                ("noise aimed at", units.percent(run.get("max_noise"))),
                ("time per case", units.time(run.get("case_budget_s"))),
                ("time-out", units.time(run.get("timeout_s"))),
            ),
        ),
    ]


def _text(value: Any) -> str:
    if value is None or value == "":
        return units.UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _mapping(values: Mapping[str, Any] | None) -> tuple[Fact, ...]:
    return tuple((str(name), _text(value)) for name, value in (values or {}).items())


def _card(runs: Sequence[Run]) -> tuple[Card, ...]:
    """The facts of all runs side by side; a fact that a run lacks is unknown there."""
    cards = []
    for number, (title, _) in enumerate(runs[0].facts if runs else ()):
        tables = [dict(run.facts[number][1]) for run in runs]
        labels = dict.fromkeys(label for table in tables for label in table)
        rows = []
        for label in labels:
            values = tuple(table.get(label, units.UNKNOWN) for table in tables)
            rows.append((label, values, len(set(values)) > 1))
        if rows:
            cards.append(Card(title, tuple(rows)))
    return tuple(cards)

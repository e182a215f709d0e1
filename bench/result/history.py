"""Result files of a folder over time: per device and suite a line for each case, with a verdict between neighbours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from ...errors import ArgumentError
from .compare import RIGHT, Comparison, compare
from .file import Record, device, load

CHANGES = ("slower", "faster", "lost", "gained")
"""What is a change between two files."""


@dataclass(frozen=True)
class Entry:
    """One result file. path: below the folder."""

    path: str
    record: Record

    @property
    def started(self) -> datetime:
        """When its run began, in UTC."""
        return datetime.fromisoformat(self.record["run"]["started"])

    @property
    def version(self) -> str:
        """accel's version, and the commit where it is known."""
        accel = self.record["accel"]
        commit = f" {accel['commit'][:12]}" if accel["commit"] else ""
        return f"{accel['version']}{commit}{' dirty' if accel['dirty'] else ''}"


@dataclass(frozen=True)
class Point:
    """A case in one file. seconds: its median, None where not timed. kind: the verdict against the nearest file before
    that has the case (see `compare.Row.kind`), with the ratio; None in the first."""

    entry: int
    status: str
    seconds: float | None
    kind: str | None
    ratio: float | None


@dataclass(frozen=True)
class Change:
    """A case whose time or status changed, between two files of a series by their places in it."""

    case: str
    before: int
    after: int
    kind: str
    ratio: float | None


@dataclass(frozen=True)
class Series:
    """The files of one device and suite in the order of their runs, and each case's line. bits: per pair of neighbours
    how many hashes of results are different. crept: cases that changed from the first file to the last in steps of
    which none is a change beyond noise."""

    device: tuple[str, str | None, str]
    suite: tuple[str, int]
    entries: tuple[Entry, ...]
    lines: dict[str, tuple[Point, ...]]
    bits: tuple[int, ...]
    crept: tuple[Change, ...]

    @property
    def changes(self) -> list[Change]:
        """What changed and when, the latest first and there the slowest."""
        found = []
        for case, points in self.lines.items():
            for before, point in pairwise(points):
                if point.kind in CHANGES:
                    found.append(Change(case, before.entry, point.entry, point.kind, point.ratio))
        return sorted(found, key=lambda c: (-c.after, CHANGES.index(c.kind), -(c.ratio or 1.0)))

    def to_json(self) -> dict[str, Any]:
        """A machine's form."""
        return {
            "device": dict(zip(("description", "isa", "backend"), self.device, strict=True)),
            "suite": {"name": self.suite[0], "version": self.suite[1]},
            "files": [
                {"file": e.path, "started": e.record["run"]["started"], "version": e.version, "bits_different": bits}
                for e, bits in zip(self.entries, (0, *self.bits), strict=True)
            ],
            "cases": [{"id": case, "points": [asdict(p) for p in points]} for case, points in self.lines.items()],
            "changes": [asdict(change) for change in self.changes],
            "crept": [asdict(change) for change in self.crept],
        }


def read(folder: Path) -> tuple[list[Entry], list[tuple[str, str]]]:
    """The valid result files below a folder, and what is wrong with the other .json files, by path."""
    entries, refused = [], []
    for path in sorted(folder.rglob("*.json")):
        name = path.relative_to(folder).as_posix()
        try:
            entries.append(Entry(name, load(path)))
        except ArgumentError as error:
            refused.append((name, str(error).removeprefix(f"{path}: ")))
    return entries, refused


def history(entries: Sequence[Entry], threshold: float = 0.05) -> list[Series]:
    """The series of all devices and suites. Copies of one run count once. threshold: see `statistics.verdict`."""
    groups: dict[Any, list[Entry]] = {}
    for entry in sorted(entries, key=lambda e: (e.started, e.path)):
        suite = entry.record["suite"]
        group = groups.setdefault((device(entry.record), (suite["name"], suite["version"])), [])
        if all(entry.record != other.record for other in group):
            group.append(entry)
    return [_series(*key, tuple(group), threshold) for key, group in groups.items()]


def _series(
    of: tuple[str, str | None, str], suite: tuple[str, int], entries: tuple[Entry, ...], threshold: float
) -> Series:
    """Each case is compared with the nearest file before that has it: a run of a part of the suite interrupts none."""
    known: dict[tuple[int, int], Comparison] = {}

    def between(first: int, second: int) -> Comparison:
        if (first, second) not in known:
            known[first, second] = compare(entries[first].record, entries[second].record, threshold)
        return known[first, second]

    last: dict[str, int] = {}
    lines: dict[str, list[Point]] = {}
    for number, entry in enumerate(entries):
        for case in entry.record["cases"]:
            name, kind, ratio = case["id"], None, None
            if name in last:
                row = between(last[name], number).row(name)
                kind, ratio = row.kind, row.verdict.ratio if row.verdict else None
            last[name] = number
            seconds = case["median_s"] if case["status"] in RIGHT else None
            lines.setdefault(name, []).append(Point(number, case["status"], seconds, kind, ratio))
    crept = []
    for name, points in lines.items():
        if len(points) > 2 and not any(point.kind in ("slower", "faster") for point in points):
            row = between(points[0].entry, points[-1].entry).row(name)
            if row.verdict is not None and row.kind in ("slower", "faster"):
                crept.append(Change(name, points[0].entry, points[-1].entry, row.kind, row.verdict.ratio))
    bits = tuple(between(n, n + 1).bits["different"] for n in range(len(entries) - 1))
    return Series(of, suite, entries, {name: tuple(points) for name, points in lines.items()}, bits, tuple(crept))


def matching(series: Sequence[Series], found: set[str]) -> Iterator[Series]:
    """The series with only these cases; those without any are left out."""
    for each in series:
        lines = {name: points for name, points in each.lines.items() if name in found}
        if lines:
            crept = tuple(change for change in each.crept if change.case in found)
            yield replace(each, lines=lines, crept=crept)

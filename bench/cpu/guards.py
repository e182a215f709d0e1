"""What the CPU backend is held to: per instruction set and number of threads, what each row reached, less the noise.

guards.toml has it as data, with the machine that reached it; `accel bench cpu --save-guards` writes such a file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...errors import ArgumentError

FILE = Path(__file__).with_name("guards.toml")

FIGURES = ("mean", "worst", "share")
"""Of a row: the geometric mean of the better peer's time over accel's, the least such ratio of a case, and the least
share of its limit that a case reached."""

NOISE = {1: {"mean": 0.1, "worst": 0.3, "share": 0.3}, 2: {"mean": 0.2, "worst": 0.4, "share": 0.4}}
"""Shares by which a figure may fall from one run to the next, with one thread and with more: what a file says of itself
where it is written. Of cases, that of a shared machine whose caches and cores others use too."""

HEAD = """\
# What `accel bench cpu` holds each row to, by instruction set and number of threads: figures that were reached, and the
# share by which each may be lower from one run to the next (noise). A row is below its guard where it is below
# reached * (1 - noise). mean: geometric mean of the better peer's time over accel's; worst: the least of a case; share:
# the least share of its limit that a case reached. A figure that is not here is not judged.
# Renewed by: accel bench cpu --save-guards FILE (docs/cpu.md, "Aims and guards").
"""


@dataclass(frozen=True)
class Guard:
    """The least that a row may reach; None: not judged."""

    mean: float | None = None
    worst: float | None = None
    share: float | None = None


@dataclass(frozen=True)
class Guards:
    """Of one instruction set with one number of threads. machine: that reached it. noise: by figure. reached: by row
    and figure."""

    machine: str
    noise: Mapping[str, float]
    reached: Mapping[str, Mapping[str, float]]

    def of(self, row: str, whole: bool = True) -> Guard | None:
        """A row's guard; None where it has none. whole: whether all cases of the row are measured, as the mean is of
        all."""
        if row not in self.reached:
            return None
        guard = Guard(**{name: value * (1 - self.noise[name]) for name, value in self.reached[row].items()})
        return guard if whole else replace(guard, mean=None)


Table = dict[tuple[str, int], Guards]


def load(file: Path = FILE) -> Table:
    """The guards of a file by instruction set and number of threads. Raises ArgumentError, which names the file and the
    place, for what is none."""
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArgumentError(f"{file}: no file of guards: {error}") from None
    table = {}
    for isa, sections in found.items():
        for threads, section in sections.items() if isinstance(sections, dict) else [("", None)]:
            where = f"{file}: {isa}.{threads}"
            if not threads.isdecimal() or not isinstance(section, dict):
                raise ArgumentError(f"{where}: expected [<instruction set>.<number of threads>] with a table of rows")
            table[isa, int(threads)] = _section(where, section)
    return table


def _section(where: str, section: dict[str, Any]) -> Guards:
    if unknown := section.keys() - {"machine", "noise", "rows"}:
        raise ArgumentError(f"{where}: {', '.join(sorted(unknown))}: expected machine, noise and rows")
    rows = section.get("rows")
    if not isinstance(section.get("machine"), str) or not isinstance(rows, dict):
        raise ArgumentError(f"{where}: expected machine, a text, and rows, a table")
    noise = _figures(f"{where}.noise", section.get("noise"))
    if set(noise) != set(FIGURES) or max(noise.values()) >= 1:
        raise ArgumentError(f"{where}.noise: {noise}, expected shares below 1 for {', '.join(FIGURES)}")
    return Guards(section["machine"], noise, {name: _figures(f"{where}.{name}", row) for name, row in rows.items()})


def _figures(where: str, given: Any) -> dict[str, float]:
    """Numbers by the name of their figure."""
    if not isinstance(given, dict) or not given.keys() <= set(FIGURES):
        raise ArgumentError(f"{where}: {given!r}, expected a table of {', '.join(FIGURES)}")
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
            raise ArgumentError(f"{where}.{name}: {value!r}, expected a number from 0 on")
    return {name: float(value) for name, value in given.items()}


def text(table: Table) -> str:
    """A file of guards."""
    lines = [HEAD.rstrip()]
    for (isa, threads), guards in table.items():
        lines += ["", f"[{isa}.{threads}]", f"machine = {_quoted(guards.machine)}", f"noise = {_inline(guards.noise)}"]
        lines += ["", f"[{isa}.{threads}.rows]"]
        lines += [f"{name} = {_inline(reached)}" for name, reached in guards.reached.items()]
    return "\n".join(lines) + "\n"


def _quoted(words: str) -> str:
    return '"' + "".join(c for c in words if c.isprintable()).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _inline(figures: Mapping[str, float]) -> str:
    return "{ " + ", ".join(f"{name} = {figures[name]:.3g}" for name in FIGURES if name in figures) + " }"

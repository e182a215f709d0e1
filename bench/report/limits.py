"""What the probes found, as rows of tables and points of plots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from . import units
from .case import Record, at, dtype_order

LADDER = ("read", "copy", "triad")
"""Kinds of probes with a working set; their values are bytes per second."""

COMPUTE = {"fma": "hard", "dot": "dot or matrix instructions", "matmul": "reachable"}
"""Kinds of probes per dtype; their values are operations per second."""

PLAIN = {
    "launch/latency": "Launch, one call and its end",
    "launch/rate": "Launches, back to back",
    "overhead/dispatch": "Dispatch alone, null backend",
    "copy-in": "Copy, host to device",
    "copy-out": "Copy, device to host",
}
"""What the other probes are called; one of another name keeps its id."""

SAME_RATE = 1.15
"""A cache whose bandwidth is within this factor of the next slower level's gets no line of its own."""


@dataclass(frozen=True)
class Rung:
    """A working set in bytes, with the rate of each kind of `LADDER` or None, and the notes on them."""

    working_set: float
    rates: dict[str, float | None]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Peak:
    """A dtype's compute, in operations per second, by kind of `COMPUTE`."""

    dtype: str
    rates: dict[str, float | None]

    @property
    def reached(self) -> float | None:
        """The reachable rate as a share of the best instructions' rate."""
        hard = [self.rates[kind] for kind in ("fma", "dot") if self.rates.get(kind)]
        return self.rates["matmul"] / max(hard) if hard and self.rates.get("matmul") else None


@dataclass(frozen=True)
class Figure:
    """Any other probe: its name, its value for people, its spread and what it says about itself."""

    name: str
    value: str
    spread: str
    note: str


@dataclass(frozen=True)
class Roof:
    """A line of the roofline plot. kind: bandwidth (bytes/s) or compute (op/s). hard: nothing can be above it. dtype:
    of a compute rate, whose unit it decides."""

    name: str
    kind: str
    value: float
    hard: bool
    dtype: str | None = None

    @property
    def text(self) -> str:
        """The value for people."""
        return units.bandwidth(self.value) if self.kind == "bandwidth" else units.compute(self.value, self.dtype)


@dataclass(frozen=True)
class Limits:
    """All probes of one record. notes: what is said of compute rates, each with the dtypes of which it is said."""

    ladder: tuple[Rung, ...]
    peaks: tuple[Peak, ...]
    figures: tuple[Figure, ...]
    notes: tuple[tuple[str, tuple[str, ...]], ...]
    caches: tuple[tuple[str, float], ...]

    @property
    def empty(self) -> bool:
        return not (self.ladder or self.peaks or self.figures)

    @property
    def fastest(self) -> float:
        """The highest bandwidth of the ladder, 0 where there is none."""
        return max((rate for rung in self.ladder for rate in rung.rates.values() if rate), default=0.0)

    @property
    def highest(self) -> float:
        """The highest compute rate, 0 where there is none."""
        return max((rate for peak in self.peaks for rate in peak.rates.values() if rate), default=0.0)


def build(record: Record) -> Limits:
    """The probes of a record; those without a value stay, with their note."""
    probes = record.get("probes") or []
    rungs: dict[float, list[Any]] = {}
    peaks: dict[str, list[Any]] = {}
    figures = []
    for probe in probes:
        if probe.get("kind") in LADDER and probe.get("working_set") is not None:
            rungs.setdefault(probe["working_set"], []).append(probe)
        elif probe.get("kind") in COMPUTE and probe.get("dtype"):
            peaks.setdefault(probe["dtype"], []).append(probe)
        else:
            figures.append(_figure(probe))
    notes: dict[str, list[str]] = {}
    for dtype in sorted(peaks, key=dtype_order):
        for note in _notes(peaks[dtype]):
            notes.setdefault(note, []).append(dtype)
    return Limits(
        tuple(Rung(size, _rates(found, LADDER), _notes(found)) for size, found in sorted(rungs.items())),
        tuple(Peak(d, _rates(peaks[d], COMPUTE)) for d in sorted(peaks, key=dtype_order)),
        tuple(figures),
        tuple((note, tuple(dtypes)) for note, dtypes in notes.items()),
        _caches(record),
    )


def _rates(probes: Sequence[Any], kinds: Any) -> dict[str, float | None]:
    found = {probe["kind"]: probe.get("value") for probe in probes}
    return {kind: found.get(kind) for kind in kinds}


def _notes(probes: Sequence[Any]) -> tuple[str, ...]:
    """How a rate was found where that is not by instructions, and what the probe says."""
    texts = []
    for probe in probes:
        if probe.get("how") == "program" and probe["kind"] == "fma":
            texts.append(f"{probe['kind']}: by a program of accel, not by instructions")
        if probe.get("note"):
            texts.append(f"{probe['kind']}: {probe['note']}")
    return tuple(dict.fromkeys(texts))


def _figure(probe: Any) -> Figure:
    name = PLAIN.get(probe["id"], probe["id"])
    if probe.get("kind") == "sustained" and probe.get("dtype"):
        name = f"Sustained over burst, 30 s of {probe['dtype']} matmul"
    unit, samples = probe.get("unit") or "", [s for s in probe.get("samples") or () if s is not None]
    spread = ""
    if len(samples) > 1:
        spread = " to ".join(units.quantity(end, unit, probe.get("dtype")) for end in (min(samples), max(samples)))
    return Figure(name, units.quantity(probe.get("value"), unit, probe.get("dtype")), spread, probe.get("note") or "")


def _caches(record: Record) -> tuple[tuple[str, float], ...]:
    """(name, bytes) of the host's data caches where the device is the host's CPU."""
    found = at(record, "host", "caches") or {}
    if at(record, "device", "kind") != "cpu":
        return ()
    return tuple(
        (name.replace(" data", ""), size) for name, size in found.items() if size and "instruction" not in name
    )


def roofs(limits: Limits) -> list[Roof]:
    """Lines of the roofline plot: memory, the caches that are faster than it, and compute per floating dtype."""
    found = []
    slower = 0.0
    for name, rung in reversed(_levels(limits)):
        value = max((rate for rate in rung.rates.values() if rate), default=0.0)
        if value > slower * SAME_RATE:
            found.append(Roof(name, "bandwidth", value, name == "memory"))
            slower = value
    for peak in limits.peaks:
        hard = max((peak.rates[kind] or 0.0 for kind in ("fma", "dot")), default=0.0)
        if hard:
            found.append(Roof(f"{peak.dtype} hard", "compute", hard, True, peak.dtype))
        if peak.rates["matmul"]:
            found.append(Roof(f"{peak.dtype} reachable", "compute", peak.rates["matmul"], False, peak.dtype))
    return found


def _levels(limits: Limits) -> list[tuple[str, Rung]]:
    """(name, rung) from the fastest level to memory: the middle rung that fits each cache, and the largest of all."""
    levels, below = [], 0.0
    for name, size in limits.caches:
        inside = [rung for rung in limits.ladder if below < rung.working_set <= size * 0.8]
        if inside:
            levels.append((name, inside[len(inside) // 2]))
        below = size
    if not limits.caches and len(limits.ladder) > 1:
        best = max(limits.ladder, key=lambda rung: max((r for r in rung.rates.values() if r), default=0.0))
        levels.append((f"cache ({units.size(best.working_set)})", best))
    return [*levels, ("memory", limits.ladder[-1])] if limits.ladder else levels

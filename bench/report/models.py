"""What each model's layers cost, and what the model costs in all: complete, or it says what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .case import Record, aim, at, baseline_ratios, noisy_ratio, share, timed

Key = tuple[str, str, str, str]
"""Model, phase, dtype, cache: what is summed together."""


@dataclass(frozen=True)
class Layer:
    """One layer in one record. total: count times the median, in seconds; part: of the model's known total. noisy: the
    baselines in whose ratio a time is noisier than the run's aim."""

    case: Record
    total: float | None
    part: float | None
    share: float | None
    ratios: dict[str, float]
    noisy: frozenset[str]


@dataclass(frozen=True)
class Sum:
    """A model in one record.

    seconds: of all layers with a time. missing: why that is not the model's time, one text for each reason. share: time
    of the limits over the time. ratios: of those baselines that every layer has. noisy: those of them in which a time
    of a layer is noisier than the run's aim. remarks: what a complete sum rests on (fallback, doubtful layers).
    """

    seconds: float
    missing: tuple[str, ...]
    share: float | None
    ratios: dict[str, float]
    noisy: frozenset[str]
    remarks: tuple[str, ...]

    @property
    def complete(self) -> bool:
        return not self.missing


@dataclass(frozen=True)
class Model:
    """A model, phase, dtype and cache over all records: its layers in order, each record's rows and sums."""

    name: str
    phase: str
    dtype: str
    cache: str
    source: str
    layers: tuple[tuple[str, str, tuple[Layer | None, ...]], ...]
    sums: tuple[Sum | None, ...]

    @property
    def title(self) -> str:
        return " · ".join(text for text in (self.name, self.phase, self.dtype, self.cache) if text)


def build(records: Sequence[Record]) -> list[Model]:
    """The models of the records, in the order in which their files have them."""
    groups: dict[Key, list[dict[str, Record]]] = {}
    for number, record in enumerate(records):
        for case in record.get("cases") or ():
            if case.get("model"):
                key = (case["model"], case.get("phase") or "", case["dtype"], case.get("cache") or "")
                groups.setdefault(key, [{} for _ in records])[number][case["id"]] = case
    return [_model(key, found, records) for key, found in groups.items()]


def _model(key: Key, found: Sequence[dict[str, Record]], records: Sequence[Record]) -> Model:
    ids = dict.fromkeys(id for cases in found for id in cases)
    firsts = {id: next(cases[id] for cases in found if id in cases) for id in ids}
    sums = [_sum(cases, record, firsts) if cases else None for cases, record in zip(found, records, strict=True)]
    layers = tuple(
        (
            firsts[id].get("layer") or id,
            firsts[id]["op"],
            tuple(_layer(*each, id) for each in zip(found, records, sums, strict=True)),
        )
        for id in ids
    )
    sources = dict.fromkeys(case["source"] for case in firsts.values() if case.get("source"))
    return Model(*key, "; ".join(sources), layers, tuple(sums))


def total(case: Record) -> float | None:
    """Seconds of all occurrences of the layer, or None where it has no time that counts."""
    return case["median_s"] * (case.get("count") or 1) if timed(case) else None


def _layer(cases: dict[str, Record], record: Record, whole: Sum | None, id: str) -> Layer | None:
    case = cases.get(id)
    if case is None or whole is None:
        return None
    seconds = total(case)
    part = seconds / whole.seconds if seconds is not None and whole.seconds and whole.complete else None
    return Layer(case, seconds, part, share(case), dict(baseline_ratios(case)), _noisy([case], record))


def _noisy(cases: Sequence[Record], record: Record) -> frozenset[str]:
    """Baselines of which a ratio is noisy."""
    most = aim(record)
    return frozenset(n for case in cases for n, _ in baseline_ratios(case) if noisy_ratio(case, n, most))


def _sum(cases: dict[str, Record], record: Record, all_layers: dict[str, Record]) -> Sum:
    missing = [f"{_name(case)} {case['status']}" for case in cases.values() if not timed(case)]
    missing += [f"{_name(case)} not in this file" for id, case in all_layers.items() if id not in cases]
    if at(record, "run", "complete") is not True:
        missing.append("not every case was run")
    filters = at(record, "suite", "filters") or {}
    if filters.get("ops"):
        missing.append(f"only {', '.join(filters['ops'])} were run")
    known = [case for case in cases.values() if timed(case)]
    seconds = sum(total(case) or 0.0 for case in known)
    limits = [None if share(case) is None else (total(case) or 0.0) * share(case) for case in known]
    names = dict.fromkeys(name for case in known for name in case.get("baselines") or ())
    ratios = {}
    for name in names:
        other = [dict(baseline_ratios(case)).get(name) for case in known]
        if None not in other and seconds:
            ratios[name] = sum((total(case) or 0.0) * r for case, r in zip(known, other, strict=True)) / seconds
    remarks = [f"{_name(case)} {case['status']}" for case in known if case["status"] != "PASS"]
    return Sum(
        seconds,
        tuple(missing),
        sum(limits) / seconds if seconds and None not in limits else None,
        ratios if not missing else {},
        _noisy(known, record),
        tuple(remarks),
    )


def _name(case: Record) -> str:
    return f"{case.get('layer') or case['id']} ({case['op']})"

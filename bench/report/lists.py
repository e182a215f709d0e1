"""Lists of cases: farthest from their limit, against the baselines, unsteady, not passed, and all with their hashes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from .case import (
    NOISE_FLAGS,
    STATUSES,
    Record,
    aim,
    at,
    baseline_ratios,
    geometric_mean,
    half_width,
    launch_bound,
    noisy_ratio,
    op_order,
    reproduce,
    share,
    timed,
)

TEN = 10
"""How many of the worst cases are shown."""


@dataclass(frozen=True)
class Slow:
    """A case far from its limit. limit: seconds that the limit would take."""

    case: Record
    share: float
    limit: float
    command: str


@dataclass(frozen=True)
class Against:
    """One op against one baseline: ratios are the baseline's time over accel's, above 1 where accel is faster. noisy:
    of how many of them a time is noisier than the run's aim; worst_noisy: whether the worst is one of these."""

    count: int
    mean: float
    worst: float
    best: float
    worst_case: str
    noisy: int
    worst_noisy: bool


@dataclass(frozen=True)
class Hashed:
    """One case in all records. verdict: same, differs, or nothing where fewer than two records have a hash."""

    id: str
    cases: tuple[Record | None, ...]
    verdict: str


def slowest(record: Record, launch: bool) -> list[Slow]:
    """The timed cases with the smallest shares of their limit; launch: those that a launch bounds, or all others."""
    found = [
        Slow(case, value, case["median_s"] * value, reproduce(record, case))
        for case in record.get("cases") or ()
        if launch_bound(case) is launch and (value := share(case)) is not None
    ]
    return sorted(found, key=lambda slow: slow.share)[:TEN]


def without_limit(record: Record) -> int:
    """How many timed cases have no limit to be compared with."""
    return sum(timed(case) and share(case) is None for case in record.get("cases") or ())


def baselines(records: Sequence[Record]) -> list[str]:
    """Names of all baselines, in the order of the files."""
    cases = (case for record in records for case in record.get("cases") or ())
    return list(dict.fromkeys(name for case in cases for name in case.get("baselines") or ()))


def against(records: Sequence[Record]) -> list[tuple[str, tuple[tuple[Against | None, ...], ...]]]:
    """(op, for each record, for each of the baselines) of every op that has a ratio."""
    names = baselines(records)
    tables = [_by_op(record) for record in records]
    ops = sorted({op for table in tables for op, _ in table}, key=op_order)
    return [(op, tuple(tuple(_against(table.get((op, name))) for name in names) for table in tables)) for op in ops]


def overall(records: Sequence[Record]) -> tuple[tuple[Against | None, ...], ...]:
    """The same over all ops together."""
    names = baselines(records)
    tables = [_by_op(record) for record in records]
    return tuple(
        tuple(_against([pair for (_, n), pairs in table.items() if n == name for pair in pairs]) for name in names)
        for table in tables
    )


def _by_op(record: Record) -> dict[tuple[str, str], list[tuple[float, str, bool]]]:
    table: dict[tuple[str, str], list[tuple[float, str, bool]]] = {}
    most = aim(record)
    for case in record.get("cases") or ():
        for name, ratio in baseline_ratios(case):
            table.setdefault((case["op"], name), []).append((ratio, case["id"], noisy_ratio(case, name, most)))
    return table


def _against(pairs: Sequence[tuple[float, str, bool]] | None) -> Against | None:
    if not pairs:
        return None
    values = [ratio for ratio, _, _ in pairs]
    worst, id, unsure = min(pairs)
    count = sum(noisy for _, _, noisy in pairs)
    return Against(len(values), geometric_mean(values) or 0.0, worst, max(values), id, count, unsure)


def baseline_notes(record: Record) -> list[tuple[str, int]]:
    """Why baselines have no time: (baseline: note, how many cases), the most frequent first."""
    notes = Counter(
        f"{name}: {other['note']}"
        for case in record.get("cases") or ()
        for name, other in (case.get("baselines") or {}).items()
        if at(other, "note") and at(other, "median_s") is None
    )
    return notes.most_common()


def unsteady(record: Record) -> list[Record]:
    """Cases with a flag of `NOISE_FLAGS`, the widest interval first."""
    found = [case for case in record.get("cases") or () if set(case.get("flags") or ()) & set(NOISE_FLAGS)]
    return sorted(found, key=lambda case: -(half_width(case) or 0.0))


def not_passed(record: Record) -> list[Record]:
    """Cases whose status is not PASS, the worst first, then as in the file."""
    found = [case for case in record.get("cases") or () if case.get("status") != "PASS"]
    return sorted(found, key=lambda c: -STATUSES.index(c["status"]) if c["status"] in STATUSES else -len(STATUSES))


def counts(record: Record) -> list[tuple[str, int]]:
    """(status, how many cases), from good to bad."""
    found = Counter(case["status"] for case in record.get("cases") or ())
    order = [*STATUSES, *sorted(set(found) - set(STATUSES))]
    return [(status, found[status]) for status in order if found[status]]


def hashes(records: Sequence[Record]) -> list[Hashed]:
    """Every case of every record, in the order of the files."""
    tables = [{case["id"]: case for case in record.get("cases") or ()} for record in records]
    rows = []
    for id in dict.fromkeys(id for table in tables for id in table):
        cases = tuple(table.get(id) for table in tables)
        found = [case["hash"] for case in cases if case and case.get("hash")]
        rows.append(Hashed(id, cases, "" if len(found) < 2 else "same" if len(set(found)) == 1 else "differs"))
    return rows

"""What was measured, and whether it reaches its aims and holds its guards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import exp, fsum, log
from statistics import median
from typing import Any

from ..result.statistics import interval, ratios
from .aims import SHARES, Row
from .guards import NOISE, Guard, Guards, Table

SCHEMA = 2


@dataclass(frozen=True)
class CaseResult:
    """One case at one number of threads.

    status: ok; INCORRECT (accel's result is wrong); FAILED (accel raised, or has no such function). detail: why.
    samples: seconds per call, by library and in the order of the rounds. limit: the kind of probe, rate: the better of
    its two rates in 1e9 per second, share: the part of it that accel's median reached. notes: of peers left out.
    """

    row: str
    case: str
    dtype: str
    threads: int
    status: str = "ok"
    detail: str = ""
    samples: dict[str, list[float]] = field(default_factory=dict)
    limit: str | None = None
    rate: float | None = None
    share: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """accel's median."""
        return median(self.samples["accel"])

    def peer(self, counted: Sequence[str]) -> str | None:
        """The better of the peers that count and were timed."""
        timed = [name for name in self.samples if name in counted]
        return min(timed, key=lambda name: median(self.samples[name])) if timed else None

    def ratios(self, counted: Sequence[str]) -> list[float] | None:
        """The better peer's time over accel's, round by round; None without a peer."""
        peer = self.peer(counted)
        return None if peer is None else ratios(self.samples[peer], self.samples["accel"])


@dataclass(frozen=True)
class Verdict:
    """One row at one number of threads: the geometric mean of the ratios, the case with the least ratio, the case with
    the least share of its limit, what is below the row's aim, its guard (None: it has none), and what is below that
    or wrong (nothing: the row passes)."""

    row: Row
    threads: int
    cases: tuple[CaseResult, ...]
    mean: float | None
    worst: CaseResult | None
    tightest: CaseResult | None
    below_aim: tuple[str, ...]
    guard: Guard | None
    below: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.below

    def reached(self) -> dict[str, float]:
        """Its figures, by their names in a file of guards."""
        worst = None if self.worst is None else median(self.worst.ratios(self.row.peers) or ())
        share = None if self.tightest is None else self.tightest.share
        found = {"mean": self.mean, "worst": worst, "share": share}
        return {name: value for name, value in found.items() if value is not None}


def judge(row: Row, threads: int, cases: Sequence[CaseResult], isa: str, guard: Guard | None = None) -> Verdict:
    """The verdict on a row from its cases; a row without cases has failed, and so has one with a wrong result."""
    broken = [f"{c.case}: {c.status}: {c.detail}" for c in cases if c.status != "ok"]
    if not cases:
        broken.append("nothing was measured")
    sampled = {c.case: r for c in cases if c.status == "ok" and (r := c.ratios(row.peers)) is not None}
    ratio = {case: median(r) for case, r in sampled.items()}
    limited = [c for c in cases if c.share is not None]
    compared = [c for c in cases if c.case in ratio]
    return Verdict(
        row,
        threads,
        tuple(cases),
        _mean(ratio.values()),
        min(compared, key=lambda c: ratio[c.case], default=None),
        min(limited, key=lambda c: c.share or 0.0, default=None),
        tuple(_below_aim(row, ratio, limited, isa)),
        guard,
        (*broken, *(_below_guard(guard, sampled, limited) if guard is not None else ())),
    )


def _mean(ratios: Iterable[float]) -> float | None:
    """Geometric, None of nothing."""
    logs = [log(ratio) for ratio in ratios]
    return exp(fsum(logs) / len(logs)) if logs else None


def _below_aim(row: Row, ratio: Mapping[str, float], limited: Sequence[CaseResult], isa: str) -> Iterator[str]:
    mean = _mean(ratio.values())
    if mean is not None and row.rule == "mean" and mean < row.aim:
        yield f"geometric mean {mean:.2f}, aim {row.aim:g}"
    floor = row.aim if row.rule == "least" else row.floor
    yield from (f"{case}: {reached:.2f}, aim {floor:g}" for case, reached in ratio.items() if floor and reached < floor)
    for c in limited:
        least = SHARES.get((isa, c.limit or ""), row.limit or 0.0)
        if c.share is not None and c.share < least:
            yield f"{c.case}: {c.share:.0%} of {c.limit}, aim {least:.0%}"


def _below_guard(guard: Guard, sampled: Mapping[str, list[float]], limited: Sequence[CaseResult]) -> Iterator[str]:
    """Figures that are below the guard even at the upper end of their interval, so that a machine on which others run
    meanwhile does not make a row fail that is as fast as ever."""
    ends = {case: interval(ratios)[1] for case, ratios in sampled.items()}
    mean = _mean(ends.values())
    if guard.mean is not None and mean is not None and mean < guard.mean:
        yield f"geometric mean {_mean(map(median, sampled.values())):.2f}, guard {guard.mean:.2f}"
    if guard.worst is not None:
        low = [case for case, end in ends.items() if end < guard.worst]
        yield from (f"{case}: {median(sampled[case]):.2f}, guard {guard.worst:.2f}" for case in low)
    for c in limited:
        if guard.share is not None and c.share is not None:
            fastest = interval(c.samples["accel"])[0]
            if c.share * c.seconds / fastest < guard.share:
                yield f"{c.case}: {c.share:.0%} of {c.limit}, guard {guard.share:.0%}"


def renewed(table: Table, verdicts: Sequence[Verdict], isa: str, machine: str) -> Table:
    """The table with what these rows reached in the place of what it had of them. Rows with a case that was wrong or
    failed stay as they were."""
    table = dict(table)
    for verdict in verdicts:
        if any(case.status != "ok" for case in verdict.cases):
            continue
        before = table.get((isa, verdict.threads))
        noise = before.noise if before else NOISE[min(verdict.threads, 2)]
        reached = dict(before.reached) if before else {}
        reached[verdict.row.name] = verdict.reached()
        table[isa, verdict.threads] = Guards(machine, noise, reached)
    return table


def to_json(header: dict[str, Any], verdicts: Sequence[Verdict], isa: str) -> dict[str, Any]:
    """A machine's form of a run, with every sample."""
    return {
        "schema": SCHEMA,
        "suite": "cpu",
        "isa": isa,
        "header": header,
        "passed": all(v.passed for v in verdicts),
        "rows": [
            {
                "row": v.row.name,
                "threads": v.threads,
                "aim": v.row.aim,
                "rule": v.row.rule,
                "floor": v.row.floor,
                "limit": v.row.limit,
                "mean": v.mean,
                "below_aim": list(v.below_aim),
                "guard": asdict(v.guard) if v.guard is not None else None,
                "below": list(v.below),
            }
            for v in verdicts
        ],
        "cases": [asdict(c) for v in verdicts for c in v.cases],
    }


def from_json(record: dict[str, Any], rows: Sequence[Row]) -> list[Verdict]:
    """The verdicts of a recorded run, judged anew. Raises ValueError for another schema or an unknown row."""
    if record.get("schema") != SCHEMA:
        raise ValueError(f"schema {record.get('schema')!r}, expected {SCHEMA}")
    known = {row.name: row for row in rows}
    cases = [CaseResult(**c | {"notes": tuple(c["notes"])}) for c in record["cases"]]
    verdicts = []
    for each in record["rows"]:
        if each["row"] not in known:
            raise ValueError(f"unknown row {each['row']!r}")
        own = [c for c in cases if (c.row, c.threads) == (each["row"], each["threads"])]
        guard = Guard(**each["guard"]) if each["guard"] else None
        verdicts.append(judge(known[each["row"]], each["threads"], own, record["isa"], guard))
    return verdicts

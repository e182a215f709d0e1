"""What was measured, and whether it reaches the bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from math import exp, fsum, log
from statistics import median
from typing import Any

from ..machine.limits import SHARES
from ..result.statistics import ratios
from .bars import Row

SCHEMA = 1


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
    the least share of its limit, and what is below its bar (nothing: the row passes)."""

    row: Row
    threads: int
    cases: tuple[CaseResult, ...]
    mean: float | None
    worst: CaseResult | None
    tightest: CaseResult | None
    below: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.below


def judge(row: Row, threads: int, cases: Sequence[CaseResult], isa: str) -> Verdict:
    """The verdict on a row from its cases; a row without cases has failed."""
    below = [f"{c.case}: {c.status}: {c.detail}" for c in cases if c.status != "ok"]
    if not cases:
        below.append("nothing was measured")
    ratio = {c.case: median(r) for c in cases if c.status == "ok" and (r := c.ratios(row.peers)) is not None}
    mean = exp(fsum(map(log, ratio.values())) / len(ratio)) if ratio else None
    if mean is not None and row.rule == "mean" and mean < row.bar:
        below.append(f"geometric mean {mean:.2f}, bar {row.bar:g}")
    floor = row.bar if row.rule == "least" else row.floor
    below += [f"{case}: {reached:.2f}, bar {floor:g}" for case, reached in ratio.items() if floor and reached < floor]
    limited = [c for c in cases if c.share is not None]
    for c in limited:
        least = SHARES.get((isa, c.limit or ""), row.limit or 0.0)
        if c.share is not None and c.share < least:
            below.append(f"{c.case}: {c.share:.0%} of {c.limit}, bar {least:.0%}")
    compared = [c for c in cases if c.case in ratio]
    return Verdict(
        row,
        threads,
        tuple(cases),
        mean,
        min(compared, key=lambda c: ratio[c.case], default=None),
        min(limited, key=lambda c: c.share or 0.0, default=None),
        tuple(below),
    )


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
                "bar": v.row.bar,
                "rule": v.row.rule,
                "floor": v.row.floor,
                "limit": v.row.limit,
                "mean": v.mean,
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
        verdicts.append(judge(known[each["row"]], each["threads"], own, record["isa"]))
    return verdicts

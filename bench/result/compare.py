"""Two result files side by side: a verdict for each case from its samples, and whether both computed the same bits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from math import exp, fsum, log
from statistics import median
from typing import Any

from .file import INCORRECT, IncompatibleError, Record, by_process, device, same_device, work
from .statistics import Verdict, between_runs, verdict

VERDICTS = ("slower", "faster", "ambiguous", "same")

RIGHT = ("PASS", "FALLBACK", "SUSPECT")
"""Statuses whose result was checked and right."""

FAILURES = ("incorrect", "fallback", "slow")
"""What a comparison can be made to fail on."""


@dataclass(frozen=True)
class Row:
    """One case of two files.

    statuses: in a and b. times: medians in seconds, or shares of the machine's own limit where normalised; None where
    not timed. verdict: of b against a; None where `why` says why there is none. bits: equal, different, or not
    compared, and bits_why then says why. flags: of a and b.
    """

    id: str
    statuses: tuple[str, str]
    times: tuple[float | None, float | None]
    verdict: Verdict | None
    why: str | None
    bits: str
    bits_why: str | None
    flags: tuple[tuple[str, ...], tuple[str, ...]]

    @property
    def kind(self) -> str:
        """The verdict's word; lost or gained where only one of the files has a right result that was timed."""
        if self.verdict is not None:
            return self.verdict.kind
        right = [status in RIGHT for status in self.statuses]
        return "lost" if right == [True, False] else "gained" if right == [False, True] else "no verdict"


@dataclass(frozen=True)
class Comparison:
    """All cases of two files. between_runs: half-width of the variation between the two runs that verdicts allow for.
    complete: whether both runs are. only_a, only_b: ids that one file has alone, with their status there. notes: what a
    reader must know before they believe the rows."""

    rows: tuple[Row, ...]
    only_a: tuple[tuple[str, str], ...]
    only_b: tuple[tuple[str, str], ...]
    threshold: float
    normalised: bool
    between_runs: float
    complete: tuple[bool, bool]
    notes: tuple[str, ...]

    def row(self, name: str) -> Row:
        """The case of an id that is in both files. Raises KeyError."""
        return self._by_id[name]

    @cached_property
    def _by_id(self) -> dict[str, Row]:
        return {row.id: row for row in self.rows}

    @property
    def judged(self) -> list[tuple[Row, Verdict]]:
        """Rows with a verdict, the slowest of b against a first."""
        found = [(row, row.verdict) for row in self.rows if row.verdict is not None]
        return sorted(found, key=lambda pair: -pair[1].ratio)

    @property
    def counts(self) -> Counter[str]:
        return Counter(row.kind for row in self.rows)

    @property
    def bits(self) -> Counter[str]:
        return Counter(row.bits for row in self.rows)

    def summary(self) -> dict[str, Any]:
        """Numbers of rows by verdict and bits; the geometric mean of the ratios, the worst and the best; the share of
        rows whose ratio is above 1 + threshold."""
        judged = self.judged
        ratios = [v.ratio for _, v in judged]
        return {
            "rows": len(self.rows),
            "only_a": len(self.only_a),
            "only_b": len(self.only_b),
            **{kind.replace(" ", "_"): self.counts[kind] for kind in (*VERDICTS, "lost", "gained", "no verdict")},
            "bits": {kind.replace(" ", "_"): self.bits[kind] for kind in ("equal", "different", "not compared")},
            "mean_ratio": exp(fsum(map(log, ratios)) / len(ratios)) if ratios else None,
            "worst": {"id": judged[0][0].id, "ratio": ratios[0]} if judged else None,
            "best": {"id": judged[-1][0].id, "ratio": ratios[-1]} if judged else None,
            "share_slower": sum(r > 1 + self.threshold for r in ratios) / len(ratios) if ratios else None,
        }

    def failures(self, fail_on: Collection[str] = ("incorrect",), strict: bool = False) -> list[tuple[int, str]]:
        """Exit codes with reasons, the gravest first; none: good. fail_on: of FAILURES. strict: incomplete files, cases
        that are not in both and ambiguous verdicts fail too."""
        return list(self._failures(fail_on, strict))

    def _failures(self, fail_on: Collection[str], strict: bool) -> Iterator[tuple[int, str]]:
        of_b = Counter([row.statuses[1] for row in self.rows] + [status for _, status in self.only_b])
        wrong = sum(of_b[status] for status in INCORRECT)
        if "incorrect" in fail_on and self.bits["different"]:
            yield 1, f"{self.bits['different']} results differ in their bits: two machines computed different bits"
        if "incorrect" in fail_on and wrong:
            yield 1, f"{wrong} cases of B are {', '.join(s for s in INCORRECT if of_b[s])}"
        if "fallback" in fail_on and of_b["FALLBACK"]:
            yield 5, f"{of_b['FALLBACK']} cases of B ran on another device than asked"
        if "slow" in fail_on and self.counts["slower"]:
            yield 3, f"{self.counts['slower']} cases are slower beyond noise"
        if strict:
            for name, whole in zip("AB", self.complete, strict=True):
                if not whole:
                    yield 4, f"{name} is incomplete"
            apart = len(self.only_a) + len(self.only_b) + self.counts["lost"]
            if apart:
                yield 4, f"{apart} cases have a result in one of the files only"
            if self.counts["ambiguous"]:
                yield 7, f"{self.counts['ambiguous']} verdicts are ambiguous"

    def to_json(self) -> dict[str, Any]:
        """A machine's form."""
        return {
            "threshold": self.threshold,
            "normalise": "roof" if self.normalised else "none",
            "between_runs": self.between_runs,
            "complete": list(self.complete),
            "notes": list(self.notes),
            "summary": self.summary(),
            "rows": [asdict(row) | {"kind": row.kind} for row in self.rows],
            "only_a": [{"id": name, "status": status} for name, status in self.only_a],
            "only_b": [{"id": name, "status": status} for name, status in self.only_b],
        }


def compare(a: Record, b: Record, threshold: float = 0.05, normalise: bool = False) -> Comparison:
    """b against a, case by case. normalise: times are divided by what each machine's own probes leave at least.

    Raises IncompatibleError for two versions of one suite, or of the probes where they normalise.
    """
    _compatible(a, b, normalise)
    of_a, of_b = ({case["id"]: case for case in record["cases"]} for record in (a, b))
    common = [name for name in of_a if name in of_b]
    pairs = {name: (of_a[name], of_b[name]) for name in common}
    why = {name: _obstacle(*pair, normalise) for name, pair in pairs.items()}
    ratios = [_time(y, normalise) / _time(x, normalise) for name, (x, y) in pairs.items() if why[name] is None]
    floor = between_runs(ratios, threshold)
    rows = [_row(a, b, *pairs[name], why[name], threshold, floor, normalise) for name in common]
    return Comparison(
        tuple(rows),
        tuple((name, case["status"]) for name, case in of_a.items() if name not in of_b),
        tuple((name, case["status"]) for name, case in of_b.items() if name not in of_a),
        threshold,
        normalise,
        floor,
        (a["run"]["complete"], b["run"]["complete"]),
        tuple(_notes(a, b, ratios, normalise)),
    )


def _compatible(a: Record, b: Record, normalise: bool) -> None:
    suites = [(record["suite"]["name"], record["suite"]["version"]) for record in (a, b)]
    if suites[0][0] == suites[1][0] and suites[0] != suites[1]:
        raise IncompatibleError(
            f"the suite {suites[0][0]} has version {suites[0][1]} in A and {suites[1][1]} in B: "
            "measure both with one version"
        )
    if normalise and a["probe_version"] != b["probe_version"]:
        raise IncompatibleError(
            f"the probes have version {a['probe_version']} in A and {b['probe_version']} in B, so that shares of their "
            "limits cannot be compared; --normalise none compares times"
        )


def _obstacle(a: Record, b: Record, normalise: bool) -> str | None:
    """Why two cases of one id have no verdict; None where they have."""
    if work(a) != work(b):
        return "the two cases are not the same work"
    for name, case in (("A", a), ("B", b)):
        if case["status"] not in RIGHT:
            return f"{case['status']} in {name}"
        if normalise and case["roof"] is None:
            return f"no measured limit in {name}"
    return None


def _time(case: Record, normalise: bool) -> float:
    """Median in seconds, or in units of the machine's own limit."""
    return case["median_s"] / (case["roof"]["seconds"] if normalise else 1.0)


def _row(
    a: Record, b: Record, x: Record, y: Record, why: str | None, threshold: float, floor: float, normalise: bool
) -> Row:
    judged = None
    if why is None:
        limits = [case["roof"]["seconds"] if normalise else 1.0 for case in (x, y)]
        own, other = (
            [[s / limit for s in samples] for samples in by_process(case)]
            for case, limit in zip((x, y), limits, strict=True)
        )
        judged = verdict(own, other, threshold, floor)
    bits, bits_why = compare_bits(a, x, b, y)
    shown = [case["roof"] and case["roof"]["share"] if normalise else case["median_s"] for case in (x, y)]
    return Row(
        x["id"],
        (x["status"], y["status"]),
        (shown[0], shown[1]),
        judged,
        why,
        bits,
        bits_why,
        (tuple(x["flags"]), tuple(y["flags"])),
    )


def compare_bits(a: Record, x: Record, b: Record, y: Record) -> tuple[str, str | None]:
    """Whether the cases x of a and y of b computed the same bits: equal or different, or not compared and why.

    Bits are promised to be equal where both cases are of class exact or bits, and compute the same work from the same
    seed under the same version of the bit contract.
    """
    checks = (
        (work(x)[:3] == work(y)[:3], "the two cases are not the same work"),
        (x["class"] == y["class"], f"class {x['class']} in A and {y['class']} in B"),
        (x["class"] in ("exact", "bits"), f"class {x['class'] or 'unknown'}: no bits are promised"),
        (x["status"] in RIGHT, f"{x['status']} in A"),
        (y["status"] in RIGHT, f"{y['status']} in B"),
        (x["hash"] is not None and y["hash"] is not None, "no hash"),
        (a["run"]["seed"] == b["run"]["seed"], f"seed {a['run']['seed']} in A and {b['run']['seed']} in B"),
        (
            a["accel"]["bit_contract"] == b["accel"]["bit_contract"],
            f"bit contract {a['accel']['bit_contract']} in A and {b['accel']['bit_contract']} in B",
        ),
    )
    for holds, why in checks:
        if not holds:
            return "not compared", why
    return ("equal" if x["hash"] == y["hash"] else "different"), None


def _notes(a: Record, b: Record, ratios: list[float], normalise: bool) -> Iterator[str]:
    """What makes two files less comparable than they look."""
    if a == b:
        yield "A and B are the same run"
    same = same_device(a, b)
    if not same and not normalise:
        yield (
            f"two devices, {' '.join(map(str, device(a)))} and {' '.join(map(str, device(b)))}: "
            "--normalise roof compares each with its own measured limits"
        )
    if a["environment"] != b["environment"]:
        names = sorted(
            n for n in {*a["environment"], *b["environment"]} if a["environment"].get(n) != b["environment"].get(n)
        )
        yield f"other environment variables: {', '.join(names)}"
    if a["device"]["threads"] != b["device"]["threads"] and same:
        yield f"{a['device']['threads']} threads in A and {b['device']['threads']} in B"
    middle = median(ratios) if ratios else 1.0
    moved = sum((r > 1) == (middle > 1) for r in ratios)
    if same and len(ratios) >= 20 and abs(middle - 1) > 0.02 and moved > 0.9 * len(ratios):
        yield (
            f"{moved} of {len(ratios)} cases moved the same way, by {abs(middle - 1):.1%} in the middle: where no "
            "change of the code would do that, the machine did; --normalise roof takes its speed out"
        )

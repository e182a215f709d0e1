"""The text of a run: the machine, one line per row, what is below its guard."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from ..result.statistics import noise
from .aims import Row
from .guards import Guard, Guards
from .result import CaseResult, Verdict

COLUMNS = (
    ("row", 24), ("thr", 3), ("cases", 5), ("mean", 6), ("worst", 6), ("aim", 8), ("guard", 14), ("noise", 6),
    ("of limit", 18), ("accel", 10), ("better peer", 16), ("worst case", 34), ("verdict", 0),
)  # fmt: skip
"""Titles and widths. mean: the geometric mean of peer / accel; aim: of the mean and of each case; guard: the least
mean, ratio of a case and share of the limit; noise, accel, better peer: of the worst case."""


def head(header: dict[str, Any]) -> list[str]:
    """The machine and the versions."""
    caches = ", ".join(f"{name} {size}" for name, size in header["caches"].items()) or "caches not told"
    versions = ", ".join(f"{name} {text or 'not installed: no peer'}" for name, text in header["versions"].items())
    return [
        f"{header['cpu']}; {header['cores']} cores; {caches}",
        f"instruction sets {', '.join(header['instruction sets'])}; measured: {header['isa']}",
        versions,
    ]


def probes(threads: int, rates: dict[str, float | None]) -> str:
    """The limits with so many threads."""
    texts = (f"{name} {'-' if rate is None else f'{rate:.0f}'}" for name, rate in rates.items())
    return f"{count(threads)}, limits in 1e9 operations or bytes per second: {', '.join(texts)}"


def count(threads: int) -> str:
    return f"{threads} thread{'s' if threads > 1 else ''}"


def titles() -> str:
    return line([title for title, _ in COLUMNS])


def line(cells: Sequence[str]) -> str:
    return "  ".join(cell.ljust(width) for cell, (_, width) in zip(cells, COLUMNS, strict=True)).rstrip()


def row(verdict: Verdict) -> str:
    """One row's line."""
    case = verdict.worst or next((c for c in verdict.cases if c.samples), None)
    return line(
        [
            verdict.row.name,
            str(verdict.threads),
            str(len(verdict.cases)),
            f"{verdict.mean:.2f}" if verdict.mean is not None else "-" if _broken(verdict) else "no peer",
            *_figures(verdict.row, case, [aim(verdict.row), guard(verdict.guard)], verdict.tightest),
            "" if case is None else case.case,
            word(verdict),
        ]
    )


def case_lines(verdict: Verdict) -> list[str]:
    """Every case of a row."""
    return [
        line(
            [
                "",
                "",
                "",
                "",
                *_figures(verdict.row, c, ["", ""], c if c.share is not None else None),
                f"{c.case} {c.dtype}",
                f"{'' if c.status == 'ok' else f'{c.status}: {c.detail}'}{'; '.join(c.notes)}",
            ]
        )
        for c in verdict.cases
    ]


def _figures(of: Row, case: CaseResult | None, held_to: list[str], limited: CaseResult | None) -> list[str]:
    """Cells from the ratio to the better peer's time."""
    share = "" if limited is None else f"{limited.share:.0%} {limited.limit}"
    if case is None or not case.samples:
        return ["-", *held_to, "-", share, "-", "-"]
    ratios, peer = case.ratios(of.peers), case.peer(of.peers)
    return [
        "-" if ratios is None else f"{median(ratios):.2f}",
        *held_to,
        f"{noise(ratios or case.samples['accel']):.1%}",
        share,
        time(case.seconds),
        "no peer" if peer is None else f"{peer} {time(median(case.samples[peer]))}",
    ]


def aim(row: Row) -> str:
    """A row's aim: of the mean and of each case, or of each case."""
    if row.rule == "least":
        return f"each {row.aim:g}"
    return f"{row.aim:g}" + (f"/{row.floor:g}" if row.floor else "")


def guard(of: Guard | None) -> str:
    """The least mean, ratio of a case and share of the limit."""
    if of is None:
        return "none"
    figures = ["-" if least is None else f"{least:.2f}" for least in (of.mean, of.worst)]
    return "/".join(figures + ([] if of.share is None else [f"{of.share:.0%}"]))


def word(verdict: Verdict) -> str:
    """A row's verdict: the guard decides, and the aim is said beside it."""
    if not verdict.passed:
        return _broken(verdict) or "below its guard"
    return "pass" + (", below its aim" if verdict.below_aim else "")


def _broken(verdict: Verdict) -> str:
    """The worst status of its cases: INCORRECT, FAILED, or nothing where all are ok."""
    return next((s for s in ("INCORRECT", "FAILED") if any(c.status == s for c in verdict.cases)), "")


def below(verdicts: Sequence[Verdict], most: int = 6) -> list[str]:
    """What each row that is below its guard reached; the first so many of its cases."""
    lines = []
    for v in verdicts:
        if not v.passed:
            more = len(v.below) - most
            reached = "; ".join(v.below[:most]) + (f"; and {more} more" if more > 0 else "")
            lines.append(f"below: {v.row.name} with {count(v.threads)}: {reached}")
    return lines


def guarded(guards: Guards | None, isa: str, threads: int) -> str:
    """Where the guards are from, before the rows."""
    if guards is None:
        return (
            f"No guards for {isa} with {count(threads)}: speed is not judged, wrong results are "
            "(--save-guards writes what this machine reaches, --guards judges by it)."
        )
    noise = ", ".join(f"{name} {share:.0%}" for name, share in guards.noise.items())
    return f"guards: what was reached on {guards.machine}, less the noise ({noise})"


def summary(verdicts: Sequence[Verdict]) -> list[tuple[str, bool]]:
    """The last lines, and whether each is good news."""
    held = [v for v in verdicts if v.guard is not None]
    failed = sum(not v.passed for v in verdicts)
    reached = sum(not v.below_aim for v in verdicts)
    if failed:
        first = f"{failed} of {len(verdicts)} rows are below their guard, or wrong."
    elif held:
        first = f"No row is below its guard: {len(held)} of {len(verdicts)} rows have one."
    else:
        first = f"No row has a guard, and no result is wrong: {len(verdicts)} rows."
    return [(first, not failed), (f"{reached} of {len(verdicts)} rows reach their aim.", True)]


def time(seconds: float) -> str:
    """A duration for people."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"

"""What comes first: what was measured, whether it is right, how fast it is beside the others, and how noisy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from ..result.statistics import BUSY
from . import card, lists, units
from .case import RIGHT, Record, aim, at, half_width, launch_bound, noisy, share, timed

NOISY, BUSY_MARK = "±", "‡"
"""Stand beside a ratio of which a time is noisier than the run's aim, and beside all of a run on a busy machine."""


@dataclass(frozen=True)
class Line:
    """One thing to know. marks: of `NOISY` and `BUSY_MARK`. case: the id of the one that the last words are of."""

    title: str
    words: str
    marks: str = ""
    case: str | None = None


def others(record: Record) -> float | None:
    """What others took of the machine's cores while cases were timed, in the median of those of which it is known."""
    known = [value for case in record.get("cases") or () if (value := at(case, "others")) is not None]
    return median(known) if known else None


def busy(record: Record) -> bool:
    """Whether others kept the machine busy when the run began, or while cases were timed."""
    return max(at(record, "host", "load") or 0.0, others(record) or 0.0) > BUSY


def load(record: Record) -> str:
    """How busy the machine was, in words; none where nothing is known."""
    begin, during = at(record, "host", "load"), others(record)
    words = [] if begin is None else [f"{begin:.2g} runnable processes per core when the run began"]
    words += [] if during is None else [f"others took {units.percent(during)} of the cores while cases were timed"]
    return ", ".join(words)


def marks(record: Record, unsure: bool) -> str:
    """What stands beside a ratio."""
    return NOISY * unsure + BUSY_MARK * busy(record)


def explained(mark: str, record: Record) -> str:
    """What a mark means in this record."""
    if mark == NOISY:
        return f"a time of it is noisier than ±{units.percent(aim(record))}"
    return f"the machine was busy: {load(record)}"


def used(record: Record) -> list[str]:
    """The marks that stand in a report on the record."""
    found = {mark for line in build(record) for mark in line.marks}
    return [mark for mark in (NOISY, BUSY_MARK) if mark in found]


def build(record: Record) -> tuple[Line, ...]:
    """The lines of one record."""
    cases = record.get("cases") or ()
    return (Line("Measured", _measured(record)), Line("Right", _right(cases)), *_fast(record), _noise(record))


def _measured(record: Record) -> str:
    device, commit = record.get("device") or {}, at(record, "accel", "commit")
    threads = device.get("threads")
    words = [
        str(device.get("description") or device.get("name") or "unknown device"),
        *([f"{device['name']}"] if device.get("description") and device.get("name") else []),
        *([str(device["isa"])] if device.get("isa") else []),
        *([units.whole(threads, "thread")] if threads is not None else []),
        f"accel {at(record, 'accel', 'version') or units.UNKNOWN}" + (f" {commit[:12]}" if commit else ""),
        f"suite {card.suite(record)}, {units.whole(len(record.get('cases') or ()), 'case')}",
    ]
    return " · ".join(words)


def _right(cases: Sequence[Record]) -> str:
    checked = [case for case in cases if case.get("status") in (*RIGHT, "INCORRECT", "MISTRUSTED", "CRASH")]
    right = sum(case["status"] in RIGHT for case in checked)
    wrong = sum(case["status"] == "INCORRECT" for case in cases)
    words = f"{right} of {len(checked)} results that could be computed, {wrong or 'none'} wrong"
    errors = [e for case in cases if case.get("status") in RIGHT and (e := at(case, "error", "worst")) is not None]
    if errors:
        words += f"; the largest error is {units.digits(max(errors), 2)} of its bound"
    others = len(cases) - len(checked)
    return words + (f"; {units.whole(others, 'case')} unsupported or not run" if others else "")


def _fast(record: Record) -> list[Line]:
    """A line for each baseline, and one for the device's own limits."""
    lines = []
    for name, found in zip(lists.baselines([record]), lists.overall([record])[0], strict=True):
        if found is not None:
            words = (
                f"{units.ratio(found.mean)} as fast in the mean of {units.whole(found.count, 'case')}, "
                f"{units.ratio(found.best)} in the best, {units.ratio(found.worst)} in the worst"
                + (f"; {found.noisy} of them {NOISY}" if found.noisy else "")
            )
            lines.append(Line(f"Beside {name}", words, marks(record, found.noisy > 0), found.worst_case))
    shares = [
        value for case in record.get("cases") or () if (value := share(case)) is not None and not launch_bound(case)
    ]
    if shares:
        middle, low, high = (units.percent(value) for value in (median(shares), min(shares), max(shares)))
        words = f"{middle} in the median of {units.whole(len(shares), 'case')}, {low} to {high}"
        unsure = any(noisy(case, aim(record)) for case in record.get("cases") or () if share(case) is not None)
        lines.append(Line("Of the measured limits", words, marks(record, unsure)))
    return lines or [Line("How fast", "no time to compare: no baseline and no limit")]


def _noise(record: Record) -> Line:
    known = [case for case in record.get("cases") or () if timed(case)]
    if not known:
        return Line("Noise", "no case was timed")
    noisier = [case for case in known if noisy(case, aim(record))]
    widths = [width for case in known if (width := half_width(case)) is not None]
    words = f"{len(noisier)} of {units.whole(len(known), 'timed case')} noisier than ±{units.percent(aim(record))}"
    if widths:
        words += f"; ±{units.percent(median(widths))} in the median, ±{units.percent(max(widths))} at most"
    return Line("Noise", "; ".join(filter(None, (words, load(record)))), marks(record, bool(noisier)))

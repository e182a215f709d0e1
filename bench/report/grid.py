"""Ops by dtypes: what is supported, right and by which path; and how near to the limit it comes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from . import units
from .case import (
    RIGHT,
    Record,
    at,
    dtype_order,
    launch_bound,
    op_order,
    share,
    timed,
    worst_status,
)

KINDS = {
    "native": "a kernel of the device",
    "decomposition": "other ops of the device",
    "untold": "right, but the path is not in the file",
    "fallback": "ran on another device than asked",
    "unsupported": "accel has no such op, or refuses the dtype",
    "skipped": "not run: too little memory, or too slow",
    "doubtful": "not checked, or faster than its limit",
    "failed": "crashed, or ran out of memory",
    "incorrect": "outside the bound, or bits changed",
}
"""Kinds of a matrix cell, and what they mean."""

BY_STATUS = {
    "FALLBACK": "fallback", "SUSPECT": "doubtful", "MISTRUSTED": "doubtful", "UNSUPPORTED": "unsupported",
    "SKIPPED_MEM": "skipped", "OOM": "failed", "TIMEOUT": "skipped", "CRASH": "failed", "INCORRECT": "incorrect",
}  # fmt: skip
"""The kind of a cell by its worst status, where that is not PASS."""


@dataclass(frozen=True)
class Cell:
    """One op and dtype. kind: of `KINDS`. lines: what stands in it, the first in bold. title: more, for a pointer."""

    kind: str
    lines: tuple[str, ...]
    title: str


@dataclass(frozen=True)
class Heat:
    """One op and dtype of the heat map. share: the median over its cases, None where it has no number."""

    share: float | None
    text: str
    below: str
    fallback: bool
    title: str


@dataclass(frozen=True)
class Grid:
    """Rows of cells. columns: dtypes. rows: (op, a cell or None for each dtype)."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Any, ...]], ...]


def _grid(cases: Sequence[Record], cell: Callable[[Sequence[Record]], Any]) -> Grid:
    by: dict[tuple[str, str], list[Record]] = {}
    for case in cases:
        by.setdefault((case["op"], case["dtype"]), []).append(case)
    dtypes = sorted({dtype for _, dtype in by}, key=dtype_order)
    ops = sorted({op for op, _ in by}, key=op_order)
    rows = ((op, tuple(cell(by[op, d]) if (op, d) in by else None for d in dtypes)) for op in ops)
    return Grid(tuple(dtypes), tuple(rows))


def matrix(cases: Sequence[Record]) -> Grid:
    """Every op and dtype that has a case."""
    return _grid(cases, _cell)


def _cell(cases: Sequence[Record]) -> Cell:
    worst = worst_status(cases)
    kind = BY_STATUS.get(worst) or _path(cases) if worst in (*BY_STATUS, "PASS") else "failed"
    right = sum(case["status"] in RIGHT for case in cases)
    bad = [case for case in cases if case["status"] == worst]
    if worst == "PASS":
        name = kind
    else:
        name = worst if len(bad) == len(cases) else f"{len(bad)} of {len(cases)} {worst}"
    lines = [name]
    if right:
        lines.append(f"{right} right" if right == len(cases) else f"{right} of {len(cases)} right")
        lines.append(_exactness([case for case in cases if case["status"] in RIGHT]))
    elif len(cases) > 1:
        lines.append(f"none of {len(cases)} right")
    details = dict.fromkeys(f"{case['status']}: {case.get('detail') or case['id']}" for case in bad[:3])
    return Cell(kind, tuple(line for line in lines if line), "; ".join(details) if worst != "PASS" else KINDS[kind])


def _path(cases: Sequence[Record]) -> str:
    """The farthest path from a native kernel that a case took."""
    taken = {case.get("path") for case in cases}
    return next((path for path in ("fallback", "decomposition", "native") if path in taken), "untold")


def _exactness(cases: Sequence[Record]) -> str:
    """The classes of the bit contract, and the largest error over its bound."""
    classes = sorted({case["class"] for case in cases if case.get("class")})
    errors = [error for case in cases if (error := at(case, "error", "worst")) is not None]
    words = ["/".join(classes)] if classes else []
    if errors and max(errors) > 0:
        words.append(units.digits(max(errors), 2) if max(errors) >= 0.001 else "< 0.001")
    return " ".join(words)


def heat(cases: Sequence[Record]) -> Grid:
    """The same for the cold cases' share of their limit; an op without a cold case that was timed has no row."""
    return _grid([case for case in cases if case.get("cache") == "cold" and timed(case)], _heat)


def _heat(cases: Sequence[Record]) -> Heat:
    fallback = [case for case in cases if case["status"] == "FALLBACK" or case.get("path") == "fallback"]
    found = [value for case in cases if not launch_bound(case) and (value := share(case)) is not None]
    words = []
    if found and len(found) > 1:
        words.append(f"{units.percent(min(found))} to {units.percent(max(found))}")
    if fallback:
        words.append("fallback" if len(fallback) == len(cases) else f"{len(fallback)} of {len(cases)} fallback")
    words += [status for status in ("SUSPECT", "MISTRUSTED") if any(case["status"] == status for case in cases)]
    bound = sum(map(launch_bound, cases))
    without = len(cases) - bound - len(found)
    if found:
        middle, text = median(found), units.percent(median(found))
    else:
        middle, text = None, "launch" if bound else "no limit"
    title = f"{units.whole(len(cases), 'case')}, {len(found)} with a share of a limit"
    title += f", {bound} launch-bound" * bool(bound) + f", {without} without a limit" * bool(without)
    return Heat(middle, text, ", ".join(words), bool(fallback), title)

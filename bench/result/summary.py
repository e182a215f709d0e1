"""What a run tells at its end: how its cases ended, and which are farthest from the device's limit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

WORST = 10
"""Cases that are shown."""

UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (0.0, "ns"))


def statuses(cases: Sequence[dict[str, Any]]) -> Iterator[tuple[str, int, str]]:
    """Each status that there is, the most frequent first: how many cases have it, and one of them with its reason."""
    found: dict[str, list[dict[str, Any]]] = {}
    for case in cases:
        found.setdefault(case["status"], []).append(case)
    for status, those in sorted(found.items(), key=lambda item: -len(item[1])):
        first = those[0]
        yield status, len(those), "" if status == "PASS" else f"{first['id']}: {first['detail'] or first['reason']}"


def worst(cases: Sequence[dict[str, Any]]) -> list[tuple[str, str, str, str, str]]:
    """Of the cases with the least share of their limit: the share, what bounds it, the median, the best baseline by
    its time over accel's, and the id. Those that a launch bounds are left out: their limit is not the device's speed.
    """
    limited = [case for case in cases if case["roof"] and case["roof"]["bound"] != "launch"]
    rows = []
    for case in sorted(limited, key=lambda case: case["roof"]["share"])[:WORST]:
        others = {name: row["median_s"] for name, row in case["baselines"].items() if row["median_s"]}
        best = min(others, key=others.__getitem__) if others else None
        ratio = f"{best} {others[best] / case['median_s']:.2f}" if best else ""
        rows.append(
            (f"{case['roof']['share']:.1%}", case["roof"]["bound"], seconds(case["median_s"]), ratio, case["id"])
        )
    return rows


def seconds(value: float) -> str:
    """A time for people, with three digits."""
    size, unit = next((size, unit) for size, unit in UNITS if value >= size)
    return f"{value / (size or 1e-9):.3g} {unit}"

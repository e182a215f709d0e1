"""README's figure, from result files of the bench suite: on how many cases devices give the same bits, and how long
accel takes beside its peers. `generate.py` writes it to _static/bits-and-speed.svg.

The drawing is on a ground of its own, light or dark as its reader's system is, so that its letters can be read on any
page.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from accel.bench.report.case import baseline_ratios, geometric_mean
from accel.bench.report.svg import Scale, element, text
from accel.bench.result.compare import compare_bits

RESULTS = Path(__file__).parents[1] / "bench" / "results"
FIRST = "quick-cpu", "CPU, AVX-512 (C++)"
OTHERS = (
    ("quick-cpu-avx2", "CPU, AVX2 (C++)"),
    ("quick-opencl-intel", "CPU, Intel's OpenCL"),
    ("quick-opencl-pocl", "CPU, PoCL's OpenCL"),
    ("quick-triton-h200", "NVIDIA H200 (Triton)"),
)
"""Result files of one suite and their devices in words; bits are compared with the first one's."""

PEERS = {"numpy": "NumPy", "torch": "torch", "torch-cuda": "torch, CUDA"}
BESIDE = (FIRST, OTHERS[0], OTHERS[3])
"""Files whose times are shown: those of the devices that the peers run on as well."""

WIDTH, ROW, TOP = 480, 26, 60
NAME, BAR, END = 18, 190, 380
"""Where names, and bars and dots, begin and end: two parts, one below the other, that a phone shows large enough."""

STYLE = """
text{font:12.5px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:#1f2328}
.title{font-weight:600;font-size:14px}.note{font-size:11px;fill:#57606a}
.ground{fill:#fff;stroke:#d0d7de}.equal{fill:#0969da}.other{fill:#cf222e}.rest{fill:#d0d7de}
.spread{stroke:#57606a;stroke-width:2}.mean{fill:#0969da}.even{stroke:#57606a;stroke-dasharray:3 3}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.note{fill:#9da7b3}.ground{fill:#0d1117;stroke:#30363d}
.equal,.mean{fill:#58a6ff}.other{fill:#ff7b72}.rest{fill:#30363d}.spread,.even{stroke:#9da7b3}}
"""


def record(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def bits(first: dict[str, Any], other: dict[str, Any]) -> Counter[str]:
    """Of the cases that both have: how many have equal bits, different ones, or none that the contract compares."""
    mine = {case["id"]: case for case in first["cases"]}
    pairs = [(mine[case["id"]], case) for case in other["cases"] if case["id"] in mine]
    return Counter(compare_bits(first, x, other, y)[0] for x, y in pairs)


def times(of: dict[str, Any]) -> dict[str, list[float]]:
    """By peer: accel's time over the peer's, of each case that both were timed at."""
    found: dict[str, list[float]] = {}
    for case in of["cases"]:
        for name, ratio in baseline_ratios(case):
            found.setdefault(name, []).append(1 / ratio)
    return {name: sorted(ratios) for name, ratios in found.items()}


def figure() -> str:
    """The drawing, with what it shows in words."""
    first = record(FIRST[0])
    counts = {words: bits(first, record(name)) for name, words in OTHERS}
    rows = [
        (f"{words.partition(' (')[0]}: {PEERS[peer]}", ratios)
        for name, words in BESIDE
        for peer, ratios in times(record(name)).items()
    ]
    middle = TOP + ROW * len(counts) + 18
    parts = [*_bits(counts, len(first["cases"]), TOP), *_times(rows, middle + TOP)]
    foot = middle + TOP + ROW * len(rows) + 34
    height = foot + 15 * len(FOOT)
    ground = element("rect", x=0.5, y=0.5, width=WIDTH - 1, height=height - 1, rx=6, class_="ground")
    parts += [text(line, NAME, foot + 15 * n, "note") for n, line in enumerate(FOOT)]
    said = said_of(counts, rows)
    return (
        element(
            "svg", element("title", said), element("style", STYLE), ground, *parts, xmlns="http://www.w3.org/2000/svg",
            viewBox=f"0 0 {WIDTH} {height}", width=WIDTH, height=height, role="img", aria_label=said,
        )
        + "\n"
    )  # fmt: skip


FOOT = (
    "Left of the line accel took less time. Dot, number: geometric mean;",
    "line: the middle 80 % of cases. Grey: classes without promised bits.",
    "Suite quick, 90 cases, results checked; 2026-11-25 and 27, CPUs of",
    "two cores. Files: bench/results.",
)


def said_of(counts: dict[str, Counter[str]], rows: list[tuple[str, list[float]]]) -> str:
    """The figure in words."""
    equal = "; ".join(f"{name}: {c['equal']} equal, {c['different']} different" for name, c in counts.items())
    slow = "; ".join(f"{name}: {geometric_mean(ratios):.2f}" for name, ratios in rows)
    return f"Bits compared with {FIRST[1]}. {equal}. accel's time over that of a peer, geometric mean. {slow}."


def _bits(counts: dict[str, Counter[str]], most: int, top: int) -> list[str]:
    scale = Scale(0, most, BAR, END)
    parts = [text("The same bits", NAME, top - 34, "title")]
    parts.append(text(f"results equal to those of {FIRST[1]}", NAME, top - 17, "note"))
    for number, (name, count) in enumerate(counts.items()):
        y, at = top + ROW * number, 0
        parts.append(text(name, NAME, y + 13, "name"))
        for kind, class_ in (("equal", "equal"), ("different", "other"), ("not compared", "rest")):
            if count[kind]:
                width = scale(count[kind]) - scale(0)
                parts.append(element("rect", x=scale(at), y=y + 2, width=width, height=14, class_=class_))
                at += count[kind]
        compared = count["equal"] + count["different"]
        parts.append(text(f"{count['equal']} of {compared}", END + 10, y + 13, "name"))
    return parts


def _times(rows: list[tuple[str, list[float]]], top: int) -> list[str]:
    scale = Scale(0.05, 20, BAR, END, log=True)
    bottom = top + ROW * len(rows)
    parts = [text("Time beside the peers", NAME, top - 34, "title")]
    parts.append(text("accel's over the peer's: less is better", NAME, top - 17, "note"))
    parts.append(element("path", d=f"M{scale(1):.1f},{top - 6}V{bottom}", class_="even"))
    parts += [text(f"{v:g}x", scale(v), bottom + 10, "note", text_anchor="middle") for v in (0.1, 1, 10)]
    for number, (name, ratios) in enumerate(rows):
        y = top + ROW * number + 9
        low, high = (min(max(ratios[round(q * (len(ratios) - 1))], 0.05), 20) for q in (0.1, 0.9))
        mean = geometric_mean(ratios)
        parts.append(text(name, NAME, y + 4, "name"))
        parts.append(element("path", d=f"M{scale(low):.1f},{y}H{scale(high):.1f}", class_="spread"))
        parts.append(element("circle", cx=float(scale(mean)), cy=y, r=5, class_="mean"))
        parts.append(text(f"{mean:.2f}x", END + 10, y + 4, "name"))
    return parts

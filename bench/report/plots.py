"""The plots: the bandwidth ladder, the roofline, and the samples of a case in order."""

from __future__ import annotations

from collections.abc import Sequence
from math import atan2, degrees
from statistics import median

from . import units
from .case import Record, family, share, timed
from .limits import LADDER, Limits, Roof, roofs
from .svg import Frame, Scale, decades, element, line, marker, steps, text

LADDER_MARKERS = ("circle", "square", "triangle")
FAMILY_MARKERS = {
    "matrix product": "circle", "softmax or norm": "diamond", "reduction": "triangle", "copy": "hexagon",
    "pointwise": "square", "other": "bowtie",
}  # fmt: skip
"""A shape for each family of ops; colours follow the same order."""


def ladder(limits: Limits, fastest: float) -> str:
    """Bytes per second over working sets. fastest: the top of the axis, so that several devices share one."""
    frame = Frame(600, 340)
    rungs = [rung for rung in limits.ladder if rung.working_set > 0 and any(rung.rates.values())]
    if not rungs or fastest <= 0:
        return ""
    low, high = rungs[0].working_set, rungs[-1].working_set
    x = frame.x(low * 0.8, max(high, low * 4) * 1.25, log=True)
    y = frame.y(0, fastest * 1.08)
    sizes, size = [], 1024.0
    while size <= x.high:
        if size >= x.low:
            sizes.append(size)
        size *= 4
    parts = [
        frame.y_axis(y, [(v, units.tick(units.prefixed(v, ""))) for v in steps(fastest * 1.08)], "B/s"),
        frame.x_axis(
            x, [(v, units.size(v)) for v in sizes[:: 1 + len(sizes) // 9]], "working set of all arrays together"
        ),
    ]
    for name, nbytes in limits.caches:
        if x.low < nbytes < x.high:
            parts.append(element("path", d=f"M{x(nbytes):.1f},{frame.top}V{y.start}", class_="cache"))
            parts.append(text(name, x(nbytes) - 4, frame.top + 10, "note", text_anchor="end"))
    for number, kind in enumerate(LADDER):
        points = [(rung.working_set, rate) for rung in rungs if (rate := rung.rates[kind])]
        parts.append(line([(x(a), y(b)) for a, b in points], f"line c{number} dash{number}"))
        for a, b in points:
            title = f"{kind}, {units.size(a)}: {units.bandwidth(b)}"
            parts.append(marker(LADDER_MARKERS[number], x(a), y(b), f"mark c{number}", title))
    return frame.draw("Bandwidth over the working set", *parts)


def swatch(number: int, shape: str, drawn: bool = True) -> str:
    """A marker for a legend, on a piece of its line where there is one."""
    piece = line([(0, 7), (30, 7)], f"line c{number} dash{number}") if drawn else ""
    width = 30 if drawn else 16
    mark = marker(shape, width / 2, 7, f"mark c{number}")
    return element("svg", piece, mark, viewBox=f"0 0 {width} 14", class_="swatch", aria_hidden="true")


def ladder_legend() -> list[tuple[str, str]]:
    """(swatch, name) of each line of the ladder."""
    return [(swatch(n, LADDER_MARKERS[n]), kind) for n, kind in enumerate(LADDER)]


def roofline_legend(cases: Sequence[Record]) -> list[tuple[str, str]]:
    """(swatch, name) of each family among the cases of the roofline plot."""
    there = {family(case["op"]) for case in cases}
    return [
        (swatch(n, shape, drawn=False), name) for n, (name, shape) in enumerate(FAMILY_MARKERS.items()) if name in there
    ]


def roofline_cases(cases: Sequence[Record]) -> list[Record]:
    """Cases that have a time, operations and bytes."""
    return [case for case in cases if timed(case) and case["median_s"] and case.get("flops") and case.get("bytes")]


def extent(limits: Sequence[Limits], cases: Sequence[Record]) -> tuple[float, float, float, float]:
    """Lowest and highest intensity and rate of a roofline plot that all the records fit in."""
    lines = [roof for each in limits for roof in roofs(each)]
    flat = [roof.value for roof in lines if roof.kind == "compute"]
    steep = [roof.value for roof in lines if roof.kind == "bandwidth"]
    shown = roofline_cases(cases)
    xs = [case["flops"] / case["bytes"] for case in shown]
    ys = [case["flops"] / case["median_s"] for case in shown]
    ridges = [max(flat) / min(steep)] if flat and steep else []
    left, right = min([*xs, *ridges, 1.0]) / 2, max([*xs, *ridges, 1.0]) * 3
    if ridges:  # room for the names of the compute rates: 0.3 of the width, left of the lowest one's start
        left = min(left, (min(flat) / max(steep) / right**0.3) ** (1 / 0.7))
    top = max([*ys, *flat, 1.0]) * 2
    bottom = min([*ys, *(b * left for b in steep), top / 100]) / 2
    return left, right, bottom, top


def roofline(limits: Limits, cases: Sequence[Record], bounds: tuple[float, float, float, float]) -> str:
    """Operations per second over operations per byte: lines are the device's limits, points are cases.

    Williams, Waterman and Patterson, Roofline, Communications of the ACM 52(4), 2009.
    """
    frame = Frame(640, 430)
    x, y = frame.x(*bounds[:2], log=True), frame.y(*bounds[2:], log=True)
    ticks_x, ticks_y = decades(*bounds[:2]), decades(*bounds[2:])
    parts = [
        frame.y_axis(y, [(v, units.tick(units.prefixed(v, ""))) for v in ticks_y[:: 1 + len(ticks_y) // 9]], "FLOP/s"),
        frame.x_axis(x, [(v, f"{v:g}") for v in ticks_x[:: 1 + len(ticks_x) // 9]], "operations per byte"),
    ]
    lines = roofs(limits)
    steep = [roof for roof in lines if roof.kind == "bandwidth"]
    flat = [roof for roof in lines if roof.kind == "compute"]
    top = max((roof.value for roof in flat), default=bounds[3])
    labels = []
    for drawn, words in (*(_steep(roof, x, y, top) for roof in steep), *_flats(flat, x, y, steep)):
        parts.append(drawn)
        labels.append(words)
    names = list(FAMILY_MARKERS)
    for case in roofline_cases(cases):
        kind = family(case["op"])
        warm = " warm" if case.get("cache") == "warm" else ""
        title = (
            f"{case['id']}: {units.time(case['median_s'])}, {units.percent(share(case))} of its limit, {case['status']}"
        )
        at_x, at_y = x(case["flops"] / case["bytes"]), y(case["flops"] / case["median_s"])
        parts.append(marker(FAMILY_MARKERS[kind], at_x, at_y, f"point c{names.index(kind)}{warm}", title))
    return frame.draw("Roofline: operations per second over operations per byte", *parts, *labels)


def _steep(roof: Roof, x: Scale, y: Scale, top: float) -> tuple[str, str]:
    """A bandwidth and its name: rate = intensity * bandwidth, up to the highest compute."""
    low, high = max(x.low, y.low / roof.value), min(x.high, top / roof.value)
    if high <= low:
        return "", ""
    angle = degrees(atan2(y.per_decade, x.per_decade))
    at = low * (high / low) ** 0.03
    place = f"translate({x(at):.1f},{y(at * roof.value):.1f}) rotate({angle:.1f})"
    drawn = line([(x(v), y(v * roof.value)) for v in (low, high)], "roof" if roof.hard else "roof soft")
    return drawn, text(f"{roof.name} {roof.text}", 0, -4, "roof-name", transform=place)


def _flats(flat: Sequence[Roof], x: Scale, y: Scale, steep: Sequence[Roof]) -> list[tuple[str, str]]:
    """Compute rates from where the fastest bandwidth reaches them, and their names left of that, where no case can be;
    of names that would touch the upper ones are moved up."""
    fastest = max((roof.value for roof in steep), default=None)
    parts, last = [], y.start
    for roof in sorted(flat, key=lambda roof: roof.value):
        low = max(x.low, min(roof.value / fastest, x.high)) if fastest else x.low
        at = y(roof.value)
        last = min(at + 3, last - 12)
        place = {"x": x(low) - 6, "text_anchor": "end"} if fastest else {"x": x(low) + 6}
        drawn = line([(x(low), at), (x.end, at)], "roof" if roof.hard else "roof soft")
        parts.append((drawn, text(f"{roof.name} {roof.text}", y=last, class_="roof-name", **place)))
    return parts


def strip(case: Record) -> str:
    """The samples of a case in the order in which they were taken, with the median and its interval."""
    samples = [value for value in case.get("samples_s") or () if value is not None]
    if not samples:
        return ""
    frame = Frame(220, 44, left=4, right=4, top=4, bottom=4)
    low, high = min(samples), max(samples)
    x, y = frame.x(0, max(len(samples) - 1, 1)), frame.y(low, high if high > low else low + 1)
    parts = []
    interval = case.get("interval_s")
    if interval:
        upper, lower = (y(min(max(end, low), y.high)) for end in (interval[1], interval[0]))
        parts.append(element("rect", x=0, y=upper, width=220, height=max(lower - upper, 0.5), class_="band"))
    middle = y(case.get("median_s") or median(samples))
    parts.append(line([(0, middle), (220, middle)], "median"))
    parts += [element("circle", cx=x(n), cy=y(value), r=1.6, class_="sample") for n, value in enumerate(samples)]
    label = f"{units.whole(len(samples), 'sample')} in order, {units.time(low)} to {units.time(high)}"
    return element("svg", *parts, viewBox="0 0 220 44", class_="strip", role="img", aria_label=label)

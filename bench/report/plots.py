"""The plots: the bandwidth ladder, the roofline, and the samples of a case in order."""

from __future__ import annotations

from collections.abc import Sequence
from math import atan2, cos, degrees, dist, sin
from statistics import median

from . import units
from .case import Record, family, share, timed
from .limits import LADDER, Limits, Roof, roofs
from .svg import Frame, Scale, decades, element, line, marker, steps, text, text_width

LADDER_MARKERS = ("circle", "square", "triangle")
FAMILY_MARKERS = {
    "matrix product": "circle", "softmax or norm": "diamond", "reduction": "triangle", "copy": "hexagon",
    "pointwise": "square", "other": "bowtie",
}  # fmt: skip
"""A shape for each family of ops; colours follow the same order."""

GUTTER = 186
"""Room right of the roofline plot, for the names of compute rates."""

LEADING = 12.5
"""Pixels between the names of two lines."""


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
    top = max([*ys, *flat, 1.0]) * 2
    bottom = min([*ys, *(b * left for b in steep), top / 100]) / 2
    return left, right, bottom, top


def roofline(limits: Limits, cases: Sequence[Record], bounds: tuple[float, float, float, float]) -> str:
    """Operations per second over operations per byte: lines are the device's limits, points are cases.

    Williams, Waterman and Patterson, Roofline, Communications of the ACM 52(4), 2009.
    """
    frame = Frame(640 + GUTTER, 430, right=14 + GUTTER)
    x, y = frame.x(*bounds[:2], log=True), frame.y(*bounds[2:], log=True)
    ticks_x, ticks_y = decades(*bounds[:2]), decades(*bounds[2:])
    parts = [
        frame.y_axis(y, [(v, units.tick(units.prefixed(v, ""))) for v in ticks_y[:: 1 + len(ticks_y) // 9]], "OP/s"),
        frame.x_axis(x, [(v, f"{v:g}") for v in ticks_x[:: 1 + len(ticks_x) // 9]], "operations per byte"),
    ]
    lines = roofs(limits)
    steep = [roof for roof in lines if roof.kind == "bandwidth"]
    flat = [roof for roof in lines if roof.kind == "compute"]
    top = max((roof.value for roof in flat), default=bounds[3])
    labels = [*_steep_names(steep, x, y, top), *_flat_names(flat, y, x.end, frame.top)]
    parts += [_steep(roof, x, y, top) for roof in steep]
    parts += [_flat(roof, x, y, max((roof.value for roof in steep), default=None)) for roof in flat]
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


def _ends(roof: Roof, x: Scale, y: Scale, top: float) -> tuple[float, float]:
    """Intensities between which a bandwidth is drawn: rate = intensity * bandwidth, up to the highest compute."""
    return max(x.low, y.low / roof.value), min(x.high, top / roof.value)


def _steep(roof: Roof, x: Scale, y: Scale, top: float) -> str:
    """The line of a bandwidth."""
    low, high = _ends(roof, x, y, top)
    return line([(x(v), y(v * roof.value)) for v in (low, high)], _class(roof)) if high > low else ""


def _steep_names(steep: Sequence[Roof], x: Scale, y: Scale, top: float) -> list[str]:
    """Names of the bandwidths, each along its line and above it. The lines are parallel: names are kept apart by where
    they begin along them and how far across they are; one for which there is no room is left to the legend."""
    angle = atan2(y.per_decade, x.per_decade)
    along, across = (cos(angle), sin(angle)), (-sin(angle), cos(angle))
    parts: list[str] = []
    taken: list[tuple[float, float, float]] = []
    for roof in sorted(steep, key=lambda roof: roof.value):
        low, high = _ends(roof, x, y, top)
        if high <= low:
            continue
        words = f"{roof.name} {roof.text}"
        begin, end = ((x(v), y(v * roof.value)) for v in (low, high))
        start, room = sum(a * b for a, b in zip(begin, along, strict=True)), dist(begin, end)
        offset = sum(a * b for a, b in zip(begin, across, strict=True))
        place, width = start + 12.0, text_width(words)
        while any(abs(offset - o) < LEADING and place < e and s < place + width for s, e, o in taken):
            place = min(e for s, e, o in taken if abs(offset - o) < LEADING and place < e and s < place + width)
        if place + width > start + room:
            continue
        taken.append((place - 8, place + width + 8, offset))
        at = [b + (place - start) * d for b, d in zip(begin, along, strict=True)]
        turn = f"translate({at[0]:.1f},{at[1]:.1f}) rotate({degrees(angle):.1f})"
        parts.append(text(words, 0, -4, "roof-name", transform=turn))
    return parts


def _flat(roof: Roof, x: Scale, y: Scale, fastest: float | None) -> str:
    """The line of a compute rate, from where the fastest bandwidth reaches it."""
    low = max(x.low, min(roof.value / fastest, x.high)) if fastest else x.low
    at = y(roof.value)
    return line([(x(low), at), (x.end, at)], _class(roof))


def _flat_names(flat: Sequence[Roof], y: Scale, edge: float, highest: float) -> list[str]:
    """Names of the compute rates right of the plot, at least a line apart, each with a thread to its line."""
    rows = sorted(flat, key=lambda roof: -roof.value)
    places = spread([y(roof.value) for roof in rows], LEADING, highest - 14, y.start)
    return [
        line([(edge, y(roof.value)), (edge + 12, place), (edge + 16, place)], "thread")
        + text(f"{roof.name} {roof.text}", edge + 19, place + 3.5, "roof-name")
        for roof, place in zip(rows, places, strict=True)
    ]


def _class(roof: Roof) -> str:
    return "roof" if roof.hard else "roof soft"


def spread(wanted: Sequence[float], apart: float, low: float, high: float) -> list[float]:
    """Places in ascending order, as near to those wanted (ascending) as lets them be so far apart, between two ends if
    there is room: groups of those that would touch are laid around their middle."""
    groups: list[tuple[float, int]] = []  # the place of the first, how many
    for place in wanted:
        groups.append((min(max(place, low), high), 1))
        while len(groups) > 1 and groups[-2][0] + apart * groups[-2][1] > groups[-1][0]:
            (first, n), (second, m) = groups[-2:]
            middle = (n * (first + apart * (n - 1) / 2) + m * (second + apart * (m - 1) / 2)) / (n + m)
            start = middle - apart * (n + m - 1) / 2
            groups[-2:] = [(max(min(start, high - apart * (n + m - 1)), low), n + m)]
    return [first + apart * k for first, n in groups for k in range(n)]


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

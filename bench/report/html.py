"""The report as one HTML page that asks nothing of a network, nor of JavaScript."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import AccelError
from ...packages import remedy
from . import case, grid, limits, plots, summary, units, view

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"

CIVIDIS = ("00224e", "123570", "3b496c", "575d6d", "707173", "8a8678", "a59c74", "c3b369", "e1cc55", "fee838")
"""Nunez, Anderton and Renslow, Optimizing colormaps with consideration for color vision deficiency, PLOS ONE 13(7),
2018: from low to high, rising evenly in lightness for every kind of colour vision."""


def render(records: Sequence[Mapping[str, Any]]) -> str:
    """The page on the records. Raises AccelError where jinja2 is not installed."""
    report = view.build(records)
    return environment().get_template("report.html.j2").render(report=report, data=embedded(records))


def environment() -> Environment:
    """The templates, with what they call."""
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
        from markupsafe import Markup, escape
    except ImportError as error:
        raise AccelError(f"an HTML report needs jinja2: {remedy('bench', 'jinja2')} ({error})") from None
    found = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters["breakable"] = lambda words: Markup(re.sub(r"([./_,])(?=\w)", r"\1<wbr>", str(escape(words))))
    found.globals.update(units=units, case=case, kinds=grid.KINDS, ladder_kinds=limits.LADDER, roofs=limits.roofs)
    found.globals.update(
        ladder=lambda *args: Markup(plots.ladder(*args)),
        ladder_legend=lambda: [(Markup(mark), name) for mark, name in plots.ladder_legend()],
        roofline=lambda *args: Markup(plots.roofline(*args)),
        roofline_cases=plots.roofline_cases,
        roofline_legend=lambda cases: [(Markup(mark), name) for mark, name in plots.roofline_legend(cases)],
        extent=plots.extent,
        marks=summary.marks,
        explained=summary.explained,
        strip=lambda record: Markup(plots.strip(record)),
        heat_style=heat_style,
        bar_width=bar_width,
    )
    return found


def embedded(records: Sequence[Mapping[str, Any]]) -> Any:
    """The records as JSON that cannot end the script element that it stands in, nor open a comment there."""
    from markupsafe import Markup

    try:
        text = json.dumps(list(records), separators=(",", ":"), allow_nan=False)
    except ValueError as error:
        raise AccelError(f"a record has a number that JSON has no form for: {error}") from None
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def heat_style(share: float | None) -> str:
    """The colours of a heat map cell: the ramp's over 0 to 1, and black or white on it, whichever is read better."""
    if share is None:
        return ""
    place = min(max(share, 0.0), 1.0) * (len(CIVIDIS) - 1)
    low = min(int(place), len(CIVIDIS) - 2)
    ends = [[int(text[n : n + 2], 16) for n in (0, 2, 4)] for text in CIVIDIS[low : low + 2]]
    colour = [round(a + (b - a) * (place - low)) for a, b in zip(*ends, strict=True)]
    light = contrast(colour, (0, 0, 0)) > contrast(colour, (255, 255, 255))
    red, green, blue = colour
    return f"--cell:rgb({red},{green},{blue});--ink:{'#000' if light else '#fff'};--hatch:{'#fff' if light else '#000'}"


def contrast(one: Sequence[int], other: Sequence[int]) -> float:
    """The contrast of two sRGB colours, 1 to 21 (WCAG 2.2, contrast ratio)."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: Sequence[int]) -> float:
    parts = [c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def bar_width(value: float | None, highest: float | None) -> str:
    """A bar's length as a share of the longest."""
    return f"{min(max(value / highest, 0.0), 1.0) * 100:.1f}%" if value and highest else "0"

"""Elements, scales and axes of inline SVG. Colours and fonts are the page's: elements have classes only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10
from typing import Any

MARKERS = {
    "circle": "M0,-4.2A4.2,4.2 0 1 1 0,4.2A4.2,4.2 0 1 1 0,-4.2Z",
    "square": "M-3.7,-3.7H3.7V3.7H-3.7Z",
    "triangle": "M0,-4.8L4.5,3.4H-4.5Z",
    "diamond": "M0,-5.4L4.6,0L0,5.4L-4.6,0Z",
    "hexagon": "M-4.4,0L-2.2,-3.9H2.2L4.4,0L2.2,3.9H-2.2Z",
    "bowtie": "M-4.2,-4.2L4.2,4.2V-4.2L-4.2,4.2Z",
}
"""Shapes around the origin, of about one area."""


def element(name: str, *children: str, **attributes: Any) -> str:
    """An element; children are markup already, attributes are text (``class_`` is ``class``, ``x_y`` is ``x-y``)."""
    words = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_number(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{words}>{''.join(children)}</{name}>"


def _number(value: object) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)


def text(content: str, x: float, y: float, class_: str, **attributes: Any) -> str:
    """A text element; the content is escaped."""
    return element("text", escape(content), x=x, y=y, class_=class_, **attributes)


def text_width(content: str) -> float:
    """Pixels that the name of a line takes at most, in the page's font of 10.5 pixels."""
    return 6.2 * len(content)


def marker(shape: str, x: float, y: float, class_: str, title: str | None = None) -> str:
    """A marker of `MARKERS`, with a title for a pointer that rests on it."""
    inside = "" if title is None else element("title", escape(title))
    place = f"translate({_number(float(x))},{_number(float(y))})"
    return element("path", inside, d=MARKERS[shape], transform=place, class_=class_)


def line(points: Sequence[tuple[float, float]], class_: str) -> str:
    """A polyline."""
    return element("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points), class_=class_)


@dataclass(frozen=True)
class Scale:
    """From values to pixels; log: of the logarithm, where both ends of the values are positive."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high, value = (
            (log10(v) for v in (self.low, self.high, value)) if self.log else (self.low, self.high, value)
        )
        return self.start + (value - low) / (high - low) * (self.end - self.start) if high > low else self.start

    @property
    def per_decade(self) -> float:
        """Pixels per factor of ten."""
        return (self.end - self.start) / log10(self.high / self.low)


def decades(low: float, high: float) -> list[float]:
    """Powers of ten from low to high."""
    return [10.0**power for power in range(ceil(log10(low) - 1e-9), floor(log10(high) + 1e-9) + 1)]


def steps(high: float, most: int = 6) -> list[float]:
    """At most so many round numbers from 0 to high, 1, 2, 2.5 or 5 apart times a power of ten."""
    if high <= 0:
        return [0.0]
    size = 10.0 ** floor(log10(high / most))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10, 20) if high / (size * factor) <= most - 1 + 1e-9)
    return [step * n for n in range(floor(high / step + 1e-9) + 1)]


@dataclass(frozen=True)
class Frame:
    """A plot's area within its view box, with room for the numbers at its axes."""

    width: float
    height: float
    left: float = 66
    right: float = 14
    top: float = 30
    bottom: float = 56

    def draw(self, label: str, *inside: str) -> str:
        """The drawing; label: what it shows, for those who cannot see it."""
        box = f"0 0 {_number(self.width)} {_number(self.height)}"
        return element("svg", *inside, viewBox=box, role="img", aria_label=label, class_="plot")

    def x_axis(self, scale: Scale, ticks: Sequence[tuple[float, str]], title: str) -> str:
        """Grid lines, numbers (every second is left out where the plot is small) and the axis's title."""
        bottom = self.height - self.bottom
        marks = []
        for number, (value, words) in enumerate(ticks):
            x = scale(value)
            marks.append(element("path", d=f"M{x:.1f},{self.top:.1f}V{bottom:.1f}", class_="grid"))
            class_ = "tick x minor" if number % 2 else "tick x"
            marks.append(text(words, x, bottom + 17, class_, text_anchor="middle"))
        middle = (self.left + self.width - self.right) / 2
        return "".join(marks) + text(title, middle, self.height - 14, "axis x", text_anchor="middle")

    def y_axis(self, scale: Scale, ticks: Sequence[tuple[float, str]], unit: str) -> str:
        """Grid lines, numbers, and their unit above them."""
        marks = [text(unit, self.left, 16, "axis", text_anchor="middle")]
        for value, words in ticks:
            y = scale(value)
            marks.append(element("path", d=f"M{self.left:.1f},{y:.1f}H{self.width - self.right:.1f}", class_="grid"))
            marks.append(text(words, self.left - 7, y + 4, "tick", text_anchor="end"))
        return "".join(marks)

    def x(self, low: float, high: float, log: bool = False) -> Scale:
        return Scale(low, high, self.left, self.width - self.right, log)

    def y(self, low: float, high: float, log: bool = False) -> Scale:
        return Scale(low, high, self.height - self.bottom, self.top, log)

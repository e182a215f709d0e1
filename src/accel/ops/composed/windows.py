"""Windows that slide along axes: where they lie, and the views of an operand that their elements are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from textwrap import fill
from typing import Any

from ...arguments import integers
from ...array import Array
from ...errors import ArgumentError, ShapeError, shown
from ...layout import Shape
from ..pieces import boxed, filled

BOXES = 9
"""Boxes of windows of equal elements that are computed one by one at most. With more of them the operand is padded."""

TAPS = 16
"""Elements along an axis that are steps on as many views at most. Of more elements there is a fold."""

TERMS = 36
"""The same of elements of a window whose sum is taken."""


def worded(text: str, **names: str) -> str:
    """A docstring with these names in it, wrapped."""
    summary, _, rest = text.format(**names).partition("\n\n")
    parts = " ".join(rest.split()).replace(" Raises ", "\nRaises ").splitlines()
    wrapped = (fill(part, 116, initial_indent=" " * 4, subsequent_indent=" " * 4) for part in parts)
    return "\n".join((summary, "", *wrapped, " " * 4))


@dataclass(frozen=True)
class Windows:
    """Windows along an axis of n elements: `count` of them, `stride` apart, the first one `before` elements before the
    axis, each of `taps` elements that are `dilation` apart. Steps that none takes are 1: strides hold no others."""

    n: int
    taps: int
    stride: int
    before: int
    dilation: int
    count: int

    def __post_init__(self) -> None:
        for name, places in (("stride", self.count), ("dilation", self.taps)):
            if places == 1:
                object.__setattr__(self, name, 1)

    @property
    def after(self) -> int:
        """How far the last one goes beyond the axis."""
        end = (self.count - 1) * self.stride + (self.taps - 1) * self.dilation + 1
        return max(0, end - self.before - self.n)

    def present(self, window: int) -> tuple[int, int]:
        """The first element of a window that the axis has, and the one behind the last."""
        start = window * self.stride - self.before
        first = min(self.taps, max(0, -(start // self.dilation)))
        return first, max(first, min(self.taps, -((start - self.n) // self.dilation)))

    def runs(self) -> list[tuple[int, int, int, int]]:
        """Windows of equal elements, one after the other: the first one, how many, and what `present` says of them."""
        found: list[tuple[int, int, int, int]] = []
        for window in range(self.count):
            its = self.present(window)
            if found and found[-1][2:] == its:
                found[-1] = (found[-1][0], found[-1][1] + 1, *its)
            else:
                found.append((window, 1, *its))
        return found

    def inside(self) -> Windows:
        """The same along an axis that was padded."""
        return replace(self, n=self.n + self.before + self.after, before=0)


def each(op: str, argument: str, value: Any, axes: int, least: int = 0) -> tuple[int, ...]:
    """One integer for all of so many axes, or one for each. Raises ArgumentError."""
    found = integers(op, argument, value)
    if len(found) not in (1, axes):
        raise ArgumentError(f"{op}: {argument}: expected one integer or {axes}, got {shown(value)}")
    if any(n < least for n in found):
        raise ArgumentError(f"{op}: {argument}: expected {least} or more, got {shown(value)}")
    return found * axes if len(found) == 1 else found


def spatial(op: str, x: Array, axes: int) -> Shape:
    """The lengths of the last axes of x, behind (n, channels) or (channels,). Raises ShapeError."""
    names = ("length", "height", "width") if axes == 1 else ("depth", "height", "width")
    expected = ", ".join(("channels", *(names[:1] if axes == 1 else names[3 - axes :])))
    if x.ndim not in (axes + 1, axes + 2):
        raise ShapeError(f"{op}: x: expected shape (n, {expected}) or ({expected}), got {x.shape}")
    lengths = x.shape[x.ndim - axes :]
    if 0 in lengths:
        raise ShapeError(f"{op}: x: expected at least one element along the last {axes} axes, got shape {x.shape}")
    return lengths


def pooling(
    op: str, x: Array, axes: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil: bool
) -> list[Windows]:
    """The windows of a pool along the last axes. Raises ShapeError, ArgumentError."""
    lengths = spatial(op, x, axes)
    kernel = each(op, "kernel_size", kernel_size, axes, 1)
    steps = kernel if stride is None or stride == () else each(op, "stride", stride, axes, 1)
    pads, gaps = each(op, "padding", padding, axes), each(op, "dilation", dilation, axes, 1)
    found = []
    for n, k, s, p, d in zip(lengths, kernel, steps, pads, gaps, strict=True):
        reach = d * (k - 1) + 1
        if p > reach // 2:
            raise ArgumentError(f"{op}: padding: expected at most half the window's {reach} elements, got {p}")
        left = n + 2 * p - reach
        if left < 0:
            raise ShapeError(f"{op}: kernel_size: windows of {reach} elements in an axis of {n} padded by {p}")
        count = (left + (s - 1 if ceil else 0)) // s + 1
        if ceil and (count - 1) * s >= n + p:  # it would begin behind the operand
            count -= 1
        found.append(Windows(n, k, s, p, d, count))
    return found


Box = tuple[tuple[int, int], ...]
"""Windows of a box: the first one and how many, along each axis."""

Taps = list[tuple[int, Array]]
"""Elements of a box's windows: the place in the window in row-major order, and the view that has it of each window."""


def boxes(windows: Sequence[Windows]) -> Iterator[tuple[Box, tuple[range, ...]]]:
    """Boxes of windows of equal elements, and which elements they have along each axis."""
    for chosen in product(*(w.runs() for w in windows)):
        yield tuple((first, n) for first, n, _, _ in chosen), tuple(range(a, b) for _, _, a, b in chosen)


def taps(x: Array, windows: Sequence[Windows], box: Box, present: Sequence[range]) -> Taps:
    """The views of the last axes of x that are the elements of a box's windows."""
    lead, steps = x.ndim - len(windows), x.strides[x.ndim - len(windows) :]
    shape = (*x.shape[:lead], *(n for _, n in box))
    strides = (*x.strides[:lead], *(w.stride * step for w, step in zip(windows, steps, strict=True)))
    found = []
    for its in product(*present):
        place = offset = 0
        for tap, w, (first, _), step in zip(its, windows, box, steps, strict=True):
            place = place * w.taps + tap
            offset += (first * w.stride - w.before + tap * w.dilation) * step
        found.append((place, x.view(shape, strides, offset)))
    return found


def whole(x: Array, windows: Sequence[Windows]) -> Array:
    """All windows of the last axes of x as a view, which overlap in memory: the windows' axes, then the elements'.
    x has every element of them."""
    lead, steps = x.ndim - len(windows), x.strides[x.ndim - len(windows) :]
    shape = (*x.shape[:lead], *(w.count for w in windows), *(w.taps for w in windows))
    apart = (w.stride * step for w, step in zip(windows, steps, strict=True))
    inside = (w.dilation * step for w, step in zip(windows, steps, strict=True))
    return x.view(shape, (*x.strides[:lead], *apart, *inside))


def padded(x: Array, windows: Sequence[Windows], value: float) -> Array:
    """x with a number around its last axes, as far as windows go."""
    lead = x.ndim - len(windows)
    shape = list(x.shape)
    start = [0] * x.ndim
    slabs: list[tuple[Shape, Array]] = []
    for axis, w in enumerate(windows, lead):
        for at, n in ((0, w.before), (w.before + w.n, w.after)):
            begin, lengths = list(start), list(shape)
            begin[axis], lengths[axis] = at, n
            slabs.append((tuple(begin), filled(value, tuple(lengths), x.dtype, x.device)))
        start[axis], shape[axis] = 0, w.n + w.before + w.after
    # slabs of later axes lie around all of the earlier ones
    placed = tuple(0 if axis < lead else windows[axis - lead].before for axis in range(x.ndim))
    moved = []
    for number, (begin, part) in enumerate(slabs):
        axis = lead + number // 2
        moved.append((tuple(b if a <= axis else placed[a] for a, b in enumerate(begin)), part))
    return boxed(tuple(shape), [*moved, (placed, x)])


def of_boxes(x: Array, windows: Sequence[Windows], value: float, compute: Callable[[Box, Taps], Array]) -> Array | None:
    """What is computed of the elements of each box of windows, put together; of one box with a padded operand where
    there are many. None where windows have more elements than are steps."""
    if prod(w.taps for w in windows) > TERMS:
        return None
    if prod(len(w.runs()) for w in windows) > BOXES:
        x, windows = padded(x, windows, value), [w.inside() for w in windows]
    lead = x.ndim - len(windows)
    parts = []
    for box, present in boxes(windows):
        start = (*(0,) * lead, *(first for first, _ in box))
        parts.append((start, compute(box, taps(x, windows, box, present))))
    if len(parts) == 1:
        return parts[0][1]
    return boxed((*x.shape[:lead], *(w.count for w in windows)), parts)

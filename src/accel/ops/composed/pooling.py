"""Pooling: the largest element, or the mean, of each window of the last axes. The functions are torch's."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial, reduce
from math import inf, prod
from typing import Any

import numpy as np

from ...arguments import integer, switch
from ...array import Array
from ...conversion import constant, table
from ...dtypes import FLOATS, INT64, DType
from ...errors import ArgumentError
from ..compose import Operand, composed
from ..pieces import boxed, filled
from ..primitive.pointwise import astype, fn
from ..primitive.reduce import max, sum
from . import exact_pooling as exact
from .selected import first_largest
from .windows import BOXES, TAPS, Box, Taps, Windows, boxes, of_boxes, padded, pooling, taps, whole, worded

SEGMENTS = 5
"""Runs of windows of equal elements along an axis that are computed one by one at most. With more, it is padded."""

Results = Array | tuple[Array, Array]

MAXIMA = """The largest element of each window of the last {axes}.

    x: (n, channels, {lengths}) or (channels, {lengths}), floating. kernel_size, stride (None: kernel_size), padding,
    dilation: one integer, or one for each axis. What is padded takes no part, and NaN propagates. ceil_mode: whether
    windows may end behind the padding, as long as they begin before it. return_indices: whether the int64 places, in
    row-major order over these axes, of the first largest elements (of the first NaN) are a second result.
    A window of padding alone has -infinity, and the index 0.
    Raises ShapeError for a window larger than the padded operand, ArgumentError for more padding than half a window.
    """

MEANS = """The mean of each window of the last {axes}.

    x: (n, channels, {lengths}) or (channels, {lengths}), floating. kernel_size, stride (None: kernel_size), padding:
    one integer, or one for each axis. ceil_mode: whether windows may end behind the padding, as long as they begin
    before it. The sum of the elements, by the canonical rule, is divided once: by the number of elements, with those of
    the padding where count_include_pad{divisor}. float16 and bfloat16 are computed in float32 and rounded once.
    Raises ShapeError for a window larger than the padded operand, ArgumentError for more padding than half a window.
    """

WORDS = {1: ("axis", "length"), 2: ("two axes", "height, width"), 3: ("three axes", "depth, height, width")}
"""By the number of axes: its name, and those of the lengths."""


def examples(name: str, dtype: DType) -> Any:
    """Those of an op of this file."""
    from ...testing import pooling_family

    return pooling_family.FAMILIES[name](dtype)


def _maxima(axes: int) -> Any:
    op = f"max_pool{axes}d"

    def body(
        x: Operand,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Results:
        ceil = switch(op, "ceil_mode", ceil_mode)
        windows = pooling(op, x, axes, kernel_size, stride, padding, dilation, ceil)
        if switch(op, "return_indices", return_indices):
            return with_indices(x, windows)
        return maxima(x, windows)

    return _public(body, op, MAXIMA, axes, exact=True)


def _means(axes: int) -> Any:
    op = f"avg_pool{axes}d"

    def alone(
        x: Operand,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> Array:
        return body(x, kernel_size, stride, padding, ceil_mode, count_include_pad)

    def body(
        x: Operand,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Array:
        windows = pooling(op, x, axes, kernel_size, stride, padding, 1, switch(op, "ceil_mode", ceil_mode))
        wide = switch(op, "count_include_pad", count_include_pad)
        if divisor_override is None:
            return means(x, windows, counts(windows, wide))
        by = integer(op, "divisor_override", divisor_override)
        if not by:
            raise ArgumentError(f"{op}: divisor_override: expected an integer other than 0, got 0")
        return means(x, windows, np.full([w.count for w in windows], by))

    divisor = "" if axes == 1 else ", or by divisor_override"
    return _public(alone if axes == 1 else body, op, MEANS, axes, divisor=divisor, widen=False)


def _public(body: Any, op: str, text: str, axes: int, divisor: str = "", **columns: Any) -> Any:
    name, lengths = WORDS[axes]
    body.__name__ = op
    body.__doc__ = worded(text, axes=name, lengths=lengths, divisor=divisor)
    return composed(reference=getattr(exact, op), samples=partial(examples, op), dtypes=FLOATS, **columns)(body)


def maxima(x: Array, windows: Sequence[Windows]) -> Array:
    """The largest elements of windows, one axis after the other: their order does not matter."""
    lead = x.ndim - len(windows)
    for axis, w in enumerate(windows, lead):
        x = _along(x, axis, w)
    return x


def _along(x: Array, axis: int, w: Windows) -> Array:
    last = [*(a for a in range(x.ndim) if a != axis), axis]
    back = [last.index(a) for a in range(x.ndim)]
    if len(w.runs()) > SEGMENTS:
        x, w = padded(x.permute(last), [w], -inf).permute(back), w.inside()
    shape = [w.count if a == axis else n for a, n in enumerate(x.shape)]
    parts = []
    for (box,), (present,) in boxes([w]):
        start = tuple(box[0] if a == axis else 0 for a in range(x.ndim))
        lengths = tuple(box[1] if a == axis else n for a, n in enumerate(x.shape))
        rows = x.permute(last)
        if not present:
            made = filled(-inf, lengths, x.dtype, x.device)
        elif len(present) > TAPS:
            first = (box[0] * w.stride - w.before + present[0] * w.dilation) * rows.strides[-1]
            its = Windows(w.n, len(present), w.stride, 0, w.dilation, box[1])
            made = max(whole(rows.view(rows.shape, rows.strides, first), [its]), axis=-1).permute(back)
        else:
            made = reduce(fn.maximum, (v.permute(back) for _, v in taps(rows, [w], (box,), (present,))))
        parts.append((start, made))
    return parts[0][1] if len(parts) == 1 else boxed(tuple(shape), parts)


def with_indices(x: Array, windows: Sequence[Windows]) -> tuple[Array, Array]:
    """The largest elements of windows, and the places of the first of them."""
    lead = x.ndim - len(windows)
    shape = (*x.shape[:lead], *(w.count for w in windows))
    there = all(b > a for w in windows for a, b in map(w.present, range(w.count)))
    if there and (prod(len(w.runs()) for w in windows) > BOXES or prod(w.taps for w in windows) > TAPS):
        return first_largest(x, [_repeated(w) for w in windows])
    found: list[tuple[list[Any], list[Any]]] = []
    for box, present in boxes(windows):
        start = (*(0,) * lead, *(first for first, _ in box))
        its = taps(x, windows, box, present)
        if its:
            values, places = _first_largest(its, windows, box)
        else:
            lengths = (*x.shape[:lead], *(n for _, n in box))
            values, places = filled(-inf, lengths, x.dtype, x.device), filled(0, lengths, INT64, x.device)
        found.append(((start, values), (start, places)))
    if len(found) == 1:
        return found[0][0][1], found[0][1][1]
    values, places = (boxed(shape, [pair[part] for pair in found]) for part in (0, 1))
    return values, places


def _repeated(w: Windows) -> np.ndarray:
    """The places of windows' elements, of which the axis has one each; where it has not all, the nearest ones."""
    first, end = (np.array(each)[:, None] for each in zip(*map(w.present, range(w.count)), strict=True))
    taps = np.clip(np.arange(w.taps), first, end - 1)
    places: np.ndarray = np.arange(w.count)[:, None] * w.stride - w.before + taps * w.dilation
    return places


def _first_largest(its: Taps, windows: Sequence[Windows], box: Box) -> tuple[Array, Array]:
    """Of views, the largest elements, and where they are in the operand."""
    device = its[0][1].device
    lengths, widths = tuple(w.n for w in windows), tuple(w.taps for w in windows)
    steps = [prod(lengths[a + 1 :]) for a in range(len(lengths))]

    def place(number: int) -> Array:
        taps = np.unravel_index(number, widths)
        offset = int(np.dot([w.dilation * int(t) for w, t in zip(windows, taps, strict=True)], steps))
        return constant(offset, INT64, device)

    number, best = its[0]
    where = place(number)
    for number, v in its[1:]:
        better = fn.logical_or(v > best, fn.logical_and(fn.isnan(v), fn.logical_not(fn.isnan(best))))
        where, best = fn.where(better, place(number), where), fn.maximum(best, v)

    def starts() -> np.ndarray:
        each = [(np.arange(n) + first) * w.stride - w.before for w, (first, n) in zip(windows, box, strict=True)]
        return reduce(np.add, np.ix_(*(e * step for e, step in zip(each, steps, strict=True)))).astype(np.int64)  # type: ignore[no-any-return]

    where = where + table(("window starts", tuple(windows), box), starts, device)
    if where.shape != best.shape:
        where = where + filled(0, best.shape, INT64, device)
    return best, where


def counts(windows: Sequence[Windows], wide: bool) -> np.ndarray:
    """How many elements windows have. wide: with those of the padding."""

    def along(w: Windows) -> np.ndarray:
        if not wide:
            return np.array([end - first for first, end in map(w.present, range(w.count))])
        starts = np.arange(w.count) * w.stride - w.before
        return np.minimum(starts + w.taps, w.n + w.before) - starts

    result: np.ndarray = reduce(np.multiply, np.ix_(*map(along, windows)))
    return result


def means(x: Array, windows: Sequence[Windows], divisors: np.ndarray) -> Array:
    """Sums of windows by rule 2, divided."""
    given, wide = x.dtype, x.dtype.accumulator
    x = astype(x, wide, copy=False)

    def divided(total: Array, by: np.ndarray) -> Array:
        first = by.flat[0]
        if (by == first).all():
            return astype(total / float(first), given, copy=False)
        numbers = table(("divisors", by.shape, by.tobytes(), wide), lambda: by.astype(x.dtype.numpy), x.device)
        return astype(total / numbers, given, copy=False)

    def compute(box: Box, its: Taps) -> Array:
        return divided(by_lanes(dict(its)), divisors[tuple(slice(first, first + n) for first, n in box)])

    if not divisors.size or 0 in x.shape:
        return filled(0, (*x.shape[: x.ndim - len(windows)], *divisors.shape), given, x.device)
    made = of_boxes(x, windows, -0.0, compute)
    if made is not None:
        return made
    if any(w.before or w.after for w in windows):
        x, windows = padded(x, windows, -0.0), [w.inside() for w in windows]
    return divided(sum(whole(x, windows), axis=tuple(range(-len(windows), 0))), divisors)


def by_lanes(terms: dict[int, Array]) -> Array:
    """The sum of terms by their places, which are below 64, by rule 2: each is a lane, and lanes fold in halves."""
    for half in (32, 16, 8, 4, 2, 1):
        for lane in range(half):
            other = terms.pop(lane + half, None)
            if other is not None:
                terms[lane] = terms[lane] + other if lane in terms else other
    return terms[0]


max_pool1d, max_pool2d, max_pool3d = map(_maxima, (1, 2, 3))
avg_pool1d, avg_pool2d, avg_pool3d = map(_means, (1, 2, 3))

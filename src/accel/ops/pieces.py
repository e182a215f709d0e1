"""Arrays put together of views of others, each of which the primitive ``join`` copies to its box."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, product
from math import prod

from .. import dispatch
from ..array import Array
from ..backends.base import Device
from ..conversion import constant
from ..dtypes import DType
from ..layout import Shape
from .parameters import Join
from .primitive.join import JOIN

Segment = tuple[int, int, int]
"""Elements along an axis, one after the other: the first one's place, how many, and the step from each to the next,
which may be 0 or negative."""

BOXES = 256
"""Boxes that one join is made of at most where there is a way with fewer."""


def boxed(shape: Shape, boxes: Iterable[tuple[Shape, Array]]) -> Array:
    """The array of that shape which (start, part)s of one dtype fill. Parts without elements are left out, but the
    last."""
    made = list(boxes)
    made = [(start, x) for start, x in made if x.size] or made[-1:]
    starts = tuple(start for start, _ in made)
    result: Array = dispatch.call(JOIN, [x for _, x in made], Join(shape, starts))
    return result


def joined(parts: Sequence[Array], axis: int) -> Array:
    """Parts of one dtype, and of shapes that differ along the axis only, one after the other."""
    first = parts[0].shape
    ends = list(accumulate((x.shape[axis] for x in parts), initial=0))
    starts = (tuple(at if a == axis else 0 for a in range(len(first))) for at in ends)
    return boxed((*first[:axis], ends[-1], *first[axis + 1 :]), zip(starts, parts, strict=False))


def filled(value: bool | int | float, shape: Shape, dtype: DType, device: Device) -> Array:
    """One number under a shape, as a view."""
    return constant(value, dtype, device).view(shape, (0,) * len(shape))


def of_segments(x: Array, segments: Sequence[Sequence[Segment]]) -> Array:
    """The elements that segments of each axis select, in their order."""
    lengths = [sum(n for _, n, _ in each) for each in segments]
    whole = [[(0, n, 1)] for n in x.shape]
    if prod(map(len, segments)) > BOXES and sum(list(each) != w for each, w in zip(segments, whole, strict=True)) > 1:
        for axis, each in enumerate(segments):
            alone = [[(0, n, 1)] for n in x.shape]
            alone[axis] = list(each)
            x = of_segments(x, alone)
        return x
    placed = [list(zip(accumulate((n for _, n, _ in each), initial=0), each, strict=False)) for each in segments]
    boxes = []
    for chosen in product(*placed):
        offset = sum(first * step for (_, (first, _, _)), step in zip(chosen, x.strides, strict=True))
        strides = tuple(by * step for (_, (_, _, by)), step in zip(chosen, x.strides, strict=True))
        shape = tuple(n for _, (_, n, _) in chosen)
        boxes.append((tuple(at for at, _ in chosen), x.view(shape, strides, offset if 0 not in shape else 0)))
    return boxed(tuple(lengths), boxes)

"""Examples of arrays side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..dtypes import DType
from ..layout import Shape, replaced
from ..ops.parameters import Join
from .draw import Draw, array, shape
from .families import Edge, Sample, Samples
from .values import values


def along(parts: Sequence[np.ndarray], axis: int) -> Sample:
    """The call that puts parts side by side along an axis."""
    whole, starts = list(parts[0].shape), []
    whole[axis] = 0
    for x in parts:
        starts.append(tuple(whole[axis] if a == axis else 0 for a in range(len(whole))))
        whole[axis] += x.shape[axis]
    return Sample((Join(tuple(whole), tuple(starts)), *parts))


def cut(its: Draw, whole: Shape) -> list[tuple[Shape, Shape]]:
    """(start, shape) of boxes that fill a shape, in any order."""
    found: list[tuple[Shape, Shape]] = [((0,) * len(whole), whole)]
    for _ in range(its.integer(0, 6)):
        start, shape = found.pop(its.integer(0, len(found) - 1))
        axis = its.integer(0, len(shape) - 1)
        at = its.integer(0, shape[axis])
        for first, n in ((0, at), (at, shape[axis] - at)):
            found.append((replaced(start, axis, start[axis] + first), replaced(shape, axis, n)))
    return found


def joins(dtype: DType) -> Samples:
    """Boxes that fill an output, of operands of any layout: along one axis, or cut along any, and many."""

    def draw(its: Draw) -> Sample:
        whole = shape(its, least=1, most=4, elements=1000)
        boxes = cut(its, whole)
        return Sample((Join(whole, tuple(s for s, _ in boxes)), *(array(its, dtype, n) for _, n in boxes)))

    def edge(axis: int, *shapes: Shape) -> Edge:
        def make() -> Sample:
            rng = np.random.default_rng(7)
            return along([values(rng, dtype, s, "special") for s in shapes], axis)

        return Edge(sum(int(np.prod(s)) for s in shapes), make)

    many: Any = [(3,)] * 70
    whole_lines = [edge(0, (16,), (32,), (16,)), edge(1, (3, 16), (3, 32))]
    return Samples(
        draw, [edge(0, (1025,), (63,), (4097,)), edge(1, (33, 65), (33, 1), (33, 130)), edge(0, *many), *whole_lines]
    )

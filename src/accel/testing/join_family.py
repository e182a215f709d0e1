"""Examples of arrays side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..dtypes import DType
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


def joins(dtype: DType) -> Samples:
    """Parts of any layout and of several lengths along one axis, in order."""

    def draw(its: Draw) -> Sample:
        its_shape = shape(its, least=1, most=3, elements=500)
        axis = its.integer(0, len(its_shape) - 1)
        lengths = [its.choice((0, 1, 2, 5, 33)) for _ in range(its.integer(1, 4))]
        parts = [array(its, dtype, tuple(n if a == axis else m for a, m in enumerate(its_shape))) for n in lengths]
        return along(parts, axis)

    def edge(axis: int, *shapes: tuple[int, ...]) -> Edge:
        def make() -> Sample:
            rng = np.random.default_rng(7)
            return along([values(rng, dtype, s, "special") for s in shapes], axis)

        return Edge(sum(int(np.prod(s)) for s in shapes), make)

    many: Any = [(3,)] * 70
    return Samples(draw, [edge(0, (1025,), (63,), (4097,)), edge(1, (33, 65), (33, 1), (33, 130)), edge(0, *many)])

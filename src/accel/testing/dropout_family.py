"""Examples of elements left out at random."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..dtypes import DType
from .draw import Draw, array, shape
from .families import Edge, Sample, Samples
from .random_numbers import STATES
from .values import values

RATES = (0.0, 0.1, 0.5, 0.875, 1.0, 2.0**-33, 1 - 2.0**-40)


def dropouts(dtype: DType) -> Samples:
    """Single elements and whole channels; nothing and everything left out."""

    def draw(its: Draw) -> Sample:
        full = shape(its)
        state = np.array([its.integer(0, 2**32 - 1), its.integer(0, 2**32 - 1)], np.uint64)
        return Sample(
            (array(its, dtype, full), state), _keywords(its.choice(RATES), its.integer(0, len(full)), its.once_in(3))
        )

    def edge(i: int, full: tuple[int, ...], axes: int) -> Edge:
        def make() -> Sample:
            x = values(np.random.default_rng(full), dtype, full, "normal")
            return Sample(
                (x, np.array(STATES[i % len(STATES)], np.uint64)), _keywords(RATES[i % len(RATES)], axes, i % 3 == 0)
            )

        return Edge(max(1, prod(full)), make)

    shapes = (((3, 5), 2), ((), 0), ((1025,), 1), ((2, 3, 7, 5), 2), ((4097,), 1), ((2, 4097), 2), ((3, 1, 40), 2))
    return Samples(draw, [edge(i, *each) for i, each in enumerate(shapes)])


def _keywords(p: float, axes: int, alpha: bool) -> dict[str, Any]:
    return {"p": p, "axes": axes, "alpha": alpha}

"""Examples of features that are rotated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..dtypes import DType
from .draw import Draw, array, broadcast, shape
from .families import HUGE, Edge, Sample, Samples
from .values import values


def rotations(dtype: DType) -> Samples:
    """Tables that broadcast; both orders of features; some features beyond the pairs."""

    def draw(its: Draw) -> Sample:
        lead, pairs = shape(its, most=3, elements=100), its.choice((0, 1, 3, 8, 17))
        x = array(its, dtype, (*lead, 2 * pairs + its.choice((0, 0, 1, 4))))
        table = (*broadcast(its, lead), pairs)
        tables = (array(its, dtype, table, ("normal", "integers")) for _ in range(2))
        return Sample((x, *tables), {"interleaved": True} if its.once_in(2) else {})

    cases = (((2, 3, 5, 64), 32), ((3, 7, 80), 16), ((1025, 65, 16), 8), ((2, 1 << 19 | 1), 1 << 18))
    edges = [
        Edge(int(np.prod(full)), _edge(dtype, full, pairs, **given))
        for full, pairs in cases
        for given in ({}, {"interleaved": True})
        if int(np.prod(full)) <= HUGE
    ]
    return Samples(draw, edges)


def _edge(dtype: DType, full: tuple[int, ...], pairs: int, **given: Any) -> Callable[[], Sample]:
    def make() -> Sample:
        rng = np.random.default_rng(full)
        operands = (values(rng, dtype, each, "normal") for each in (full, (full[-2], pairs), (full[-2], pairs)))
        return Sample(tuple(operands), given)

    return make

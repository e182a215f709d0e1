"""Examples of sorting."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..dtypes import DType
from .draw import Draw, array, shape
from .families import Edge, Sample, Samples
from .values import values


def sorts(dtype: DType) -> Samples:
    """An operand, an axis, a direction; values with many ties, and with every special one."""

    def draw(its: Draw) -> Sample:
        its_shape = shape(its, least=1, most=3)
        keywords: dict[str, Any] = {"axis": its.integer(-len(its_shape), len(its_shape) - 1)}
        if its.once_in(2):
            keywords["descending"] = True
        return Sample((array(its, dtype, its_shape),), keywords)

    regimes = ("few", "special", "wide", "integers")
    lengths = (1, 2, 63, 65, 1023, 1025, 4097)
    edges = [_edge(dtype, (n,), 0, regimes[i % 4], i % 3 == 0) for i, n in enumerate(lengths)]
    matrices = (((3, 2049), 1), ((2049, 3), 0), ((67, 33), 0), ((5, 1025, 2), 1))
    edges += [_edge(dtype, s, axis, regimes[i % 2], i % 2 == 0) for i, (s, axis) in enumerate(matrices)]
    return Samples(draw, edges)


def _edge(dtype: DType, its_shape: tuple[int, ...], axis: int, regime: str, descending: bool) -> Edge:
    def make() -> Sample:
        made = values(np.random.default_rng(its_shape), dtype, its_shape, regime)
        return Sample((made,), {"axis": axis, "descending": descending})

    return Edge(prod(its_shape), make)

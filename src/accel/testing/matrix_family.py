"""Examples of cross products and norms of matrices."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, prod
from typing import Any

import numpy as np

from ..dtypes import DType
from ..numerics import LANES
from .draw import Draw, array, broadcast, shape
from .families import Edge, Sample, Samples
from .values import values

ORDERS = ("fro", 1, -1, inf, -inf)


def crosses(dtype: DType) -> Samples:
    """Two operands with three elements along an axis, the other axes broadcast."""

    def draw(its: Draw) -> Sample:
        lengths = shape(its, most=2, elements=200)
        axis = its.integer(-len(lengths) - 1, -1)
        at = len(lengths) + 1 + axis
        both = [(*lengths[:at], 3, *lengths[at:])]
        other = broadcast(its, lengths) if its.once_in(2) else lengths
        if len(other) == len(lengths):
            both.append((*other[:at], 3, *other[at:]))
        else:
            both.append(both[0])
        return Sample(tuple(array(its, dtype, each) for each in both), {"axis": axis})

    def edge() -> Sample:
        rng = np.random.default_rng(3)
        return Sample(tuple(values(rng, dtype, (LANES + 1, 3), "normal") for _ in range(2)))

    return Samples(draw, [Edge(3 * LANES + 3, edge)])


def norms(dtype: DType) -> Samples:
    """Matrices with elements, an order, keepdims."""

    def draw(its: Draw) -> Sample:
        lengths = tuple(max(1, n) for n in shape(its, least=2, most=3, elements=600))
        keywords: dict[str, Any] = {"ord": its.choice(ORDERS)}
        if its.once_in(2):
            keywords["keepdims"] = True
        return Sample((array(its, dtype, lengths),), keywords)

    def edge(lengths: tuple[int, ...], order: Any, regime: str = "normal") -> Edge:
        def make() -> Sample:
            return Sample((values(np.random.default_rng(lengths), dtype, lengths, regime),), {"ord": order})

        return Edge(prod(lengths), make)

    every = [edge((3, LANES + 1, 7), order) for order in ORDERS]
    return Samples(draw, [*every, edge((70, 65), "fro"), *(edge((33, 9), "fro", r) for r in ("huge", "tiny"))])


FAMILIES: dict[str, Callable[[DType], Samples]] = {"cross": crosses, "matrix_norm": norms}
"""The examples of an op, by its family."""

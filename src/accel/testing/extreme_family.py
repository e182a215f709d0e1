"""Examples of the largest elements of rows, and of running extremes."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..dtypes import DType
from .draw import Draw, array, shape
from .families import Edge, Sample, Samples
from .values import values

REGIMES = ("few", "special", "wide", "integers")


def topk(dtype: DType) -> Samples:
    """Few and many elements of rows, along any axis; rows long enough to be searched in blocks."""

    def draw(its: Draw) -> Sample:
        its_shape = shape(its, least=1, most=3, elements=900)
        axis = its.integer(-len(its_shape), len(its_shape) - 1)
        keywords: dict[str, Any] = {"k": its.integer(0, its_shape[axis]), "dim": axis}
        if its.once_in(2):
            keywords["largest"] = False
        return Sample((array(its, dtype, its_shape, REGIMES),), keywords)

    cases = (((1000,), 3, 0), ((4, 1025), 2, 1), ((1030, 3), 1, 0), ((2, 500), 400, 1), ((4999,), 17, 0))
    edges = [
        _edge(dtype, full, {"k": k, "dim": axis, "largest": largest}, i)
        for i, (full, k, axis) in enumerate(cases)
        for largest in (True, False)
    ]
    return Samples(draw, edges)


def running(dtype: DType) -> Samples:
    """Along any axis, with many ties."""

    def draw(its: Draw) -> Sample:
        its_shape = shape(its, least=1, most=3, elements=900)
        axis = its.integer(-len(its_shape), len(its_shape) - 1)
        return Sample((array(its, dtype, its_shape, REGIMES),), {"dim": axis})

    cases = (((4097,), 0), ((33, 65), 1), ((300, 5), 0))
    return Samples(draw, [_edge(dtype, full, {"dim": axis}, i) for i, (full, axis) in enumerate(cases)])


def _edge(dtype: DType, full: tuple[int, ...], keywords: dict[str, Any], number: int) -> Edge:
    def make() -> Sample:
        return Sample((values(np.random.default_rng(full), dtype, full, REGIMES[number % 4]),), keywords)

    return Edge(prod(full), make)


FAMILIES = {"topk": topk, "cummax": running, "cummin": running}

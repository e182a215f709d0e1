"""Examples of scans."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import DType
from ..numerics import BLOCK, SCAN
from .draw import Draw, array, shape
from .families import HUGE, Edge, Sample, Samples
from .values import values

REGIME = {"sum": "cancelling", "prod": "near one", "logaddexp": "normal"}
"""Of elements whose results show the order in which they were computed; ties, where it makes no difference."""


def scans(kind: str, dtype: DType) -> Samples:
    """An operand and an axis, at times with the initial element and another dtype."""

    def draw(its: Draw) -> Sample:
        its_shape = shape(its, least=1, most=3)
        if its.once_in(4):
            n = its.choice((SCAN - 1, SCAN + 1, 2 * SCAN, SCAN * SCAN, SCAN * SCAN + 1, BLOCK + 70))
            its_shape = tuple(its.permutation([*(min(m, 3) for m in its_shape[1:]), n]))
        axis = its.integer(-len(its_shape), len(its_shape) - 1)
        keywords: dict[str, Any] = {} if len(its_shape) == 1 and its.once_in(2) else {"axis": axis}
        if kind in ("sum", "prod"):
            if its.once_in(3):
                keywords["include_initial"] = True
            if its.once_in(4):
                wider = {"b": ("int32", "uint8", "bool"), "i": ("int64", "int8"), "u": ("uint64", "int16", "bool")}
                keywords["dtype"] = its.choice(wider.get(dtype.kind, (dtype.accumulator,)))
        return Sample((array(its, dtype, its_shape),), keywords)

    return Samples(draw, _edges(kind, dtype))


def _edges(kind: str, dtype: DType) -> list[Edge]:
    """Lengths around groups of every level, along each axis; the values that have rules of their own."""
    regime = REGIME.get(kind, "few")
    n = 2 * BLOCK + 37
    lengths = (1, SCAN - 1, SCAN, SCAN + 1, 5 * SCAN + 3, SCAN**2 - 1, SCAN**2, SCAN**2 + 1, 1000, BLOCK, BLOCK + 1, n)
    made: list[tuple[tuple[int, ...], int, str]] = [((m,), 0, regime) for m in lengths]
    made += [((3, n), 1, regime), ((n, 3), 0, regime), ((70, 129), 1, regime), ((129, 70), 0, regime)]
    made += [((3000, 5), 1, regime), ((5, 3000), 0, regime), ((3, 40, 7), 1, regime), ((2, 300, 33), 1, regime)]
    made += [((67, 65), axis, r) for r in ("special", "tiny", "wide") for axis in (0, 1)]
    made += [((m,), 0, r) for m in (SCAN + 1, BLOCK + 1) for r in ("zeros", "first", "last", "special")]
    edges = [_edge(dtype, s, axis, r) for s, axis, r in made]
    if kind in ("sum", "prod"):
        edges += [_edge(dtype, s, axis, regime, include_initial=True) for s, axis in (((300, 5), 0), ((5, 300), 1))]
        if dtype.itemsize == 2 and dtype.kind == "f":
            edges += [_edge(dtype, (m,), 0, regime, dtype=dtype.accumulator) for m in (SCAN + 1, n)]
    # so many blocks that their totals are more than one block, which takes seconds where each step is a function
    return [*edges, *([_edge(dtype, (HUGE,), 0, regime)] if kind != "logaddexp" else [])]


def _edge(operand: DType, its_shape: tuple[int, ...], axis: int, regime: str, **keywords: Any) -> Edge:
    """A row-major operand whose elements are of a regime along the axis."""

    def make() -> Sample:
        rng = np.random.default_rng(its_shape)
        order = (*(n for a, n in enumerate(its_shape) if a != axis), its_shape[axis])
        rows = np.moveaxis(values(rng, operand, order, regime), -1, axis)
        return Sample((np.ascontiguousarray(rows),), {"axis": axis, **keywords})

    return Edge(int(np.prod(its_shape)), make)

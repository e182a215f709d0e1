"""Examples of products of groups of rows."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from ..dtypes import DType
from ..numerics import KC
from .draw import Draw, array, product_dtype
from .families import MATRIX, Edge, Sample, Samples
from .values import values

COUNTS = ((0, 5, 0), (33,), (64, 1, 0, 65), (1,) * 35, (0, 130, 0, 0, 7), (*(0,) * 70, 3))
"""Rows of the groups: none, all in one group, around a tile's, and more groups than a word's bits."""


def products(dtype: DType) -> Samples:
    """Rows by matrices or, at times, columns by rows; counts or ends, of either dtype."""

    def draw(its: Draw) -> Sample:
        counts = np.array([its.choice((0, 0, 1, 2, 5, 17)) for _ in range(its.integer(1, 6))])
        rows, k, n = int(counts.sum()), its.choice((0, 1, 7, 33, 64, KC + 1)), its.choice(MATRIX)
        shapes = ((rows, k), (len(counts), k, n))
        if its.once_in(3):
            shapes = ((its.choice(MATRIX), rows), (rows, n))
        keywords = product_dtype(its, dtype)
        operands = [array(its, dtype, shape) for shape in shapes]
        kind = its.choice((np.int32, np.int64))
        if its.integer(0, 1):
            return Sample((*operands, counts.astype(kind)), keywords)
        return Sample(tuple(operands), {"offs": counts.cumsum().astype(kind), **keywords})

    def edge(counts: Sequence[int], k: int, n: int, turned: bool = False, m: int | None = None) -> Edge:
        """turned: weights lie as a linear layer's. m: columns of rows, which are contracted."""
        rows = sum(counts)
        shapes = ((rows, k), (len(counts), n, k) if turned else (len(counts), k, n))
        if m is not None:
            shapes = ((rows, m), (rows, n))

        def make() -> Sample:
            rng = np.random.default_rng((rows, k, n))
            x, w = (values(rng, dtype, shape, "normal") for shape in shapes)
            if m is not None:
                x = x.T
            elif turned:
                w = w.transpose(0, 2, 1)
            return Sample((x, w, np.array(counts)))

        size = max(*map(prod, shapes), len(counts) * (m or 0) * n, rows * n)
        return Edge(size, make)

    edges = [edge(counts, 9, 67, bool(i % 2)) for i, counts in enumerate(COUNTS)]
    edges += [edge((3, 0, 6), k, 5, turned) for k in (1, KC, 2 * KC + 3) for turned in (False, True)]
    edges += [edge((70, 1, 2), 2 * KC + 3, 65), edge((5, 1), 0, 7)]
    edges += [edge(counts, 0, 7, m=9) for counts in ((1, 0, KC), (0, KC + 1, 2), (2 * KC + 3,))]
    return Samples(draw, edges)

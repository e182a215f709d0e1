"""Examples of pairs of rows that are made orthogonal."""

from __future__ import annotations

import numpy as np

from ..dtypes import DType
from ..numerics import BLOCK, LANES
from .draw import Draw, array
from .families import Edge, Sample, Samples
from .values import values


def rounds(dtype: DType) -> Samples:
    """Rows of any number and length, with others behind them that are turned along."""

    def draw(its: Draw) -> Sample:
        batch = () if its.integer(0, 2) else (its.integer(1, 3),)
        k, length, beside = its.integer(1, 6), its.integer(1, 80), its.integer(0, 7)
        rows = array(its, dtype, (*batch, 2, k, length + beside), ("normal", "integers"))
        return Sample((rows, np.zeros((*batch, k, 1), dtype.numpy)), {"length": length})

    def made(k: int, length: int, beside: int) -> Edge:
        def make() -> Sample:
            rows = values(np.random.default_rng(k), dtype, (2, k, length + beside), "normal")
            rows[0, 0] = 0
            rows[1, -1, :length] = rows[0, -1, :length] * 2
            return Sample((rows, np.full((k, 1), 0.5, dtype.numpy)), {"length": length})

        return Edge(2 * k * (length + beside), make)

    return Samples(draw, [made(3, LANES + 1, 6), made(33, 100, 66), made(2, BLOCK + 5, 4)])

"""Examples of reductions that leave out NaN: rows with some, with none, and of nothing else."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..dtypes import DType
from ..numerics import BLOCK, LANES
from .draw import Draw, array, shape
from .families import Edge, Sample, Samples
from .values import values

CHOICES = ("nanmax", "nanmin", "nanargmax", "nanargmin")
CORRECTED = ("nanvar", "nanstd")


def _with_nan(x: np.ndarray, dtype: DType, rng: np.random.Generator) -> np.ndarray:
    """Where an array can be written to, NaN in some places, and at times everywhere in its first row."""
    if dtype.kind == "f" and x.flags.writeable and x.size:
        x[rng.random(x.shape) < 0.3] = np.nan
        if x.ndim and rng.integers(2):
            x[0] = np.nan
    return x


def reductions(name: str, dtype: DType) -> Samples:
    """An operand, axes, keepdims, and what else the op takes."""

    def draw(its: Draw) -> Sample:
        lengths = shape(its, most=3, elements=200)
        if name in CHOICES:
            lengths = tuple(max(1, n) for n in lengths)
        keywords: dict[str, Any] = {}
        if lengths and its.integer(0, 1):
            one = its.integer(-len(lengths), len(lengths) - 1)
            several = name not in ("nanargmax", "nanargmin") and its.once_in(3)
            keywords["axis"] = tuple(its.some(range(len(lengths)))) if several else one
        if its.once_in(2):
            keywords["keepdims"] = True
        if name in CORRECTED and its.once_in(2):
            keywords["correction"] = its.choice((1, 0.5, 3))
        regimes = ("near one", "special") if name == "nanprod" else ("integers", "normal", "special")
        x = array(its, dtype, lengths, regimes)
        return Sample((_with_nan(x, dtype, np.random.default_rng(its.integer(0, 999))),), keywords)

    def edge(lengths: tuple[int, ...], axis: int) -> Edge:
        def make() -> Sample:
            rng = np.random.default_rng(lengths)
            x = values(rng, dtype, lengths, "near one" if name == "nanprod" else "normal")
            return Sample((_with_nan(x, dtype, rng),), {"axis": axis})

        return Edge(prod(lengths), make)

    made = [((5, LANES + 1), 1), ((70, 33), 0)]
    return Samples(draw, [*(edge(*each) for each in made), *([edge((2, BLOCK + 70), 1)] if dtype.kind == "f" else [])])

"""Examples of rows in segments."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import DType
from ..numerics import BLOCK, LANES
from .draw import Draw, array, shape
from .families import Edge, Sample, Samples
from .values import values

DTYPES = ("int64", "int32", "uint8", "uint64")
"""Of the segments' numbers."""


def segments(dtype: DType) -> Samples:
    """Segments of no, one and many rows, in order or not; rows of any shape, or of single elements."""

    def draw(its: Draw) -> Sample:
        rows, count = its.choice((0, 1, 3, 17, 150)), its.choice((1, 2, 7, 33))
        rng = np.random.default_rng(its.integer(0, 2**32 - 1))
        numbers = rng.integers(0, count, rows).astype(its.choice(DTYPES))
        data = array(its, dtype, (rows, *shape(its, most=2, elements=40)))
        return Sample((data, np.sort(numbers) if its.once_in(2) else numbers), {"num_segments": count})

    cases = (
        ((LANES - 1,), 1), ((2 * LANES + 1,), 3), ((2 * BLOCK + 77,), 2), ((BLOCK + 1, 3), 1), ((5000,), 4097),
        ((1031, 19), 300), ((300, 70), 5),
    )  # fmt: skip
    return Samples(draw, [Edge(max(int(np.prod(full)), count), _edge(dtype, full, count)) for full, count in cases])


def _edge(dtype: DType, full: tuple[int, ...], count: int) -> Any:
    def make() -> Sample:
        rng = np.random.default_rng((*full, count))
        return Sample((values(rng, dtype, full, "normal"), rng.integers(0, count, full[0])), {"num_segments": count})

    return make


def bags(dtype: DType) -> Samples:
    """Bags as rows and as offsets, some of them empty, with every option."""

    def draw(its: Draw) -> Sample:
        rows, bags = its.choice((1, 5, 40)), its.choice((1, 3, 9))
        rng = np.random.default_rng(its.integer(0, 2**32 - 1))
        table = array(its, dtype, (rows, its.choice((1, 3, 17))))
        keywords: dict[str, Any] = {"mode": its.choice(("sum", "mean", "max"))}
        if its.once_in(2):
            numbers = rng.integers(0, rows, (bags, its.choice((0, 1, 5, 70))))
        else:
            numbers = rng.integers(0, rows, its.choice((1, 7, 150)))
            starts = np.sort(rng.integers(0, numbers.size + 1, bags))
            starts[0], keywords["include_last_offset"] = 0, bool(its.once_in(2))
            keywords["offsets"] = starts.astype(its.choice(("int64", "int32")))
        if keywords["mode"] == "sum" and its.once_in(2):
            keywords["per_sample_weights"] = array(its, dtype, numbers.shape)
        if its.once_in(3):
            keywords["padding_idx"] = its.integer(-rows, rows - 1)
        return Sample((numbers.astype(its.choice(DTYPES)), table), keywords)

    def edge(shape: tuple[int, int], mode: str) -> Any:
        def make() -> Sample:
            rng = np.random.default_rng(shape)
            return Sample((rng.integers(0, 50, shape), values(rng, dtype, (50, 9), "normal")), {"mode": mode})

        return make

    cases = (((3, 2 * LANES + 1), "sum"), ((2, BLOCK + 77), "mean"), ((70, 5), "max"))
    return Samples(draw, [Edge(9 * int(np.prod(full)), edge(full, mode)) for full, mode in cases])


FAMILIES = dict.fromkeys(("segment_sum", "segment_mean", "segment_max", "segment_min"), segments)

"""Examples of shuffles and patches."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ..dtypes import DType
from .draw import Draw, array
from .families import Edge, Sample, Samples
from .values import values


def _edge(dtype: DType, shape: tuple[int, ...], regime: str = "special", **keywords: Any) -> Edge:
    def make() -> Sample:
        return Sample((values(np.random.default_rng(7), dtype, shape, regime),), keywords)

    return Edge(int(np.prod(shape)), make)


def _shuffle(name: str, dtype: DType) -> Samples:
    def draw(its: Draw) -> Sample:
        r, n, c, h, w = (its.integer(1, 3), its.integer(0, 3), *(its.integer(1, 5) for _ in range(3)))
        shape = {
            "pixel_shuffle": (n, c * r * r, h, w),
            "pixel_unshuffle": (n, c, h * r, w * r),
            "channel_shuffle": (n, c * r, h, w),
        }[name]
        return Sample((array(its, dtype, shape),), {ARGUMENT[name]: r})

    return Samples(draw, [_edge(dtype, (2, 8, 32, 34), **{ARGUMENT[name]: 2})])


ARGUMENT = {"pixel_shuffle": "upscale_factor", "pixel_unshuffle": "downscale_factor", "channel_shuffle": "groups"}


def _patches(its: Draw) -> tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]:
    """Lengths, numbers of patches, and keywords."""
    k, d, p, s = (tuple(its.integer(low, high) for _ in range(2)) for low, high in ((1, 3), (1, 2), (0, 2), (1, 3)))
    lengths = tuple(max(1, e * (a - 1) + 1 - 2 * b) + its.integer(0, 5) for a, e, b in zip(k, d, p, strict=True))
    counts = tuple((n + 2 * b - e * (a - 1) - 1) // c + 1 for n, a, e, b, c in zip(lengths, k, d, p, s, strict=True))
    return lengths, counts, {"kernel_size": k, "dilation": d, "padding": p, "stride": s}


def _unfold(dtype: DType) -> Samples:
    def draw(its: Draw) -> Sample:
        lengths, _, keywords = _patches(its)
        return Sample((array(its, dtype, (its.integer(0, 2), its.integer(1, 3), *lengths)),), keywords)

    return Samples(draw, [_edge(dtype, (2, 3, 17, 19), kernel_size=3, padding=1)])


def _fold(dtype: DType) -> Samples:
    def draw(its: Draw) -> Sample:
        lengths, counts, keywords = _patches(its)
        size = int(np.prod(keywords["kernel_size"]))
        shape = (its.integer(1, 2), its.integer(1, 3) * size, int(np.prod(counts)))
        return Sample((array(its, dtype, shape),), {"output_size": lengths, **keywords})

    return Samples(draw, [_edge(dtype, (2, 27, 16 * 18), "normal", output_size=(16, 18), kernel_size=3, padding=1)])


FAMILIES = {**{name: partial(_shuffle, name) for name in ARGUMENT}, "unfold": _unfold, "fold": _fold}

"""Examples of searches in sorted vectors, and of places of true elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import BOOL, DType
from ..ops import canonical
from ..ops.parameters import COMPACT_BLOCK
from .draw import Draw, array, shape
from .families import Edge, Sample, Samples
from .values import values

REGIMES = ("few", "special", "wide", "integers")


def in_order(x: np.ndarray) -> np.ndarray:
    """A vector sorted as `accel.sort` does, with the same strides."""
    x[...] = x[canonical.argsort(x, 0)]
    return x


def searches(dtype: DType) -> Samples:
    """A vector, mostly sorted, with ties and special values; values of any shape and layout; a side."""

    def draw(its: Draw) -> Sample:
        (n,) = shape(its, least=1, most=1)
        made = array(its, dtype, (n,), REGIMES)
        if made.flags.writeable and not its.once_in(4):
            made = in_order(made)
        keywords = {} if its.once_in(3) else {"side": its.choice(("left", "right"))}
        return Sample((made, array(its, dtype, shape(its), REGIMES)), keywords)

    cases = (
        ((0,), (5,)), ((1,), (3, 3)), ((2,), ()), ((1023,), (257,)), ((1025,), (4, 65)), ((4097,), (1025,)),
        ((70001,), (3, 2049)), ((7,), (70001,)),
    )  # fmt: skip
    return Samples(draw, [_edge(dtype, *case, REGIMES[i % 4], i) for i, case in enumerate(cases)])


def _edge(dtype: DType, of: tuple[int, ...], its_shape: tuple[int, ...], regime: str, number: int) -> Edge:
    def make() -> Sample:
        rng = np.random.default_rng(number)
        x = values(rng, dtype, of, regime)
        if number != 5:  # which stays without order
            x = in_order(x)
        side = "right" if number % 2 else "left"
        return Sample((x, values(rng, dtype, its_shape, regime)), {"side": side})

    return Edge(max(1, int(np.prod(its_shape)), *of), make)


def compactions() -> Samples:
    """A mask of any density and stride, and what is known of it."""

    def draw(its: Draw) -> Sample:
        (n,) = shape(its, least=1, most=1)
        return _compaction(array(its, BOOL, (n,)), its.choice((16, 256, COMPACT_BLOCK)), its.once_in(3))

    sizes = (1, 4095, 4097, 8192, 20011, 70001)
    return Samples(draw, [_mask_edge(n, i, counts) for i, n in enumerate(sizes) for counts in (False, True)])


def _compaction(mask: np.ndarray, block: int, counts: bool) -> Sample:
    """The places of true elements, or how many each block has."""
    padded = np.zeros(-(-mask.size // block) * block, bool)
    padded[: mask.size] = mask
    true = padded.reshape(-1, block).sum(1)
    keywords: dict[str, Any] = {} if block == COMPACT_BLOCK else {"block": block}
    if counts:
        return Sample((mask,), keywords)
    return Sample((mask, true.cumsum() - true), {"count": int(true.sum()), **keywords})


def _mask_edge(n: int, number: int, counts: bool) -> Edge:
    def make() -> Sample:
        rng = np.random.default_rng(n)
        mask = rng.random(2 * n) < (0.5, 1.0, 0.01, 0.0, 0.9, 0.3)[number]
        return _compaction(mask[::2] if number % 2 else mask[:n], COMPACT_BLOCK, counts)

    return Edge(n, make)


def counts(dtype: DType) -> Samples:
    """Arrays with many zeros, over some axes."""

    def draw(its: Draw) -> Sample:
        x = array(its, dtype, shape(its), REGIMES)
        keywords: dict[str, Any] = {}
        if x.ndim and its.once_in(2):
            keywords["axis"] = tuple(its.some(range(x.ndim)))
        if its.once_in(2):
            keywords["keepdims"] = True
        return Sample((x,), keywords)

    def edge() -> Sample:
        return Sample((values(np.random.default_rng(7), dtype, (67, 4099), "special"),), {"axis": 1})

    return Samples(draw, [Edge(67 * 4099, edge)])


def memberships(dtype: DType) -> Samples:
    """Elements, and others, of which they have some."""

    def draw(its: Draw) -> Sample:
        keywords = {"invert": True} if its.once_in(3) else {}
        x1, x2 = (array(its, dtype, shape(its, most=3, elements=300), REGIMES) for _ in range(2))
        return Sample((x1, x2), keywords)

    def edge() -> Sample:
        rng = np.random.default_rng(7)
        return Sample((values(rng, dtype, (1500,), "few"), values(rng, dtype, (1025,), "few")))

    return Samples(draw, [Edge(1500, edge)])


FAMILIES = {"count_nonzero": counts, "isin": memberships}

"""Examples of Fourier transforms."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..dtypes import DType
from .draw import Draw, array
from .families import Edge, Sample, Samples
from .values import values

LENGTHS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 15, 16, 21, 22, 24, 26, 30, 32, 33, 34, 35, 48, 49, 63, 64, 77, 97)
"""Of drawn examples: every radix, pairs of them, products with matrices and what follows these."""

EDGES = (1, 2, 7, 8, 96, 101, 121, 128, 202, 210, 256, 331, 512, 1000, 1024, 2310, 4096, 10007, 65536)
"""Of fixed ones: also primes and multiples of primes that are convolutions, and lengths of many stages."""


def _shape(its: Draw) -> tuple[tuple[int, ...], int]:
    """A shape and an axis of a transform, which is not empty; others may be."""
    n = its.choice(LENGTHS)
    lengths = [its.choice((0, 1, 2, 3, 5, 17)) for _ in range(its.integer(0, 2))]
    axis = its.integer(0, len(lengths))
    lengths.insert(axis, n)
    return tuple(lengths), axis - (len(lengths) if its.once_in(2) else 0)


def _scale(its: Draw, n: int) -> dict[str, Any]:
    return {"scale": its.choice((1.0 / n, 1.0 / np.sqrt(n)))} if its.once_in(3) else {}


def transforms(dtype: DType) -> Samples:
    """Parts of any layout, at times interleaved as those of a complex array are."""

    def draw(its: Draw) -> Sample:
        shape, axis = _shape(its)
        if its.once_in(3):
            both = array(its, dtype, (*shape, 2), ("normal", "special"))
            re, im = both[..., 0], both[..., 1]
        else:
            re, im = array(its, dtype, shape), array(its, dtype, shape)
        inverse = {"inverse": True} if its.once_in(2) else {}
        return Sample((re, im), {"axis": axis, **inverse, **_scale(its, shape[axis])})

    def edge(n: int, shape: tuple[int, ...], axis: int) -> Edge:
        def make() -> Sample:
            both = values(np.random.default_rng(n), dtype, (*shape, 2), "normal")
            return Sample((both[..., 0], both[..., 1]), {"axis": axis})

        return Edge(2 * prod(shape), make)

    some = [edge(n, (n, 3), 0) for n in (64, 96, 143, 303, 1024)]
    return Samples(draw, [*(edge(n, (n,), 0) for n in EDGES), *some, edge(90, (2, 90, 5), 1)])


def of_reals(dtype: DType) -> Samples:
    """Arrays of any layout."""

    def draw(its: Draw) -> Sample:
        shape, axis = _shape(its)
        return Sample((array(its, dtype, shape),), {"axis": axis, **_scale(its, shape[axis])})

    def edge(n: int) -> Edge:
        return Edge(n, lambda: Sample((values(np.random.default_rng(n), dtype, (n,), "normal"),)))

    return Samples(draw, [edge(n) for n in (1, 2, 3, 4, 6, 8, 97, 202, 256, 1000, 1331, 65536)])


def to_reals(dtype: DType) -> Samples:
    """The first halves of transforms, whose first and last elements have imaginary parts that do not count."""

    def draw(its: Draw) -> Sample:
        shape, axis = _shape(its)
        n = shape[axis]
        half = tuple(n // 2 + 1 if a == axis % len(shape) else m for a, m in enumerate(shape))
        operands = array(its, dtype, half), array(its, dtype, half)
        return Sample(operands, {"n": n, "axis": axis, **_scale(its, n)})

    def edge(n: int) -> Edge:
        def make() -> Sample:
            both = values(np.random.default_rng(n), dtype, (2, n // 2 + 1), "normal")
            return Sample((both[0], both[1]), {"n": n})

        return Edge(n, make)

    return Samples(draw, [edge(n) for n in (1, 2, 3, 4, 6, 8, 97, 202, 256, 1000, 1331, 65536)])


FAMILIES = {"fourier": transforms, "fourier_of_reals": of_reals, "reals_of_fourier": to_reals}

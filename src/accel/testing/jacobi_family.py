"""Examples of rows that are made orthogonal, and of matrices that are decomposed by them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import DType
from ..numerics import BLOCK, LANES
from .draw import Draw
from .factor_family import stacked
from .families import Edge, Sample, Samples
from .values import values

SHAPES = ((1, 1), (2, 2), (3, 4), (4, 3), (4, 4), (2, 9), (9, 2))

BATCHES = ((), (), (), (2,), (1, 2), (0,))


def rows(dtype: DType, pairs: bool) -> Samples:
    """Rows of an even number, which their length lets be orthogonal, with others behind them that are turned along; of
    pairs both parts."""
    parts = 2 if pairs else 1

    def draw(its: Draw) -> Sample:
        count, k, beside = its.choice((0, 1, 2)), its.integer(1, 2), its.integer(0, 7)
        length = 2 * k + its.integer(0, 70)
        rng, regime = np.random.default_rng(its.integer(0, 2**32 - 1)), its.choice(("normal", "normal", "integers"))
        made = [values(rng, dtype, (count, 2 * k, length + beside), regime) for _ in range(parts)]
        return Sample(tuple(stacked(its, x) for x in made), {"length": length})

    def edge(count: int, k: int, length: int, beside: int, change: Any = None) -> Edge:
        def make() -> Sample:
            rng = np.random.default_rng([k, length])
            made = [values(rng, dtype, (count, 2 * k, length + beside), "normal") for _ in range(parts)]
            for x in made if change is not None else ():
                change(x, length)
            return Sample(tuple(made), {"length": length})

        return Edge(2 * count * k * (length + beside), make)

    def dependent(x: np.ndarray, length: int) -> None:
        x[:, 0] = 0
        x[:, -1, :length] = x[:, 1, :length] * 2

    def equal(x: np.ndarray, length: int) -> None:
        """Rotations by 45 degrees, of both signs."""
        x[...] = np.where(np.arange(x.shape[1])[:, None] == np.arange(x.shape[2]), x.dtype.type(2), x.dtype.type(0.5))
        x[:, ::2] *= -1

    def nan(x: np.ndarray, length: int) -> None:
        x[-1, 1, 0] = np.nan

    def infinite(x: np.ndarray, length: int) -> None:
        x[0, 0, length - 1] = np.inf

    def graded(x: np.ndarray, length: int) -> None:
        x *= np.geomspace(1, 1e-6, x.shape[1]).astype(x.dtype)[:, None]

    def still(x: np.ndarray, length: int) -> None:
        """Nothing to turn, but cosines just below and just above the least one that is turned."""
        eps = np.finfo(x.dtype).eps
        x[...] = np.eye(x.shape[1], x.shape[2])
        x[:, 0, 1], x[:, 2, 3] = 1.75 * eps, 2.25 * eps

    sizes = ((1, 1, 2, 0), (2, 1, LANES, 2), (1, 3, LANES + 1, 6), (1, 5, 12, 10), (1, 2, BLOCK + 5, 4))
    edges = [edge(*its) for its in (*sizes, (1, 1, 2 * BLOCK + LANES, 1), (1, 17, 40, 120))]
    edges += [edge(2, 2, 5, 4, change) for change in (dependent, equal, nan, infinite, graded, still)]
    return Samples(draw, edges)


def _matrix(rng: np.random.Generator, dtype: DType, shape: tuple[int, ...], regime: str) -> np.ndarray:
    """Singular values far apart, unless the regime says otherwise."""
    if regime != "ordinary":
        return values(rng, dtype, shape, regime)
    m, n = shape[-2:]
    made = rng.standard_normal(shape)
    made[..., range(min(m, n)), range(min(m, n))] += 3 * np.arange(1, min(m, n) + 1)
    return made.astype(dtype.numpy)


def _of(dtype: DType, shapes: Any, beside: Any, **sometimes: Any) -> Samples:
    regimes = ("ordinary", "ordinary", "ordinary", "normal", "integers", "special")

    def draw(its: Draw) -> Sample:
        batch, shape, regime = its.choice(BATCHES), its.choice(shapes), its.choice(regimes)
        rng = np.random.default_rng(its.integer(0, 2**32 - 1))
        x = stacked(its, _matrix(rng, dtype, (*batch, *shape), regime))
        return Sample((x, *beside(rng, x)), sometimes if its.once_in(2) else {})

    def edge(*shape: int, regime: str = "ordinary") -> Edge:
        def make() -> Sample:
            rng = np.random.default_rng(shape)
            x = _matrix(rng, dtype, shape, regime)
            return Sample((x, *beside(rng, x)))

        return Edge(int(np.prod(shape)), make)

    square = all(m == n for m, n in shapes)
    edges = [edge(0, 0), edge(2, 0, 0), edge(1, 1), edge(9, 9)]
    edges += [edge(4, 4, regime=regime) for regime in ("zeros", "tiny", "huge", "few", "special")]
    return Samples(draw, [*edges, *(() if square else (edge(0, 3), edge(3, 0), edge(9, 3), edge(3, 9)))])


def _squares(dtype: DType) -> Samples:
    return _of(dtype, [(n, n) for n in (1, 2, 3, 4)], lambda rng, x: ())


FAMILIES = {
    "svd": lambda dtype: _of(dtype, SHAPES, lambda rng, x: (), full_matrices=False),
    "svdvals": lambda dtype: _of(dtype, SHAPES, lambda rng, x: ()),
    "eigh": _squares,
    "eigvalsh": _squares,
    "pinv": lambda dtype: _of(
        dtype, SHAPES, lambda rng, x: (np.full(x.shape[:-2], rng.choice([1e-4, 0.3]), dtype.numpy),)
    ),
}
"""Of the ops in `accel.ops.composed.spectral`, by name."""

"""Examples of factorisations: of blocks, and of matrices around the lengths at which they are cut into blocks."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import DType
from ..numerics import FACTOR
from .draw import Draw, laid
from .families import Edge, Sample, Samples
from .values import values

SIZES = (1, 2, 3, 7, 16, 17, FACTOR - 1, FACTOR)
"""Columns of a block."""


def stacked(its: Draw, x: np.ndarray) -> np.ndarray:
    """The same elements in some memory layout, at times with one matrix for all."""
    one = x.ndim > 2 and x.shape[0] and its.once_in(5)
    return laid(its, np.broadcast_to(x[:1], x.shape) if one else x)


def definite(rng: np.random.Generator, dtype: DType, shape: tuple[int, ...]) -> np.ndarray:
    """Symmetric positive definite matrices with off-diagonal elements that count."""
    n = shape[-1]
    half = rng.standard_normal((*shape[:-2], n, n + 4))
    made = half @ half.mT + n / 4 * np.eye(n)
    return made.astype(dtype.numpy)


def general(rng: np.random.Generator, dtype: DType, shape: tuple[int, ...]) -> np.ndarray:
    """Matrices of normal numbers whose rows have to change places, with pivots that leave no doubt: each column has a
    large element in a row of its own."""
    m, n = shape[-2:]
    made = rng.standard_normal(shape)
    for matrix in made.reshape(-1, m, n) if made.size else ():
        order = rng.permutation(m)[: min(m, n)]
        matrix[order, np.arange(len(order))] += rng.choice([-1.0, 1.0], len(order)) * max(m, n)
    return made.astype(dtype.numpy)


def _block(kind: str, rng: np.random.Generator, dtype: DType, shape: tuple[int, ...], regime: str) -> np.ndarray:
    if regime != "ordinary":
        return values(rng, dtype, shape, regime)
    return definite(rng, dtype, shape) if kind == "cholesky" else general(rng, dtype, shape)


def _triangle(rng: np.random.Generator, dtype: DType, count: int, n: int, unit: bool) -> np.ndarray:
    made = rng.standard_normal((count, n, n)) / max(1, n / 4)
    made += np.eye(n) * (np.nan if unit else 1.5)
    return np.where(np.tri(n, dtype=bool), made, np.nan).astype(dtype.numpy)  # what is not read is NaN


def blocks(kind: str, dtype: DType) -> Samples:
    """Blocks of every size, alone and many; of lu, of many rows; of solve, with many right-hand sides."""

    def made(rng: np.random.Generator, count: int, n: int, m: int, regime: str, unit: bool) -> tuple[Any, ...]:
        if kind == "solve":
            b = values(rng, dtype, (count, n, m), "normal" if regime == "ordinary" else regime)
            return _triangle(rng, dtype, count, n, unit), b
        rows = {"lu": m, "qr": max(m, n)}.get(kind, n)
        return (_block(kind, rng, dtype, (count, rows, n), regime),)

    def draw(its: Draw) -> Sample:
        count, n = its.choice((1, 1, 2, 5)), its.choice(SIZES)
        m = its.choice((1, n, n + 1, 2 * n + 3, 70)) if kind == "solve" else n + its.choice((0, 0, 1, 5, 40))
        regime = its.choice(("ordinary", "ordinary", "ordinary", "special", "integers"))
        unit = kind == "solve" and its.once_in(2)
        operands = made(np.random.default_rng(its.integer(0, 2**32 - 1)), count, n, m, regime, unit)
        return Sample(tuple(stacked(its, x) for x in operands), {"unit": True} if unit else {})

    def edge(count: int, n: int, m: int, regime: str, unit: bool = False) -> Edge:
        def make() -> Sample:
            return Sample(
                made(np.random.default_rng([n, m]), count, n, m, regime, unit), {"unit": True} if unit else {}
            )

        return Edge(count * n * max(m, n), make)

    regimes = ("ordinary", "special", "few", "wide", "tiny", "zeros", "huge")
    edges = [edge(1, n, n, "ordinary") for n in (1, 2, 15, 16, 17, FACTOR - 1, FACTOR)]
    edges += [edge(3, 17, 17, regime) for regime in regimes]
    if kind in ("lu", "qr"):
        rows = ((33, "ordinary"), (257, "ordinary"), (300, "few"), (1100, "ordinary"))
        edges += [edge(1, 32, m, r) for m, r in rows[: 4 if kind == "lu" else 2]]
        edges += [edge(1, 17, 5, "ordinary"), edge(2, 3, 1, "ordinary")]
    if kind == "solve":
        edges += [edge(2, FACTOR, m, "ordinary", m % 2 == 0) for m in (1, 7, 64, 129, 300)]
    return Samples(draw, edges)


def pairs(kind: str, dtype: DType) -> Samples:
    """Those blocks as real parts, each beside imaginary ones; of a Hermitian block the diagonal's are NaN."""
    of_reals = blocks(kind, dtype)

    def beside(x: np.ndarray) -> np.ndarray:
        rng = np.random.default_rng([*x.shape, int(np.isfinite(x).sum())])
        if kind != "cholesky":
            made = rng.standard_normal(x.shape) / (max(1, x.shape[1] / 4) if kind == "solve" else 1)
            return made.astype(x.dtype)
        half = rng.standard_normal(x.shape) / 12
        made = (half - half.mT).astype(x.dtype)
        made[:, range(x.shape[1]), range(x.shape[1])] = np.nan
        return made

    def doubled(sample: Sample) -> Sample:
        return Sample(tuple(part for x in sample.operands for part in (x, beside(x))), sample.keywords)

    def exchanged(sample: Sample) -> Sample:
        """With a pivot's imaginary part the larger one."""
        made = doubled(sample)
        return made if kind == "cholesky" else Sample((*made.operands[1::-1], *made.operands[2:]), made.keywords)

    def edge(its: Edge, change: Any) -> Edge:
        return Edge(2 * its.size, lambda: change(its.make()))

    def draw(its: Draw) -> Sample:
        return (exchanged if its.once_in(2) else doubled)(of_reals.draw(its))

    return Samples(draw, [edge(its, (doubled, exchanged)[i % 2]) for i, its in enumerate(of_reals.edges)])


# matrices of any size

LENGTHS = (0, 1, 2, 5, FACTOR - 1, FACTOR, FACTOR + 1, 2 * FACTOR, 2 * FACTOR + 5)

BATCHES = ((), (), (), (2,), (1, 3), (0,))


def _square(its: Draw, dtype: DType, made: Any) -> np.ndarray:
    batch, n = its.choice(BATCHES), its.choice(LENGTHS)
    return stacked(its, made(np.random.default_rng(its.integer(0, 2**32 - 1)), dtype, (*batch, n, n)))


def _matrix_edges(dtype: DType, made: Any) -> list[Edge]:
    """Of no, one and several blocks; singular ones, and what is no number."""

    def edge(shape: tuple[int, ...], change: Any = None) -> Edge:
        def make() -> Sample:
            x = made(np.random.default_rng(shape), dtype, shape)
            if change is not None:
                change(x)
            return Sample((x,))

        return Edge(int(np.prod(shape)), make)

    def zeroed(x: np.ndarray) -> None:
        x[..., 1] = x[..., 1, :] = 0

    def equal(x: np.ndarray) -> None:
        x[..., 1] = x[..., 2] = x[..., 0]
        x[..., 1, :] = x[..., 2, :] = x[..., 0, :]

    def nan(x: np.ndarray) -> None:
        x[..., 3, 2] = np.nan

    def infinite(x: np.ndarray) -> None:
        x[..., -1, -1] = np.inf

    shapes = ((0, 0), (1, 1), (FACTOR + 1,) * 2, (3, 2 * FACTOR, 2 * FACTOR), (3 * FACTOR + 7,) * 2)
    return [*map(edge, shapes), *(edge((FACTOR + 8,) * 2, change) for change in (zeroed, equal, nan, infinite))]


def of_matrices(made: Any, dtype: DType, **sometimes: Any) -> Samples:
    """One matrix, or several; sometimes: keywords that one in two examples has."""

    def draw(its: Draw) -> Sample:
        return Sample((_square(its, dtype, made),), sometimes if its.once_in(2) else {})

    return Samples(draw, _matrix_edges(dtype, made))


def systems(dtype: DType) -> Samples:
    """A matrix, or several, and right-hand sides that broadcast against them."""

    def sample(rng: np.random.Generator, a: tuple[int, ...], b: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        return general(rng, dtype, a), values(rng, dtype, b, "normal")

    def draw(its: Draw) -> Sample:
        n, columns = its.choice(LENGTHS), its.choice((0, 1, 2, 7, 40))
        batch = its.choice(BATCHES)
        other = its.choice(((), batch, (1,) * len(batch), (2, *batch)))
        its_shape = (n,) if its.once_in(4) else (*other, n, columns)
        a, b = sample(np.random.default_rng(its.integer(0, 2**32 - 1)), (*batch, n, n), its_shape)
        return Sample((stacked(its, a), stacked(its, b) if b.ndim > 1 else b))

    def edge(a: tuple[int, ...], b: tuple[int, ...]) -> Edge:
        return Edge(max(int(np.prod(a)), int(np.prod(b))), lambda: Sample(sample(np.random.default_rng(a), a, b)))

    n = 3 * FACTOR + 7
    shapes = (((0, 0), (0,)), ((1, 1), (1, 3)), ((n, n), (n,)), ((n, n), (n, 130)), ((40, 40), (3, 2, 40, 5)))
    return Samples(draw, [edge(*pair) for pair in (*shapes, ((3, 40, 40), (40, 5)), ((2, 1, 33, 33), (3, 33, 2)))])


def rectangles(dtype: DType) -> Samples:
    """Matrices with more rows than columns, and with fewer."""

    def draw(its: Draw) -> Sample:
        batch, m, n = its.choice(BATCHES), its.choice(LENGTHS), its.choice(LENGTHS)
        x = stacked(its, general(np.random.default_rng(its.integer(0, 2**32 - 1)), dtype, (*batch, m, n)))
        return Sample((x,), {"mode": "complete"} if its.once_in(2) else {})

    def edge(*its_shape: int, regime: str = "", **keywords: Any) -> Edge:
        def make() -> Sample:
            rng = np.random.default_rng(its_shape)
            x = values(rng, dtype, its_shape, regime) if regime else general(rng, dtype, its_shape)
            return Sample((x,), keywords)

        return Edge(int(np.prod(its_shape)), make)

    regimes = ("special", "few", "wide", "tiny", "zeros", "huge", "first", "last")
    edges = [*(edge(7, 5, regime=regime) for regime in regimes), edge(1, 1), edge(0, 3), edge(3, 0, mode="complete")]
    edges += [edge(FACTOR, FACTOR), edge(103, 71), edge(71, 103), edge(2, 70, 70), edge(103, 71, mode="complete")]
    return Samples(draw, [*edges, edge(300, 3), edge(3, 300)])


FAMILIES = {
    "cholesky": lambda dtype: of_matrices(definite, dtype, upper=True),
    "solve": systems,
    "qr": rectangles,
    "inv": lambda dtype: of_matrices(general, dtype),
    "det": lambda dtype: of_matrices(general, dtype),
    "slogdet": lambda dtype: of_matrices(general, dtype),
}
"""Of the ops in `accel.ops.composed.factorization`, by name."""

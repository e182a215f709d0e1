"""Examples of norms and statistics: operands that go together, running statistics, residuals, axes and orders."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, prod
from typing import Any

import numpy as np

from ..dtypes import DType
from ..numerics import BLOCK, LANES
from .draw import Draw, array, broadcast, shape
from .families import Edge, Sample, Samples
from .values import values

ROWS = (
    *((5, n) for n in (1, 2, LANES - 1, LANES, LANES + 1, 1000, BLOCK, BLOCK + 1)),
    *((2, 2 * BLOCK + 37), (70, 129), (129, 70), (2049, 3)),
)
"""Shapes whose last axis is a row: lengths around the lanes and the blocks, and many rows."""

IMAGES = ((2, 6, LANES + 1), (5, 4, 3, 7), (2, 2, BLOCK + 1), (3, 70, 5), (67, 6), (1, 4, 33, 31))
"""Shapes of samples of channels; every count of channels is even."""

SMALL = ("integers", "normal", "tiny")
"""Regimes of weights, biases and residuals: none that makes all results infinite."""

EDGES = ("special", "wide", "huge", "tiny", "zeros", "cancelling")
"""Regimes of further examples of one shape."""

ORDERS = (2, 2, 1, 0, inf, -inf, 3, 0.5, -1, -2.5)


def _perhaps(its: Draw, dtype: DType, its_shape: tuple[int, ...]) -> np.ndarray | None:
    return array(its, dtype, its_shape, SMALL) if its.integer(0, 1) else None


def _keywords(its: Draw, dtype: DType, its_shape: tuple[int, ...]) -> dict[str, Any]:
    """At times an epsilon, at times a residual."""
    keywords: dict[str, Any] = {"eps": its.choice((0.0, 1e-6, 0.5))} if its.once_in(3) else {}
    if its.once_in(3):
        keywords["residual"] = array(its, dtype, its_shape, SMALL)
    return keywords


def _made(
    dtype: DType, its_shape: tuple[int, ...], regime: str, *rest: Any, residual: bool = False, **keywords: Any
) -> Edge:
    """A row-major operand of a regime, then the op's other arguments, of which a tuple of one shape becomes an operand
    of that shape; and perhaps a residual."""

    def make() -> Sample:
        rng = np.random.default_rng([*its_shape])
        x = values(rng, dtype, its_shape, regime)
        others = [values(rng, dtype, r.shape, "normal") if isinstance(r, _Like) else r for r in rest]
        others = [abs(o) if isinstance(r, _Variance) else o for r, o in zip(rest, others, strict=True)]
        beside = {"residual": values(rng, dtype, its_shape, "normal")} if residual else {}
        return Sample((x, *others), keywords | beside)

    return Edge(prod(its_shape), make)


class _Like:
    """Stands for an operand of a shape."""

    def __init__(self, *its_shape: int) -> None:
        self.shape = its_shape


class _Variance(_Like):
    """Whose elements are not negative."""


def layer_norm(dtype: DType) -> Samples:
    """x, some of its last axes, perhaps weight, bias, an epsilon and a residual."""

    def draw(its: Draw) -> Sample:
        its_shape = shape(its, least=1)
        last = its_shape[-its.integer(1, len(its_shape)) :]
        operands = (array(its, dtype, its_shape), last, _perhaps(its, dtype, last), _perhaps(its, dtype, last))
        return Sample(operands, _keywords(its, dtype, its_shape))

    edges = [_made(dtype, s, "normal", s[-1:], _Like(*s[-1:]), _Like(*s[-1:])) for s in ROWS]
    edges += [_made(dtype, (67, 65), regime, (65,)) for regime in EDGES]
    edges += [_made(dtype, (33, 9, 5), "normal", (9, 5), _Like(9, 5), residual=True)]
    return Samples(draw, edges)


def rms_norm(dtype: DType) -> Samples:
    """x, some of its last axes, perhaps a weight, an epsilon and a residual."""

    def draw(its: Draw) -> Sample:
        its_shape = shape(its, least=1)
        last = its_shape[-its.integer(1, len(its_shape)) :]
        operands = (array(its, dtype, its_shape), last, _perhaps(its, dtype, last))
        return Sample(operands, _keywords(its, dtype, its_shape))

    edges = [_made(dtype, s, "normal", s[-1:], _Like(*s[-1:])) for s in ROWS]
    edges += [_made(dtype, (67, 65), regime, (65,)) for regime in EDGES]
    edges += [_made(dtype, (33, 9, 5), "normal", (9, 5), _Like(9, 5), residual=True)]
    return Samples(draw, edges)


def _image(its: Draw, channels: int, least: int = 1, most: int = 3) -> tuple[int, ...]:
    """(n, channels, …), with some axes behind."""
    return (
        its.choice((0, 1, 2, 3, 5)),
        channels,
        *(its.choice((1, 2, 3, 7, 16)) for _ in range(its.integer(least, most))),
    )


def group_norm(dtype: DType) -> Samples:
    """x, a number of groups, perhaps weight, bias, an epsilon and a residual."""

    def draw(its: Draw) -> Sample:
        groups = its.choice((1, 2, 3))
        its_shape = _image(its, groups * its.choice((1, 2, 5)), least=0)
        vectors = (_perhaps(its, dtype, its_shape[1:2]) for _ in range(2))
        return Sample((array(its, dtype, its_shape), groups, *vectors), _keywords(its, dtype, its_shape))

    edges = [_made(dtype, s, "normal", 2, _Like(s[1]), _Like(s[1])) for s in IMAGES]
    edges += [_made(dtype, (5, 6, 33), regime, 3) for regime in EDGES]
    return Samples(draw, [*edges, _made(dtype, (5, 6, 33), "normal", 1, residual=True)])


def batch_norm_inference(dtype: DType) -> Samples:
    """x, running statistics, perhaps weight, bias, an epsilon and a residual."""

    def draw(its: Draw) -> Sample:
        its_shape = _image(its, its.choice((0, 1, 3, 16)), least=0)
        middle, variance = (array(its, dtype, its_shape[1:2], SMALL) for _ in range(2))
        operands = (array(its, dtype, its_shape), middle, abs(variance))
        vectors = (_perhaps(its, dtype, its_shape[1:2]) for _ in range(2))
        return Sample((*operands, *vectors), _keywords(its, dtype, its_shape))

    edges = [_made(dtype, s, "normal", _Like(s[1]), _Variance(s[1]), _Like(s[1]), _Like(s[1])) for s in IMAGES]
    edges += [_made(dtype, (5, 6, 33), regime, _Like(6), _Variance(6)) for regime in EDGES]
    return Samples(draw, [*edges, _made(dtype, (5, 6, 33), "normal", _Like(6), _Variance(6), residual=True)])


def training(dtype: DType) -> Samples:
    """Of batch_norm_training and instance_norm_training: x, perhaps running statistics, weight, bias, a momentum, an
    epsilon and a residual."""

    def draw(its: Draw) -> Sample:
        its_shape = _image(its, its.choice((0, 1, 3, 16)))
        if prod(its_shape[2:]) == 1:
            its_shape = (*its_shape[:2], 2)
        operands = [array(its, dtype, its_shape), None, None]
        if its.integer(0, 1):
            operands[1:] = [array(its, dtype, its_shape[1:2], SMALL) for _ in range(2)]
        vectors = (_perhaps(its, dtype, its_shape[1:2]) for _ in range(2))
        momentum = {"momentum": its.choice((0.0, 0.25, 1.0))} if its.once_in(3) else {}
        return Sample((*operands, *vectors), momentum | _keywords(its, dtype, its_shape))

    shapes = [s for s in IMAGES if len(s) > 2]
    edges = [_made(dtype, s, "normal", *[_Like(s[1])] * 4) for s in shapes]
    edges += [_made(dtype, (5, 6, 33), regime, *[_Like(6)] * 2) for regime in EDGES]
    return Samples(draw, [*edges, _made(dtype, (5, 6, 33), "normal", *[_Like(6)] * 2, residual=True)])


def _axis(its: Draw, ndim: int) -> Any:
    """One axis, several, or None for all."""
    if its.once_in(3):
        return None
    return its.integer(-ndim, ndim - 1) if ndim and its.integer(0, 1) else tuple(its.some(range(ndim)))


def statistics(dtype: DType) -> Samples:
    """Of var, std and var_mean: x, axes, corrections, at times more than there are elements, and keepdims."""

    def draw(its: Draw) -> Sample:
        its_shape = shape(its, most=3)
        keywords: dict[str, Any] = {"axis": _axis(its, len(its_shape))}
        if its.integer(0, 1):
            keywords["correction"] = its.choice((0, 1, 0.5, 2, 7, -1))
        if its.integer(0, 1):
            keywords["keepdims"] = True
        return Sample((array(its, dtype, its_shape),), keywords)

    edges = [_made(dtype, s, "normal", axis=1, correction=1) for s in ROWS]
    edges += [_made(dtype, (70, 129), "normal", axis=0), _made(dtype, (7, 33, 9), "normal", axis=(0, 2))]
    return Samples(draw, edges + [_made(dtype, (67, 65), regime, axis=1) for regime in EDGES])


def vector_norm(dtype: DType) -> Samples:
    """x, axes, keepdims and an order; some axis has an element where there is no norm of nothing."""

    def draw(its: Draw) -> Sample:
        keywords: dict[str, Any] = {"ord": its.choice(ORDERS)}
        its_shape = shape(its, most=3)
        if keywords["ord"] in (inf, -inf) or keywords["ord"] < 0:
            its_shape = tuple(max(1, n) for n in its_shape)
        keywords["axis"] = _axis(its, len(its_shape))
        if its.integer(0, 1):
            keywords["keepdims"] = True
        return Sample((array(its, dtype, its_shape),), keywords)

    edges = [_made(dtype, s, "normal", axis=1) for s in ROWS]
    edges += [_made(dtype, (67, 65), regime, axis=1, ord=p) for regime in EDGES for p in (2, 1, 3)]
    return Samples(draw, edges + [_made(dtype, (33, 65), "few", axis=0, ord=p) for p in ORDERS])


def normalize(dtype: DType) -> Samples:
    """x with at least one axis, an order, an axis."""

    def draw(its: Draw) -> Sample:
        its_shape = tuple(max(1, n) for n in shape(its, least=1, most=3))
        keywords = {"axis": its.integer(-len(its_shape), len(its_shape) - 1)}
        if its.once_in(3):
            keywords["p"] = its.choice(ORDERS)
        return Sample((array(its, dtype, its_shape),), keywords)

    edges = [_made(dtype, s, "normal") for s in ROWS]
    return Samples(draw, edges + [_made(dtype, (67, 65), regime) for regime in EDGES])


def cosine_similarity(dtype: DType) -> Samples:
    """Two operands that broadcast against each other, and an axis."""

    def draw(its: Draw) -> Sample:
        its_shape = shape(its, least=1, most=3)
        operands = (array(its, dtype, its_shape), array(its, dtype, broadcast(its, its_shape)))
        return Sample(operands, {"axis": its.integer(-len(its_shape), len(its_shape) - 1)})

    edges = [_made(dtype, s, "normal", _Like(*s)) for s in ROWS]
    return Samples(draw, edges + [_made(dtype, (67, 65), regime, _Like(67, 65)) for regime in EDGES])


def softmin(dtype: DType) -> Samples:
    """An operand with at least one axis, and an axis of it."""

    def draw(its: Draw) -> Sample:
        its_shape = shape(its, least=1, most=3)
        keywords: dict[str, Any] = {"axis": its.integer(-len(its_shape), len(its_shape) - 1)}
        if dtype.itemsize == 2 and its.integer(0, 1):
            keywords["dtype"] = "float32"
        return Sample((array(its, dtype, its_shape),), keywords)

    edges: Sequence[Edge] = [_made(dtype, s, "normal") for s in ROWS]
    return Samples(draw, [*edges, *(_made(dtype, (67, 65), regime) for regime in EDGES)])

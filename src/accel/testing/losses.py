"""Examples of the losses: operands that go together, weights, and every reduction."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ..dtypes import DType
from ..numerics import BLOCK, LANES
from .draw import Draw, array, broadcast, shape
from .families import Edge, Sample, Samples
from .values import REGIMES, values

REDUCTIONS = ("none", "mean", "sum")
INDICES = ("int64", "int32", "int16")

CLASSES = (
    *((5, n) for n in (1, 2, LANES - 1, LANES, LANES + 1, 1000, BLOCK, BLOCK + 1)),
    *((1, 2 * BLOCK + 37), (70, 129), (3, 7, 65), (2, LANES + 1, 3, 5), (4097, 3), (130,)),
)
"""Shapes of inputs: rows around the lanes and the blocks, many rows, further axes, and one row alone."""

SIZES = ((1,), (LANES + 1,), (BLOCK - 1,), (BLOCK + 1,), (2 * BLOCK + 37,), (67, 65), (3, 5, 7))
"""Shapes of operands that are compared element by element."""


def class_axis(its_shape: Sequence[int]) -> int:
    """The second axis, or the only one."""
    return min(1, len(its_shape) - 1)


def _rows(its_shape: tuple[int, ...]) -> tuple[int, ...]:
    axis = class_axis(its_shape)
    return (*its_shape[:axis], *its_shape[axis + 1 :])


def _logits(its: Draw, dtype: DType) -> np.ndarray:
    found = list(shape(its, least=1, most=4))
    found[class_axis(found)] = max(1, found[class_axis(found)])
    return array(its, dtype, tuple(found))


def _indices(
    rng: np.random.Generator, its_shape: tuple[int, ...], dtype: str, ignored: int, outside: bool
) -> np.ndarray:
    """Classes, of which one in five is ignored; with outside, one in ten is no class."""
    classes = min(its_shape[class_axis(its_shape)], np.iinfo(dtype).max)
    made = rng.integers(0, classes, _rows(its_shape))
    made = np.where(rng.random(made.shape) < 0.2, ignored, made)
    if outside:
        made = np.where(rng.random(made.shape) < 0.1, rng.choice([-1, classes], made.shape), made)
    return np.asarray(made, dtype)


def _weight(rng: np.random.Generator, dtype: DType, classes: int) -> np.ndarray:
    return np.asarray((rng.random(classes) + 0.1).astype(dtype.numpy), dtype.numpy)


def by_index(dtype: DType, smoothed: bool = True) -> Samples:
    """Of class indices: input, target, perhaps a weight. smoothed: also the keywords that only cross_entropy has."""

    def draw(its: Draw) -> Sample:
        x = _logits(its, dtype)
        rng = np.random.default_rng(its.integer(0, 2**32 - 1))
        ignored = its.choice((-100, 0, -1))
        target = _indices(rng, x.shape, its.choice(INDICES), ignored, its.once_in(4))
        weight = [_weight(rng, dtype, x.shape[class_axis(x.shape)])] if its.once_in(2) else []
        keywords: dict[str, Any] = {"ignore_index": ignored, "reduction": its.choice(REDUCTIONS)}
        return Sample((x, target, *weight), keywords | (_factors(its) if smoothed else {}))

    edges = [
        _by_index(dtype, its_shape, regime, i, smoothed)
        for i, (its_shape, regime) in enumerate(
            [*((s, "normal") for s in CLASSES), *(((67, 33), r) for r in (*REGIMES, "nothing", "zeros", "last"))]
        )
    ]
    return Samples(draw, [*edges, _none_counts(dtype)])


def _factors(its: Draw) -> dict[str, Any]:
    return {"label_smoothing": its.choice((0.0, 0.1, 1.0)), "z_loss": its.choice((0.0, 1e-4))}


def _by_index(dtype: DType, its_shape: tuple[int, ...], regime: str, number: int, smoothed: bool) -> Edge:
    """Every third example has a weight, every second is smoothed, every fourth has a z-loss."""

    def make() -> Sample:
        rng = np.random.default_rng(number)
        x = values(rng, dtype, its_shape, regime)
        weight = [_weight(rng, dtype, its_shape[class_axis(its_shape)])] if number % 3 == 0 else []
        keywords: dict[str, Any] = {"reduction": REDUCTIONS[number % 3 - 1]}
        if smoothed:
            keywords |= {"label_smoothing": 0.1 * (number % 2), "z_loss": 0.0 if number % 4 else 1e-3}
        return Sample((x, _indices(rng, its_shape, "int64", -100, number % 5 == 4), *weight), keywords)

    return Edge(prod(its_shape), make)


def _none_counts(dtype: DType) -> Edge:
    """Every row is ignored."""
    x = np.ones((3, 5), dtype.numpy)
    return Edge(15, lambda: Sample((x, np.full(3, 2)), {"ignore_index": 2}))


def by_probability(dtype: DType) -> Samples:
    """Of probabilities: input, target of its shape, perhaps a weight."""

    def draw(its: Draw) -> Sample:
        x = _logits(its, dtype)
        rng = np.random.default_rng(its.integer(0, 2**32 - 1))
        axis = class_axis(x.shape)
        weight = [_weight(rng, dtype, x.shape[axis])] if its.once_in(2) else []
        keywords = {"reduction": its.choice(REDUCTIONS)} | _factors(its)
        return Sample((x, _distribution(rng, dtype, x.shape), *weight), keywords)

    def edge(its_shape: tuple[int, ...], regime: str, number: int) -> Edge:
        def make() -> Sample:
            rng = np.random.default_rng(number)
            x = values(rng, dtype, its_shape, regime)
            weight = [_weight(rng, dtype, its_shape[class_axis(its_shape)])] if number % 3 == 0 else []
            keywords = {"reduction": REDUCTIONS[number % 3 - 1], "label_smoothing": 0.1 * (number % 2)}
            return Sample((x, _distribution(rng, dtype, its_shape), *weight), keywords)

        return Edge(prod(its_shape), make)

    made = [*((s, "normal") for s in CLASSES), *(((67, 33), r) for r in (*REGIMES, "zeros"))]
    return Samples(draw, [edge(s, regime, i) for i, (s, regime) in enumerate(made)])


def _distribution(rng: np.random.Generator, dtype: DType, its_shape: tuple[int, ...]) -> np.ndarray:
    """Probabilities that sum to one along the axis of classes, but for their rounding."""
    made = rng.random(its_shape) + 1e-3
    made = made / made.sum(axis=class_axis(its_shape), keepdims=True)
    return np.asarray(made.astype(dtype.numpy), dtype.numpy)


def cross_entropy(dtype: DType) -> Samples:
    """Of class indices, and of probabilities."""
    indices, shares = by_index(dtype), by_probability(dtype)
    return Samples(lambda its: its.choice((indices, shares)).draw(its), [*indices.edges, *shares.edges])


PROBABILITIES = "probabilities"
SIGNS = "signs"
POSITIVE = "positive"

PAIRS: dict[str, tuple[tuple[str, ...], tuple[dict[str, Any], ...]]] = {
    "mse_loss": (("", ""), ({},)),
    "l1_loss": (("", ""), ({},)),
    "smooth_l1_loss": (("", ""), ({}, {"beta": 0.0}, {"beta": 0.25})),
    "huber_loss": (("", ""), ({}, {"delta": 0.25})),
    "poisson_nll_loss": (("", POSITIVE), ({}, {"full": True}, {"log_input": False, "full": True})),
    "gaussian_nll_loss": (("", "", POSITIVE), ({}, {"full": True}, {"eps": 0.5})),
    "kl_div": (("", PROBABILITIES), ({}, {"log_target": True}, {"reduction": "batchmean"})),
    "binary_cross_entropy": ((PROBABILITIES, PROBABILITIES), ({},)),
    "binary_cross_entropy_with_logits": (("", PROBABILITIES), ({},)),
    "soft_margin_loss": (("", SIGNS), ({},)),
    "hinge_embedding_loss": (("", SIGNS), ({}, {"margin": 0.25})),
    "margin_ranking_loss": (("", "", SIGNS), ({}, {"margin": 0.5})),
}
"""What each operand holds ("": any numbers), and keywords that are given at times."""

WEIGHTED: dict[str, tuple[Any, ...]] = {
    "mse_loss": ("reduction", "weight"),
    "l1_loss": ("reduction", "weight"),
    "huber_loss": ("reduction", 1.0, "weight"),
    "binary_cross_entropy": ("weight", "reduction"),
    "binary_cross_entropy_with_logits": ("weight", "reduction", "weight"),
}
"""Of losses that take weights: what follows the operands."""


def by_element(op: str, dtype: DType) -> Samples:
    """Of operands of one shape: numbers of every regime, or what the loss expects of them, and at times a weight."""
    kinds, keywords = PAIRS[op]

    def draw(its: Draw) -> Sample:
        its_shape, reduction = shape(its), its.choice(REDUCTIONS)
        rng = np.random.default_rng(its.integer(0, 2**32 - 1))
        operands = [_held(rng, dtype, array(its, dtype, its_shape), kind) for kind in kinds]
        if op in WEIGHTED and its.once_in(2):
            weight = np.abs(array(its, dtype, broadcast(its, its_shape), ("normal", "integers")))
            return Sample((*operands, *_after(op, reduction, weight)))
        return Sample(tuple(operands), {"reduction": reduction} | its.choice(keywords))

    def edge(its_shape: tuple[int, ...], regime: str, number: int) -> Edge:
        def make() -> Sample:
            rng = np.random.default_rng(number)
            operands = [_held(rng, dtype, values(rng, dtype, its_shape, regime), kind) for kind in kinds]
            if op in WEIGHTED and number % 2:
                weight = values(rng, dtype, its_shape[-1:], "normal")
                return Sample((*operands, *_after(op, REDUCTIONS[number % 3], np.abs(weight))))
            return Sample(tuple(operands), {"reduction": REDUCTIONS[number % 3]} | keywords[number % len(keywords)])

        return Edge(prod(its_shape), make)

    made = [*((s, "normal") for s in SIZES), *((s, r) for s in ((67, 33), (0, 3)) for r in (*REGIMES, "zeros"))]
    return Samples(draw, [edge(s, regime, i) for i, (s, regime) in enumerate(made)])


def _after(op: str, reduction: str, weight: np.ndarray) -> tuple[Any, ...]:
    return tuple({"reduction": reduction, "weight": weight}.get(each, each) for each in WEIGHTED[op])


def _held(rng: np.random.Generator, dtype: DType, x: np.ndarray, kind: str) -> np.ndarray:
    """Numbers of a kind in the place of x, in its layout or row-major."""
    if kind == POSITIVE:
        return np.abs(x)
    if kind == SIGNS:
        return np.asarray(rng.choice([-1.0, 1.0], x.shape).astype(dtype.numpy), dtype.numpy)
    if kind == PROBABILITIES:  # 0 and 1 among them
        return np.asarray(np.clip(1.5 * rng.random(x.shape) - 0.25, 0, 1).astype(dtype.numpy), dtype.numpy)
    return x

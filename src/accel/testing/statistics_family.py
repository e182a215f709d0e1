"""Examples of averages, covariances, ranges, integrals and closeness."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..dtypes import DType
from ..numerics import BLOCK, KC, LANES
from .draw import Draw, array, shape
from .families import Edge, Sample, Samples
from .values import values

SMALL = ("integers", "normal", "tiny")
"""Regimes of weights and places: none that makes all results infinite."""


def _axes(its: Draw, ndim: int, several: bool = True) -> dict[str, Any]:
    """At times one axis, at times several."""
    if not ndim or its.once_in(3):
        return {}
    one = its.integer(-ndim, ndim - 1)
    return {"axis": tuple(its.some(range(ndim))) if several and its.once_in(3) else one}


def _edge(dtype: DType, shapes: Sequence[tuple[int, ...]], regime: str = "normal", **keywords: Any) -> Edge:
    def make() -> Sample:
        rng = np.random.default_rng([n for s in shapes for n in s])
        return Sample(tuple(values(rng, dtype, s, regime) for s in shapes), keywords)

    return Edge(max(int(np.prod(s)) for s in shapes), make)


def ranges(dtype: DType) -> Samples:
    """An operand with something to choose from, axes, keepdims."""

    def draw(its: Draw) -> Sample:
        lengths = tuple(max(1, n) for n in shape(its, most=3, elements=600))
        keywords = _axes(its, len(lengths)) | ({"keepdims": True} if its.once_in(2) else {})
        return Sample((array(its, dtype, lengths),), keywords)

    return Samples(draw, [_edge(dtype, [(5, LANES + 1)], axis=1), _edge(dtype, [(70, 33)], axis=0)])


def averages(dtype: DType) -> Samples:
    """An operand, axes, and weights of its shape, of the axes' lengths, or none."""

    def draw(its: Draw) -> Sample:
        lengths = tuple(max(1, n) for n in shape(its, least=1, most=3, elements=600))
        keywords = {"axis": its.integer(-len(lengths), len(lengths) - 1)} | (
            {"keepdims": True} if its.once_in(2) else {}
        )
        if its.integer(0, 2):
            along = (lengths[keywords["axis"]],)
            weights = array(its, dtype, its.choice((along, lengths)), ("normal",))
            keywords["weights"] = np.abs(weights) + weights.dtype.type(0.5)
            if its.once_in(2):
                keywords["returned"] = True
        return Sample((array(its, dtype, lengths, ("integers", "normal", "special")),), keywords)

    return Samples(draw, [_edge(dtype, [(3, BLOCK + 33)], axis=1), _edge(dtype, [(70, 33)], axis=0, returned=True)])


def covariances(dtype: DType) -> Samples:
    """Variables and observations, at times further variables, degrees of freedom, and weights."""

    def draw(its: Draw) -> Sample:
        variables, n = its.choice((1, 2, 3, 7)), its.choice((1, 2, 5, 33))
        rowvar, one = bool(its.integer(0, 3)), its.once_in(4)
        lengths = (n,) if one else (variables, n) if rowvar else (n, variables)
        keywords: dict[str, Any] = {} if rowvar else {"rowvar": False}
        if its.once_in(3):
            keywords["y"] = array(its, dtype, (n,), ("normal",))
        if its.once_in(3):
            keywords["bias"] = True
        if its.once_in(3):
            keywords["ddof"] = its.choice((0, 1, 2))
        rng = np.random.default_rng(its.integer(0, 999))
        if its.once_in(3):
            keywords["fweights"] = rng.integers(1, 5, n)
        if its.once_in(3):
            keywords["aweights"] = (0.5 + rng.random(n)).astype(dtype.numpy)
        return Sample((array(its, dtype, lengths, ("integers", "normal")),), keywords)

    return Samples(draw, [_edge(dtype, [(5, KC + 33)]), _edge(dtype, [(70, 3)], rowvar=False)])


def correlations(dtype: DType) -> Samples:
    """As covariances have them, without weights."""

    def draw(its: Draw) -> Sample:
        sample = covariances(dtype).draw(its)
        return Sample(sample.operands, {k: v for k, v in sample.keywords.items() if k in ("y", "rowvar")})

    return Samples(draw, [_edge(dtype, [(5, KC + 33)]), _edge(dtype, [(70, 3)], rowvar=False)])


def integrals(dtype: DType) -> Samples:
    """Samples along an axis, with or without their places."""

    def draw(its: Draw) -> Sample:
        lengths = shape(its, least=1, most=3, elements=600)
        axis = its.integer(-len(lengths), len(lengths) - 1)
        keywords: dict[str, Any] = {"axis": axis}
        if its.once_in(2):
            keywords["x"] = array(its, dtype, its.choice(((lengths[axis],), lengths)), SMALL)
        elif its.once_in(2):
            keywords["dx"] = 0.3
        return Sample((array(its, dtype, lengths),), keywords)

    return Samples(draw, [_edge(dtype, [(3, BLOCK + 33)]), _edge(dtype, [(70, 33)], axis=0, dx=0.1)])


def interpolations(dtype: DType) -> Samples:
    """Places, and points in ascending order, with some at the same place, too."""

    def points(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        places = np.sort(np.round(4 * rng.standard_normal(n)) / 4).astype(dtype.numpy)
        return places, values(rng, dtype, (n,), "normal")

    def draw(its: Draw) -> Sample:
        x = array(its, dtype, shape(its, most=2, elements=200), ("integers", "normal"))
        xp, fp = points(np.random.default_rng(its.integer(0, 999)), its.choice((1, 2, 3, 17)))
        keywords: dict[str, Any] = {"left": -7.0} if its.once_in(2) else {}
        if its.once_in(2):
            keywords["right"] = 0.1
        return Sample((x, xp, fp), keywords)

    def edge() -> Sample:
        rng = np.random.default_rng(8)
        return Sample((values(rng, dtype, (513,), "normal"), *points(rng, 65)))

    return Samples(draw, [Edge(513, edge)])


def closeness(dtype: DType) -> Samples:
    """An operand and itself, or one with other elements in some places; tolerances."""

    def draw(its: Draw) -> Sample:
        x = array(its, dtype, shape(its, most=3, elements=600))
        rng = np.random.default_rng(its.integer(0, 999))
        other = np.array(x)
        if its.once_in(2) and other.size:
            other = np.where(rng.random(x.shape) < 0.5, values(rng, dtype, x.shape, "integers"), other)
        keywords: dict[str, Any] = {"rtol": its.choice((0.0, 1e-3))} if its.once_in(2) else {}
        if its.once_in(2):
            keywords["atol"] = its.choice((0.0, 0.5, 3.0))
        if its.once_in(2):
            keywords["equal_nan"] = True
        return Sample((x, other), keywords)

    return Samples(draw, [_edge(dtype, [(5, LANES + 1)] * 2), _edge(dtype, [(33, 70), (70,)], "zeros")])


FAMILIES: dict[str, Callable[[DType], Samples]] = {
    "ptp": ranges,
    "average": averages,
    "cov": covariances,
    "corrcoef": correlations,
    "trapezoid": integrals,
    "interp": interpolations,
    "allclose": closeness,
}
"""The examples of an op, by its family."""

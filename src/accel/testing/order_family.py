"""Examples of medians and quantiles."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from ..dtypes import DType
from .draw import Draw, array, shape
from .families import Edge, Sample, Samples
from .values import values

METHODS = (
    "linear",
    "hazen",
    "median_unbiased",
    "lower",
    "nearest",
    "midpoint",
    "averaged_inverted_cdf",
    "inverted_cdf",
)


def _operand(its: Draw, dtype: DType, nan: bool) -> tuple[np.ndarray, dict[str, Any]]:
    lengths = shape(its, most=3, elements=600)
    x = array(its, dtype, lengths, ("integers", "normal", "normal", "special"))
    if nan and x.flags.writeable and its.once_in(2):
        x[np.random.default_rng(its.integer(0, 99)).random(lengths) < 0.4] = np.nan
    keywords: dict[str, Any] = {"keepdims": True} if its.once_in(2) else {}
    if lengths and its.integer(0, 2):
        one = its.integer(-len(lengths), len(lengths) - 1)
        keywords["axis"] = tuple(its.some(range(len(lengths)))) if its.once_in(3) else one
    return x, keywords


def medians(dtype: DType, nan: bool = False) -> Samples:
    """An operand, axes, keepdims; with NaN among them, or not."""

    def draw(its: Draw) -> Sample:
        x, keywords = _operand(its, dtype, nan)
        return Sample((x,), keywords)

    return Samples(draw, [_edge(dtype, (3, 400), (), axis=1), _edge(dtype, (33, 7), (), axis=0)])


def quantiles(dtype: DType) -> Samples:
    """An operand, one share or several, axes, keepdims, a method."""

    def draw(its: Draw) -> Sample:
        x, keywords = _operand(its, dtype, False)
        if its.once_in(2):
            keywords["method"] = its.choice(METHODS)
        return Sample((x, its.choice((0.5, 0.1, 0.0, 1.0, (0.25, 0.75), (0.9, 0.0, 1.0), (0.3,)))), keywords)

    shares = tuple(i / 20 for i in range(21))
    return Samples(draw, [_edge(dtype, (3, 400), (shares,), axis=1), _edge(dtype, (33, 7), (0.3,), axis=0)])


def _edge(dtype: DType, lengths: tuple[int, ...], rest: tuple[Any, ...], **keywords: Any) -> Edge:
    def make() -> Sample:
        return Sample((values(np.random.default_rng(lengths), dtype, lengths, "normal"), *rest), keywords)

    return Edge(prod(lengths), make)


FAMILIES: dict[str, Callable[[DType], Samples]] = {
    "median": medians,
    "nanmedian": lambda dtype: medians(dtype, True),
    "quantile": quantiles,
}
"""The examples of an op, by its family."""

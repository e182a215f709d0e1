"""Examples of the activations with parameters and of the gated units."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..dtypes import DType
from .draw import Draw, array, broadcast, shape
from .families import PERIOD, Edge, Sample, Samples
from .values import REGIMES, values

KEYWORDS: dict[str, tuple[dict[str, Any], ...]] = {
    "elu": ({}, {"alpha": 0.3}, {"alpha": -2.0}),
    "celu": ({}, {"alpha": 0.3}, {"alpha": 4.0}),
    "leaky_relu": ({}, {"negative_slope": 0.2}, {"negative_slope": 0.0}),
    "rrelu": ({}, {"lower": 0.1, "upper": 0.2}),
    "hardtanh": ({}, {"min_val": -0.1, "max_val": 2.5}, {"min_val": 1.0, "max_val": 1.0}),
    "relu6": ({},),
    "threshold": ({"threshold": 0.1, "value": -7.5}, {"threshold": -1.0, "value": 20.0}),
    "softplus": ({}, {"beta": 0.5, "threshold": 3.0}, {"beta": 2.0}),
    "softshrink": ({}, {"lambd": 0.0}, {"lambd": 1.5}),
    "hardshrink": ({}, {"lambd": 0.0}, {"lambd": 1.5}),
    "softcap": ({"cap": 30.0}, {"cap": 0.7}),
    "geglu": ({}, {"approximate": "tanh"}),
}
"""Of an op: the keywords that an example has, by turns."""

FINITE = tuple(regime for regime in REGIMES if regime != "special")
"""Of gated units: infinity times a gate's activation is infinite or NaN, as that underflows or not."""

SHAPES = ((1,), (31,), (64,), (257,), (PERIOD,), (4097,), (67, 33), (3, 5, 7), (0, 3), ())


def activation(op: str, dtype: DType) -> Samples:
    """One operand of any layout, and the op's keywords."""

    def draw(its: Draw) -> Sample:
        return Sample((array(its, dtype, shape(its)),), its.choice(KEYWORDS[op]))

    def edge(number: int, its_shape: tuple[int, ...]) -> Edge:
        def make() -> Sample:
            x = values(np.random.default_rng(number), dtype, its_shape, REGIMES[number % len(REGIMES)])
            return Sample((x,), KEYWORDS[op][number % len(KEYWORDS[op])])

        return Edge(prod(its_shape), make)

    return Samples(draw, [edge(i, s) for i, s in enumerate(SHAPES)])


def prelu(dtype: DType) -> Samples:
    """x, and a weight for all or for each channel."""

    def draw(its: Draw) -> Sample:
        its_shape = shape(its)
        channels = its_shape[1] if len(its_shape) > 1 else 1
        return Sample((array(its, dtype, its_shape), array(its, dtype, its.choice(((), (1,), (channels,))))))

    def edge(number: int, its_shape: tuple[int, ...]) -> Edge:
        def make() -> Sample:
            rng = np.random.default_rng(number)
            x = values(rng, dtype, its_shape, REGIMES[number % len(REGIMES)])
            return Sample((x, values(rng, dtype, its_shape[1:2] or (1,), "normal")))

        return Edge(prod(its_shape), make)

    return Samples(draw, [edge(i, s) for i, s in enumerate(SHAPES)])


def gated(op: str, dtype: DType) -> Samples:
    """x of an even length of an axis; or x and a gate that broadcasts to it, which glu does not take."""
    choices = KEYWORDS.get(op, ({},))

    def draw(its: Draw) -> Sample:
        if op != "glu" and its.once_in(2):
            its_shape = shape(its)
            gate = array(its, dtype, broadcast(its, its_shape), FINITE)
            return Sample((array(its, dtype, its_shape, FINITE), gate), its.choice(choices))
        drawn = list(shape(its, least=1, elements=1000))
        axis = its.integer(-len(drawn), len(drawn) - 1)
        drawn[axis] *= 2
        return Sample((array(its, dtype, tuple(drawn), FINITE),), {"axis": axis} | its.choice(choices))

    def edge(number: int, its_shape: tuple[int, ...]) -> Edge:
        def make() -> Sample:
            x = values(np.random.default_rng(number), dtype, its_shape, FINITE[number % len(FINITE)])
            axis = next(a for a, n in enumerate(its_shape) if n % 2 == 0)
            return Sample((x,), {"axis": axis} | choices[number % len(choices)])

        return Edge(prod(its_shape), make)

    shapes = ((2,), (64,), (514,), (4098,), (8194,), (66, 33), (3, 130), (3, 6, 7), (0, 3))
    return Samples(draw, [edge(i, s) for i, s in enumerate(shapes)])

"""Examples of frexp, isclose, lcm, lerp, nan_to_num, beta and betaln."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..dtypes import DType
from .draw import Draw, array, broadcast, shape
from .families import PERIOD, Edge, Sample, Samples
from .values import REGIMES, values

OPERANDS = {"frexp": 1, "isclose": 2, "lcm": 2, "lerp": 3, "nan_to_num": 1}

KEYWORDS: dict[str, tuple[dict[str, Any], ...]] = {
    "isclose": ({}, {"rtol": 0.25, "atol": 0.5}, {"equal_nan": True}, {"rtol": 0.0, "atol": 0.0}),
    "nan_to_num": ({}, {"nan": 1.5}, {"posinf": 7.0, "neginf": -0.5}, {"nan": -2.0, "posinf": 1e4}),
}

SHAPES = ((1,), (31,), (64,), (257,), (PERIOD,), (4097,), (67, 33), (0, 3), ())


def of(op: str, dtype: DType) -> Samples:
    """Operands of any layouts, one of them of the full shape, and the op's keywords."""
    count, keywords = OPERANDS[op], KEYWORDS.get(op, ({},))

    def draw(its: Draw) -> Sample:
        full_shape, full = shape(its), its.integer(0, count - 1)
        made = [array(its, dtype, full_shape if i == full else broadcast(its, full_shape)) for i in range(count)]
        return Sample(tuple(made), its.choice(keywords))

    def edge(number: int, its_shape: tuple[int, ...]) -> Edge:
        def make() -> Sample:
            rng = np.random.default_rng(number)
            made = [values(rng, dtype, its_shape, REGIMES[(number + i) % len(REGIMES)]) for i in range(count)]
            return Sample(tuple(made), keywords[number % len(keywords)])

        return Edge(count * prod(its_shape), make)

    return Samples(draw, [edge(i, s) for i, s in enumerate(SHAPES)])


def positive(op: str, dtype: DType) -> Samples:
    """Two operands, most of them above 0: small ones, and of every magnitude."""

    def made(rng: np.random.Generator, its_shape: tuple[int, ...]) -> np.ndarray:
        small = rng.uniform(0.01, 20, its_shape)
        every = np.exp2(rng.uniform(-30, 30 if op == "betaln" else 7, its_shape))
        special = rng.choice([0.0, -0.0, -1.5, np.inf, np.nan, 1.0, 10.0], its_shape)
        chance = rng.random(its_shape)
        chosen = np.where(chance < 0.6, small, np.where(chance < 0.95, every, special))
        with np.errstate(all="ignore"):
            return np.asarray(chosen.astype(dtype.numpy))

    def sample(number: int, its_shape: tuple[int, ...]) -> Sample:
        rng = np.random.default_rng(number)
        return Sample((made(rng, its_shape), made(rng, its_shape)))

    def draw(its: Draw) -> Sample:
        return sample(its.integer(0, 1 << 30), shape(its))

    def edge(number: int, its_shape: tuple[int, ...]) -> Edge:
        return Edge(2 * prod(its_shape), lambda: sample(number, its_shape))

    return Samples(draw, [edge(i, s) for i, s in enumerate(SHAPES)])

"""Examples of products of 8-bit integers, and of activations as 8-bit codes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import FLOAT32, DType
from ..numerics import BLOCK, KC
from ..ops.parameters import Quantized
from .draw import Draw, array
from .families import ACTIVATIONS, Edge, Sample, Samples
from .quantized_family import weights
from .values import values

CODES = ("int8", "uint8")
LENGTHS = (0, 1, 2, 3, 5, 9, 17, 64)
DEPTHS = (0, 1, 3, 4, 7, 32, 65, 130)
REGIMES = ("normal", "tiny", "wide", "special", "integers")


def codes(rng: np.random.Generator, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """Codes of all values, both ends often."""
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    drawn = rng.integers(low, high + 1, shape)
    return np.where(rng.integers(0, 4, shape) == 0, rng.choice((low, high), shape), drawn).astype(dtype)


def _zero(its: Draw, rng: np.random.Generator, dtype: str, each: tuple[int, ...]) -> np.ndarray | None:
    shape = its.choice((None, (), each))
    return None if shape is None else codes(rng, its.choice((dtype, "int8")), shape)


def _pair(its: Draw, dtype: DType, lead: tuple[int, ...]) -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
    """Two operands, and zero points for some."""
    rng = np.random.default_rng(its.integer(0, 2**32 - 1))
    m, k, n = its.choice(LENGTHS), its.choice(DEPTHS), its.choice(LENGTHS)
    other = its.choice(CODES)
    a = codes(rng, dtype.name, (*lead, m, k))
    b = codes(rng, other, (n, k)).T if its.integer(0, 1) else codes(rng, other, (k, n))
    found = {
        "a_zero_point": _zero(its, rng, dtype.name, (*lead, m, 1)),
        "b_zero_point": _zero(its, rng, other, its.choice(((n,), (1, n)))),
    }
    return [a, b], {name: x for name, x in found.items() if x is not None}


def products(dtype: DType) -> Samples:
    """All pairs of dtypes and zero points; depths around the chunks of kernels."""

    def draw(its: Draw) -> Sample:
        operands, zeros = _pair(its, dtype, its.choice(((), (), (2,), (3, 1))))
        return Sample(tuple(operands), zeros)

    def edge(m: int, k: int, n: int, other: str) -> Edge:
        def make() -> Sample:
            rng = np.random.default_rng((m, k, n))
            a, b = codes(rng, dtype.name, (m, k)), codes(rng, other, (n, k)).T
            zeros = {"a_zero_point": codes(rng, dtype.name, (m, 1)), "b_zero_point": codes(rng, other, (n,))}
            return Sample((a, b), zeros)

        return Edge(max(m, n) * k, make)

    sizes = ((1, 4 * KC + 3, 65), (9, KC + 1, 33), (70, 2 * KC, 66), (2, BLOCK + 77, 3))
    return Samples(draw, [edge(*size, other) for size in sizes for other in CODES])


def scaled(dtype: DType) -> Samples:
    """The same with scales, at times a bias and another dtype."""

    def draw(its: Draw) -> Sample:
        (a, b), zeros = _pair(its, dtype, its.choice(((), (2,))))
        n = b.shape[-1]
        rng = np.random.default_rng(its.integer(0, 2**32 - 1))
        regime = its.choice(("normal", "tiny", "special"))
        scales = [values(rng, FLOAT32, its.choice(((), each)), regime) for each in ((*a.shape[:-1], 1), (n,))]
        keywords: dict[str, Any] = dict(zeros)
        if its.integer(0, 1):
            keywords["bias"] = values(rng, FLOAT32, (n,), "normal")
        if its.once_in(3):
            keywords["dtype"] = its.choice(("float16", "bfloat16", "float32"))
        return Sample((a, b, *scales), keywords)

    def edge(m: int, k: int, n: int) -> Edge:
        def make() -> Sample:
            rng = np.random.default_rng((m, k, n))
            a, b = codes(rng, dtype.name, (m, k)), codes(rng, "int8", (n, k)).T
            return Sample((a, b, values(rng, FLOAT32, (m, 1), "normal"), values(rng, FLOAT32, (n,), "normal")))

        return Edge(max(m, n) * k, make)

    return Samples(draw, [edge(1, 4 * KC + 3, 65), edge(33, 2 * KC + 5, 70)])


def activations(dtype: DType) -> Samples:
    """Rows of any length, of one number, of zeros, and around blocks."""

    def draw(its: Draw) -> Sample:
        lead, k = its.choice(((), (1,), (5,), (0,), (2, 3))), its.choice((1, 2, 7, 64, 65, 300))
        return Sample((array(its, dtype, (*lead, k), (*REGIMES, "zeros")),), _symmetric(its))

    def edge(rows: int, k: int, symmetric: bool) -> Edge:
        def make() -> Sample:
            rng = np.random.default_rng((rows, k))
            x = values(rng, dtype, (rows, k), "normal")
            x[0] = 0
            return Sample((x,), {} if symmetric else {"symmetric": False})

        return Edge(rows * k, make)

    sizes = ((3, 1023), (2, BLOCK), (2, BLOCK + 1), (523, 65))
    return Samples(draw, [edge(*size, symmetric) for size in sizes for symmetric in (True, False)])


def _symmetric(its: Draw) -> dict[str, Any]:
    return its.choice(({}, {"symmetric": True}, {"symmetric": False}))


def linears(dtype: DType) -> Samples:
    """x with any leading axes, at times a bias and an activation; outputs that fill their panels or do not."""

    def draw(its: Draw) -> Sample:
        lead, k = its.choice(((), (3,), (2, 2), (9,), (0, 3))), its.choice((1, 2, 7, 64, 130))
        outputs = its.choice((1, 5, 64, 65, 128))
        rng = np.random.default_rng(its.integer(0, 2**32 - 1))
        its_weights = weights(rng, Quantized("int8", outputs, k, "float32"), k, its.choice(("normal", "tiny")))
        operands = [array(its, dtype, (*lead, k), ("normal", "tiny")), *its_weights]
        keywords: dict[str, Any] = {"outputs": outputs}
        if its.integer(0, 1):
            operands.append(array(its, dtype, (outputs,), ("normal",)))
        if its.integer(0, 1):
            keywords["activation"] = its.choice(ACTIVATIONS)
        if its.once_in(4):
            keywords["dtype"] = "float32"
        return Sample(tuple(operands), keywords)

    def edge(m: int, n: int, k: int) -> Edge:
        def make() -> Sample:
            rng = np.random.default_rng((m, n, k))
            its = weights(rng, Quantized("int8", n, k, "float32"), k)
            operands = (values(rng, dtype, (m, k), "normal"), *its, values(rng, dtype, (n,), "normal"))
            return Sample(operands, {"outputs": n, "activation": "relu"})

        return Edge(max(m * k, n * k), make)

    return Samples(draw, [edge(3, 65, KC + 32), edge(1, 128, 2 * KC), edge(9, 70, BLOCK + 3)])

"""Examples of products with quantised weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..dtypes import FLOAT32, DType
from ..numerics import KC
from ..ops.parameters import Quantized
from .draw import Draw, array
from .families import ACTIVATIONS, Edge, Sample, Samples
from .values import values

REGIMES = ("normal", "tiny", "wide", "special")
GROUPS = (2, 6, 32, 64, 128)


def weights(rng: np.random.Generator, params: Quantized, k: int, regime: str = "normal") -> list[np.ndarray]:
    """Codes of all values, scales of a regime, and zeros of all values, behind the last column as well."""
    codes, scales, zeros = params.shapes(k)
    low, high = (-128, 128) if params.bits == 8 else (0, 256)
    return [
        rng.integers(low, high, codes).astype(np.int8 if params.bits == 8 else np.uint8),
        values(rng, FLOAT32, scales, regime),
        rng.integers(-128, 128, zeros).astype(np.int8),
    ]


def products(dtype: DType) -> Samples:
    """x of any layout; weights of 8 and 4 bits, whose columns, groups and depths lie around panels and chunks."""

    def draw(its: Draw) -> Sample:
        m, n = its.choice((0, 1, 2, 3, 5, 8, 9, 17)), its.choice((1, 5, 64, 65, 130))
        group = its.choice(GROUPS)
        k = group * its.choice((1, 2, 5, 9)) if group < 64 else group * its.choice((1, 3))
        output = dtype.name if its.integer(0, 1) else "float32"
        params = Quantized(its.choice((8, 4)), n, group, output)
        rng = np.random.default_rng(its.integer(0, 2**32 - 1))
        return Sample((params, array(its, dtype, (m, k), REGIMES), *weights(rng, params, k, its.choice(REGIMES))))

    def edge(m: int, n: int, k: int, bits: int, group: int) -> Edge:
        def make() -> Sample:
            rng = np.random.default_rng((m, n, k))
            params = Quantized(bits, n, group, dtype.name)
            return Sample((params, values(rng, dtype, (m, k), "normal"), *weights(rng, params, k)))

        return Edge(max(m * k, n * k), make)

    sizes: Sequence[tuple[int, int, int, int]] = (
        (1, 129, KC + 32, 32), (8, 64, 2 * KC, 128), (9, 65, KC + 64, 64), (3, 33, 3 * KC, 3 * KC),
        (2, 7, KC - 2, KC - 2), (70, 70, KC + 2, 2), (523, 3, 6, 6),
    )  # fmt: skip
    return Samples(draw, [edge(m, n, k, bits, group) for m, n, k, group in sizes for bits in (8, 4)])


def linears(dtype: DType) -> Samples:
    """x with any leading axes, at times a bias and an activation."""

    def draw(its: Draw) -> Sample:
        lead = its.choice(((), (3,), (2, 2), (9,), (0, 3)))
        group, outputs = its.choice(GROUPS), its.choice((1, 5, 65))
        k = group * its.choice((1, 2))
        params = Quantized(its.choice((8, 4)), outputs, group, dtype.name)
        rng = np.random.default_rng(its.integer(0, 2**32 - 1))
        operands = [array(its, dtype, (*lead, k), ("normal", "tiny")), *weights(rng, params, k)]
        keywords: dict[str, Any] = {"bits": params.bits, "outputs": outputs, "group": group}
        if its.integer(0, 1):
            operands.append(array(its, dtype, (outputs,), ("normal",)))
        if its.integer(0, 1):
            keywords["activation"] = its.choice(ACTIVATIONS)
        if its.once_in(4):
            keywords["dtype"] = "float32"
        return Sample(tuple(operands), keywords)

    def edge(m: int, n: int, k: int, bits: int, group: int) -> Edge:
        def make() -> Sample:
            rng = np.random.default_rng((m, n, k))
            its = weights(rng, Quantized(bits, n, group, dtype.name), k)
            operands = (values(rng, dtype, (m, k), "normal"), *its, values(rng, dtype, (n,), "normal"))
            return Sample(operands, {"bits": bits, "outputs": n, "group": group, "activation": "relu"})

        return Edge(max(m * k, n * k), make)

    return Samples(draw, [edge(3, 65, KC + 32, 8, 32), edge(1, 129, 2 * KC, 4, 64)])

"""Examples of products with quantised weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..dtypes import TABLE, DType
from ..numerics import KC
from ..ops.parameters import Quantized
from ..ops.weight_formats import FORMATS, SUPER
from .draw import Draw, array
from .families import ACTIVATIONS, Edge, Sample, Samples
from .values import values

REGIMES = ("normal", "tiny", "wide", "special")
GROUPS = (2, 6, 32, 64, 128)


def weights(rng: np.random.Generator, params: Quantized, k: int, regime: str = "normal") -> list[np.ndarray]:
    """Codes of all values, scales of a regime, and minors of all values, behind the last column as well. 5 bits of
    Q5_K's codes and 6 of its and Q4_K's minors are used."""
    its, (codes, scales, *minors) = params.its, params.shapes(k)
    scale_dtype = TABLE[its.scales]
    if its.scales == "uint8":
        exponents = rng.integers(100, 140, scales) if regime == "normal" else rng.integers(0, 256, scales)
        made = exponents.astype(np.uint8)
    else:
        made = values(rng, scale_dtype, scales, regime)
    most = 32 if its.codes == "uint8" else 256
    low, high = (-128, 128) if its.codes == "int8" else (0, most)
    arrays = [rng.integers(low, high, codes).astype(its.dtypes[0].numpy), made]
    for shape in minors:
        low, high = (0, 64) if its.minors == "minima" else (-128, 128)
        arrays.append(rng.integers(low, high, shape).astype(its.dtypes[2].numpy))
    return arrays


def _sizes(its: Draw) -> tuple[str, int, int]:
    """A format, a group that it takes, and a number of inputs."""
    name = its.choice(tuple(FORMATS))
    form = FORMATS[name]
    group = form.group or its.choice(GROUPS)
    if form.super:
        return name, group, SUPER * its.choice((1, 2, 3))
    return name, group, group * (its.choice((1, 2, 5, 9)) if group < 64 else its.choice((1, 3)))


def products(dtype: DType) -> Samples:
    """x of any layout; weights of every format, whose columns, groups and depths lie around panels and chunks."""

    def draw(its: Draw) -> Sample:
        m, n = its.choice((0, 1, 2, 3, 5, 8, 9, 17)), its.choice((1, 5, 64, 65, 130))
        name, group, k = _sizes(its)
        output = dtype.name if its.integer(0, 1) else "float32"
        params = Quantized(name, n, group, output)
        rng = np.random.default_rng(its.integer(0, 2**32 - 1))
        return Sample((params, array(its, dtype, (m, k), REGIMES), *weights(rng, params, k, its.choice(REGIMES))))

    def edge(m: int, n: int, k: int, name: str, group: int) -> Edge:
        def make() -> Sample:
            rng = np.random.default_rng((m, n, k))
            params = Quantized(name, n, group, dtype.name)
            return Sample((params, values(rng, dtype, (m, k), "normal"), *weights(rng, params, k)))

        return Edge(max(m * k, n * k), make)

    sizes: Sequence[tuple[int, int, int, int]] = (
        (1, 129, KC + 32, 32), (8, 64, 2 * KC, 128), (9, 65, KC + 64, 64), (3, 33, 3 * KC, 3 * KC),
        (2, 7, KC - 2, KC - 2), (70, 70, KC + 2, 2), (523, 3, 6, 6),
    )  # fmt: skip
    edges = [edge(m, n, k, name, group) for m, n, k, group in sizes for name in ("int8", "int4")]
    edges += [edge(1, 256, 256, name, form.group or 32) for name, form in FORMATS.items()]
    edges += [edge(9, 65, 2 * KC, name, form.group or 2 * KC) for name, form in FORMATS.items()]
    return Samples(draw, edges)


def linears(dtype: DType) -> Samples:
    """x with any leading axes, at times a bias and an activation."""

    def draw(its: Draw) -> Sample:
        lead = its.choice(((), (3,), (2, 2), (9,), (0, 3)))
        (name, group, k), outputs = _sizes(its), its.choice((1, 5, 65))
        params = Quantized(name, outputs, group, dtype.name)
        rng = np.random.default_rng(its.integer(0, 2**32 - 1))
        held: list[np.ndarray | None] = [*weights(rng, params, k)]
        held += [None] * (3 - len(held))
        operands = [array(its, dtype, (*lead, k), ("normal", "tiny")), *held]
        keywords: dict[str, Any] = {"format": name, "outputs": outputs, "group": group}
        if its.integer(0, 1):
            operands.append(array(its, dtype, (outputs,), ("normal",)))
        if its.integer(0, 1):
            keywords["activation"] = its.choice(ACTIVATIONS)
        if its.once_in(4):
            keywords["dtype"] = "float32"
        return Sample(tuple(operands), keywords)

    def edge(m: int, n: int, k: int, name: str, group: int) -> Edge:
        def make() -> Sample:
            rng = np.random.default_rng((m, n, k))
            its = weights(rng, Quantized(name, n, group, dtype.name), k)
            operands = (values(rng, dtype, (m, k), "normal"), *its, values(rng, dtype, (n,), "normal"))
            return Sample(operands, {"format": name, "outputs": n, "group": group, "activation": "relu"})

        return Edge(max(m * k, n * k), make)

    return Samples(draw, [edge(3, 65, KC + 32, "int8", 32), edge(1, 129, 2 * KC, "int4", 64)])

"""Examples of convolutions: windows at every kind of border, in groups, with gaps; sums of one and several chunks."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from ..dtypes import DType
from ..numerics import KC
from .draw import Draw, array
from .families import Edge, Sample, Samples
from .values import values

FORMATS = {1: ("NCW", "NWC"), 2: ("NCHW", "NHWC"), 3: ("NCDHW", "NDHWC")}

LENGTHS = {1: (1, 2, 5, 17, 40), 2: (1, 2, 3, 5, 9), 3: (1, 2, 3, 4)}
"""Of spatial axes, by their number."""


def _numbers(its: Draw, rank: int, choices: tuple[int, ...]) -> Any:
    """One for all axes, or one for each."""
    if its.once_in(2):
        return its.choice(choices)
    return tuple(its.choice(choices) for _ in range(rank))


def _all(value: Any, rank: int) -> tuple[int, ...]:
    return (value,) * rank if isinstance(value, int) else value


def _operands(
    its: Draw, dtype: DType, x: tuple[int, ...], weight: tuple[int, ...], outputs: int, last: bool
) -> tuple[Any, ...]:
    if last:
        x = (*(x[: -len(weight) + 1]), *x[-len(weight) + 2 :], x[-len(weight) + 1])
    made = [array(its, dtype, x), array(its, dtype, weight)]
    return (*made, array(its, dtype, (outputs,))) if its.once_in(2) else tuple(made)


def convolutions(rank: int, dtype: DType) -> Samples:
    """Of conv1d, conv2d, conv3d."""

    def draw(its: Draw) -> Sample:
        batch, groups = its.choice((1, 1, 2, 3, 0)), its.choice((1, 1, 2, 3))
        channels, outputs = groups * its.choice((1, 2, 5)), groups * its.choice((1, 2, 4, 7))
        kernel = tuple(its.choice((1, 2, 3)) for _ in range(rank))
        dilation, stride = _numbers(its, rank, (1, 1, 2)), _numbers(its, rank, (1, 1, 2, 3))
        padding: Any = _numbers(its, rank, (0, 1, 2, 4))
        if its.once_in(4):
            padding, stride = "same", 1
        elif its.once_in(6):
            padding = "valid"
        reach = [(k - 1) * d + 1 for k, d in zip(kernel, _all(dilation, rank), strict=True)]
        lengths = tuple(max(its.choice(LENGTHS[rank]), r) for r in reach)
        last = its.once_in(3)
        batches = () if batch == 1 and its.once_in(2) else (batch,)
        operands = _operands(
            its, dtype, (*batches, channels, *lengths), (outputs, channels // groups, *kernel), outputs, last
        )
        keywords = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        if its.once_in(4):
            keywords["activation"] = its.choice(("relu", "silu", "gelu"))
        return Sample(operands, keywords | {"data_format": FORMATS[rank][last]})

    return Samples(draw, _edges(rank, dtype))


def _edge(
    dtype: DType, x: tuple[int, ...], weight: tuple[int, ...], regime: str, bias: bool = True, **keywords: Any
) -> Edge:
    def make() -> Sample:
        rng = np.random.default_rng([*x, *weight])
        made = [values(rng, dtype, x, regime), values(rng, dtype, weight, regime)]
        if bias:
            made.append(values(rng, dtype, weight[:1], regime))
        return Sample(tuple(made), keywords)

    return Edge(max(prod(x), prod(weight)), make)


def _edges(rank: int, dtype: DType) -> list[Edge]:
    regimes = ("special", "tiny", "wide", "huge", "few", "zeros")
    if rank == 1:
        sums = [_edge(dtype, (1, n, 4), (3, n, 1), "wide") for n in (KC - 1, KC, KC + 1, 2 * KC + 1)]
        infinite = [_edge(dtype, (2, 3, 9), (4, 3, 3), r, r != "tiny", padding=2) for r in regimes]
        return [*sums, *infinite, _edge(dtype, (1, 1, 300), (1, 1, 257), "wide", padding=130)]
    if rank == 3:
        return [_edge(dtype, (1, 2, 4, 5, 6), (3, 2, 2, 3, 3), "wide", stride=(1, 2, 1), padding=(0, 1, 2))]
    return [
        _edge(dtype, (2, 3, 9, 8), (4, 3, 3, 3), "special", padding=1, stride=2),
        _edge(dtype, (1, 34, 7, 7), (19, 34, 3, 3), "wide", padding=1),
        _edge(dtype, (2, 40, 6, 6), (40, 1, 3, 3), "wide", padding=1, groups=40),
        _edge(dtype, (1, 3, 30, 31), (9, 3, 7, 7), "wide", padding=3, stride=2),
        _edge(dtype, (3, 33, 5, 5), (70, 33, 1, 1), "wide"),
        _edge(dtype, (1, 3, 4, 4), (3, 3, 1, 1), "special", padding=1),
        _edge(dtype, (1, 6, 5, 5), (4, 3, 2, 2), "special", groups=2, dilation=3, padding=2),
    ]


def transposed(rank: int, dtype: DType) -> Samples:
    """Of conv_transpose1d, conv_transpose2d, conv_transpose3d."""

    def draw(its: Draw) -> Sample:
        batch, groups = its.choice((1, 1, 2, 0)), its.choice((1, 1, 2))
        channels, outputs = groups * its.choice((1, 2, 5)), groups * its.choice((1, 3, 4))
        kernel = tuple(its.choice((1, 2, 3)) for _ in range(rank))
        dilation, stride = _numbers(its, rank, (1, 1, 2)), _numbers(its, rank, (1, 2, 3))
        most = [max(s, d) - 1 for s, d in zip(_all(stride, rank), _all(dilation, rank), strict=True)]
        more = tuple(its.integer(0, m) for m in most)
        reach = [(k - 1) * d for k, d in zip(kernel, _all(dilation, rank), strict=True)]
        padding = tuple(its.integer(0, r // 2 + 1) for r in reach)
        lengths = tuple(max(2, its.choice(LENGTHS[rank])) for _ in range(rank))
        least = zip(lengths, _all(stride, rank), reach, padding, strict=True)
        if any((n - 1) * s + 1 + r <= 2 * p for n, s, r, p in least):
            padding = (0,) * rank
        last = its.once_in(3)
        batches = () if batch == 1 and its.once_in(2) else (batch,)
        operands = _operands(
            its, dtype, (*batches, channels, *lengths), (channels, outputs // groups, *kernel), outputs, last
        )
        keywords = {"stride": stride, "padding": padding, "output_padding": more, "groups": groups}
        return Sample(operands, keywords | {"dilation": dilation, "data_format": FORMATS[rank][last]})

    shapes = {1: (9,), 2: (4, 5), 3: (2, 3, 3)}[rank]
    kernel = (3,) * rank
    edges = [_edge(dtype, (2, 3, *shapes), (3, 4, *kernel), r, False, stride=2, padding=1) for r in ("special", "wide")]
    return Samples(draw, edges)


def windows(dtype: DType) -> Samples:
    """Of the primitive: as the forward and the transposed form, and derivatives, call it."""

    def draw(its: Draw) -> Sample:
        rank, batch, groups = its.choice((1, 2, 2, 3)), its.choice((1, 2, 3)), its.choice((1, 1, 2, 5))
        channels, outputs = its.choice((1, 2, 6)), its.choice((1, 2, 5, 17))
        kernel = tuple(its.choice((1, 2, 3)) for _ in range(rank))
        lengths = tuple(its.choice(LENGTHS[rank]) for _ in range(rank))
        keywords: dict[str, Any] = {
            name: tuple(its.choice(choices) for _ in range(rank))
            for name, choices in (("stride", (1, 1, 2, 3)), ("dilation", (1, 1, 2)), ("spread", (1, 1, 2, 3)))
        }
        low, high = [], []
        for n, k, d, e in zip(lengths, kernel, keywords["dilation"], keywords["spread"], strict=True):
            whole, reach = (n - 1) * e + 1, (k - 1) * d + 1
            low.append(its.choice((-1, 0, 0, 1, 2)))
            high.append(max(its.choice((-1, 0, 0, 1, 2)), reach - whole - low[-1]))
        last = its.once_in(3)
        x = (batch, *lengths, groups, channels) if last else (batch, groups, channels, *lengths)
        operands = [array(its, dtype, x), array(its, dtype, (groups, outputs, channels, *kernel))]
        if its.once_in(2):
            operands.append(array(its, dtype, (groups, outputs)))
        return Sample(tuple(operands), keywords | {"low": tuple(low), "high": tuple(high), "last": last})

    def edge(x: tuple[int, ...], weight: tuple[int, ...], regime: str, bias: bool = False, **keywords: Any) -> Edge:
        def make() -> Sample:
            rng = np.random.default_rng([*x, *weight])
            made = [values(rng, dtype, x, regime), values(rng, dtype, weight, regime)]
            if bias:
                made.append(values(rng, dtype, weight[:2], regime))
            return Sample(tuple(made), keywords)

        return Edge(max(prod(x), prod(weight)), make)

    padded = {"low": (1, 1), "high": (1, 1), "stride": (1, 1), "dilation": (1, 1), "spread": (1, 1)}
    edges = [edge((1, 1, 3, 6, 7), (1, 4, 3, 3, 3), r, **padded) for r in ("special", "tiny", "wide", "zeros", "huge")]
    edges += [
        edge((1, 1, 57, 5, 6), (1, 30, 57, 3, 3), "wide", True, **padded),
        edge((2, 1, 2 * KC, 3), (1, 2, 2 * KC, 1), "wide", True),
        edge((1, 1, 1, 1100), (1, 1, 1, 2 * KC + 3), "wide"),
        edge((3, 33, 1, 9, 9), (33, 1, 1, 3, 3), "wide", **padded),
        edge((2, 3, 2, 8), (3, 4, 2, 3), "special", spread=(3,), low=(2,), high=(2,)),
    ]
    return Samples(draw, edges)


FAMILIES: dict[str, Callable[[int, DType], Samples]] = {"convolution": convolutions, "transposed": transposed}

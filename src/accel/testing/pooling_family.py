"""Examples of pools."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ..dtypes import DType
from .draw import Draw, array
from .families import Edge, Sample, Samples
from .values import values


def _pool(axes: int, maxima: bool, dtype: DType) -> Samples:
    """Operands of any layout, and windows of any kind that fit."""

    def draw(its: Draw) -> Sample:
        kernel = tuple(its.integer(1, 3 if axes == 3 else 5) for _ in range(axes))
        gaps = tuple(its.integer(1, 2) if maxima else 1 for _ in range(axes))
        reaches = [g * (k - 1) + 1 for k, g in zip(kernel, gaps, strict=True)]
        pads = tuple(its.integer(0, reach // 2) for reach in reaches)
        lengths = tuple(max(1, reach - 2 * p) + its.integer(0, 6) for reach, p in zip(reaches, pads, strict=True))
        lead = (its.integer(0, 3), its.integer(1, 3))[its.integer(0, 1) :]
        keywords: dict[str, Any] = {"kernel_size": kernel, "padding": pads, "ceil_mode": its.once_in(2)}
        if its.integer(0, 2):
            keywords["stride"] = tuple(its.integer(1, 3) for _ in range(axes))
        if maxima:
            keywords |= {"dilation": gaps, "return_indices": its.once_in(2)}
        else:
            keywords["count_include_pad"] = its.once_in(2)
            if axes > 1 and its.once_in(3):
                keywords["divisor_override"] = its.integer(1, 9)
        return Sample((array(its, dtype, (*lead, *lengths)),), keywords)

    def edge(lengths: tuple[int, ...], regime: str, **keywords: Any) -> Edge:
        def make() -> Sample:
            return Sample((values(np.random.default_rng(7), dtype, (2, 3, *lengths), regime),), keywords)

        return Edge(6 * int(np.prod(lengths)), make)

    more = {"return_indices": True} if maxima else {"count_include_pad": False}
    sides = {1: 70, 2: 21, 3: 9}[axes]
    edges = [
        edge((sides,) * axes, "special", kernel_size=3, stride=2, padding=1, **more),
        edge((sides,) * axes, "normal", kernel_size=9, stride=1, padding=4),
        edge((sides,) * axes, "normal", kernel_size=sides),
    ]
    return Samples(draw, edges)


FAMILIES = {f"{kind}_pool{axes}d": partial(_pool, axes, kind == "max") for kind in ("max", "avg") for axes in (1, 2, 3)}


def _adaptive(axes: int, maxima: bool, dtype: DType) -> Samples:
    """Operands of any layout, and any numbers of windows."""

    def draw(its: Draw) -> Sample:
        lengths = tuple(its.integer(1, 9) for _ in range(axes))
        lead = (its.integer(0, 3), its.integer(1, 3))[its.integer(0, 1) :]
        sizes = tuple(its.choice((None, 1, n, its.integer(1, 9))) for n in lengths)
        keywords: dict[str, Any] = {"output_size": sizes}
        if maxima:
            keywords["return_indices"] = its.once_in(2)
        return Sample((array(its, dtype, (*lead, *lengths)),), keywords)

    def edge(length: int, size: int, regime: str) -> Edge:
        def make() -> Sample:
            x = values(np.random.default_rng(7), dtype, (2, 3, *(length,) * axes), regime)
            return Sample((x,), {"output_size": size})

        return Edge(6 * length**axes, make)

    length, size = {1: (70, 16), 2: (21, 5), 3: (9, 4)}[axes]
    return Samples(draw, [edge(length, size, "special"), edge(length, 1, "normal"), edge(length - 1, 2, "normal")])


FAMILIES |= {
    f"adaptive_{kind}_pool{axes}d": partial(_adaptive, axes, kind == "max")
    for kind in ("max", "avg")
    for axes in (1, 2, 3)
}

"""Examples of resampling."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import DType
from .draw import Draw, array
from .families import Edge, Sample, Samples
from .values import values

SMOOTH = {1: ("linear",), 2: ("bilinear", "bicubic"), 3: ("trilinear",)}


def interpolate(dtype: DType) -> Samples:
    """Operands of any layout, by every mode, to any size."""

    def draw(its: Draw) -> Sample:
        axes = its.integer(1, 3)
        lengths = tuple(its.integer(1, 9 if axes < 3 else 5) for _ in range(axes))
        mode = its.choice(("nearest", "nearest-exact", "area", *SMOOTH[axes], *SMOOTH[axes]))
        keywords: dict[str, Any] = {"mode": mode}
        if its.once_in(2):
            keywords["size"] = tuple(its.integer(1, 11) for _ in lengths)
        else:
            keywords["scale_factor"] = tuple(its.choice((1.0, 1.5, 2.0, 3.0, 0.75)) if n > 1 else 2.0 for n in lengths)
            keywords["recompute_scale_factor"] = its.once_in(2)
        if mode in SMOOTH[axes]:
            keywords["align_corners"] = its.once_in(2)
            keywords["antialias"] = axes == 2 and its.once_in(2)
        lead = (its.integer(0, 2), its.integer(1, 3))
        return Sample((array(its, dtype, (*lead, *lengths)),), keywords)

    def edge(regime: str, length: int, **keywords: Any) -> Edge:
        def make() -> Sample:
            return Sample((values(np.random.default_rng(7), dtype, (1, 3, length, length), regime),), keywords)

        return Edge(3 * length * length, make)

    return Samples(
        draw,
        [
            edge("special", 17, scale_factor=2.0),
            edge("special", 9, scale_factor=2.0, mode="bilinear"),
            edge("normal", 70, size=3, mode="bilinear", antialias=True),
            edge("normal", 33, size=65, mode="bicubic"),
        ],
    )


FAMILIES = {"interpolate": interpolate}

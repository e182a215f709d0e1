"""Examples of samples at places of a grid."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import DType
from .draw import Draw, array
from .families import Edge, Sample, Samples
from .values import values

PADDINGS = ("zeros", "border", "reflection")


def _places(its: Draw, dtype: DType, shape: tuple[int, ...]) -> np.ndarray:
    """Inside and around the image; some in the middle between elements, on them and far away."""
    rng = np.random.default_rng(its.integer(0, 2**32 - 1))
    places = rng.uniform(-1.6, 1.6, shape)
    rare = rng.integers(0, 24, shape)
    for number, special in enumerate((-1, 0, 1, 0.5, -7.25, 300, np.inf, -np.inf, np.nan)):
        places[rare == number] = special
    return places.astype(dtype.numpy)


def grid_sample(dtype: DType) -> Samples:
    """Operands of any layout, in every mode."""

    def draw(its: Draw) -> Sample:
        axes = 3 if its.once_in(3) else 2
        lengths = tuple(its.integer(1, 7 if axes == 2 else 4) for _ in range(axes))
        out = tuple(its.integer(0 if its.once_in(8) else 1, 6 if axes == 2 else 4) for _ in range(axes))
        mode = its.choice(("nearest", "bilinear", *(("bicubic", "bicubic") if axes == 2 else ())))
        keywords = {"mode": mode, "padding_mode": its.choice(PADDINGS), "align_corners": its.once_in(2)}
        n = its.integer(0 if its.once_in(8) else 1, 2)
        x = array(its, dtype, (n, its.integer(1, 3), *lengths))
        return Sample((x, _places(its, dtype, (n, *out, axes))), keywords)

    def edge(regime: str, length: int, **keywords: Any) -> Edge:
        def make() -> Sample:
            rng = np.random.default_rng(7)
            grid = _places(Draw.seeded(7), dtype, (2, length, length, 2))
            return Sample((values(rng, dtype, (2, 2, length, length + 1), regime), grid), keywords)

        return Edge(4 * length * (length + 1), make)

    return Samples(
        draw,
        [
            edge("special", 9),
            edge("special", 9, mode="nearest", padding_mode="border"),
            edge("normal", 17, mode="bicubic", padding_mode="reflection"),
            edge("normal", 33, padding_mode="reflection", align_corners=True),
        ],
    )


def affine_grid(dtype: DType) -> Samples:
    """Maps of any layout."""

    def draw(its: Draw) -> Sample:
        axes = 3 if its.once_in(3) else 2
        n = its.integer(1, 3)
        size = (n, its.integer(1, 3), *(its.integer(1, 9 if axes == 2 else 5) for _ in range(axes)))
        return Sample((array(its, dtype, (n, axes, axes + 1)), size), {"align_corners": its.once_in(2)})

    def edge(regime: str, *size: int) -> Edge:
        def make() -> Sample:
            return Sample((values(np.random.default_rng(7), dtype, (size[0], 2, 3), regime), size), {})

        return Edge(2 * size[0] * size[2] * size[3], make)

    return Samples(draw, [edge("special", 3, 1, 5, 4), edge("normal", 2, 3, 65, 33)])


FAMILIES = {"grid_sample": grid_sample, "affine_grid": affine_grid}

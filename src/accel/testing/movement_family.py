"""Examples of elements moved along axes and put around others."""

from __future__ import annotations

import numpy as np

from ..dtypes import DType
from .draw import Draw, array, shape
from .families import Edge, Sample, Samples
from .values import values

MODES = ("constant", "edge", "reflect", "symmetric", "wrap")


def rolls(dtype: DType) -> Samples:
    """Arrays of any layout, along one axis or several, or as a whole."""

    def draw(its: Draw) -> Sample:
        x = array(its, dtype, shape(its, most=3, elements=1000))
        if x.ndim == 0 or its.once_in(4):
            return Sample((x,), {"shift": its.integer(-40, 40)})
        axes = tuple(its.integer(-x.ndim, x.ndim - 1) for _ in range(its.integer(1, 2)))
        return Sample((x,), {"shift": tuple(its.integer(-40, 40) for _ in axes), "axis": axes})

    def edge() -> Sample:
        x = values(np.random.default_rng(7), dtype, (70, 90), "special")
        return Sample((x,), {"shift": (33, -1), "axis": (0, 1)})

    return Samples(draw, [Edge(6300, edge)])


def pads(dtype: DType) -> Samples:
    """Arrays of any layout in every mode, with widths beyond their lengths, too."""

    def draw(its: Draw) -> Sample:
        lengths = tuple(max(1, n) for n in shape(its, most=3, elements=200))
        x = array(its, dtype, lengths)
        widths = tuple((its.integer(0, 9), its.integer(0, 9)) for _ in lengths)
        return Sample((x,), {"pad_width": widths, "mode": its.choice(MODES)} if x.ndim else {"pad_width": 0})

    def edge() -> Sample:
        x = values(np.random.default_rng(7), dtype, (33, 65), "special")
        return Sample((x,), {"pad_width": ((1, 2), (3, 0)), "constant_values": ((0, 1), (1, 0))})

    return Samples(draw, [Edge(36 * 68, edge)])


FAMILIES = {"roll": rolls, "pad": pads}

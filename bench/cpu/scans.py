"""Cases of scans."""

from __future__ import annotations

import numpy as np

from ... import cumulative_sum
from .case import Calls, Case, sampled
from .data import Data

SHAPES = (((1 << 16,), 0), ((256, 256), 1), ((256, 256), 0), ((1 << 22,), 0), ((2048, 2048), 1), ((2048, 2048), 0))
"""Shapes and the axis."""


def sums() -> list[Case]:
    """Cumulative sums of 64K and 4M elements, along one long row and along the axes of a square."""
    return [along(dtype, shape, axis) for dtype in ("float32", "int64") for shape, axis in SHAPES]


def along(dtype: str, shape: tuple[int, ...], axis: int) -> Case:
    """One along an axis."""

    def build(data: Data) -> Calls:
        x = data.array(dtype, shape)
        (a,) = data.accel(x)
        peers = {"numpy": lambda: np.cumsum(x, axis)}
        if data.torch is not None:
            of_torch, tensor = data.torch.cumsum, data.tensor(x)
            peers["torch"] = lambda: of_torch(tensor, axis)
        wide = np.float64 if dtype == "float32" else np.int64
        return Calls(
            lambda: cumulative_sum(a, axis=axis), peers, lambda: sampled(np.cumsum(x, axis, dtype=wide)), sampled
        )

    return Case(f"{'x'.join(map(str, shape))} axis {axis} {dtype}", dtype, build)

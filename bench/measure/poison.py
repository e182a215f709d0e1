"""Memory that no right answer can come from: what an operation leaves unwritten shows in its result."""

from __future__ import annotations

import numpy as np

from ...backends.base import Device
from ...conversion import from_numpy
from ...dtypes import DType

FLOAT, OTHER = 0xFF, 0xA5
"""The byte that memory is filled with: every float of it is a NaN; other dtypes get a value that is none of a small
number, a count or a truth."""

BLOCKS, ONE_BLOCK = 4, 64 << 20
"""Blocks that are filled, as an operation may take some for its own use first; of larger ones only one is."""


def poison(device: Device, dtype: DType, nbytes: int) -> None:
    """Fills idle memory of a device, from which the next result of so many bytes is likely to be taken."""
    if nbytes == 0:
        return
    pattern = np.full(nbytes, FLOAT if dtype.kind == "f" else OTHER, np.uint8)
    held = [from_numpy(pattern, device, copy=True) for _ in range(BLOCKS if nbytes <= ONE_BLOCK else 1)]
    device.synchronize()
    held.clear()

"""What a job gives back."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Result:
    """A job's answer on one device.

    summary: its quality, in words. figures: the same as numbers. arrays: what must have the same bits on every device.
    image: what is written as a PNG, if anything: uint8, shape (height, width, 3).
    """

    summary: str
    figures: dict[str, float]
    arrays: dict[str, np.ndarray]
    image: np.ndarray | None = None

    def digest(self) -> str:
        """SHA-256 over names, dtypes, shapes and bytes of all arrays."""
        total = hashlib.sha256()
        for name, array in self.arrays.items():
            total.update(f"{name} {array.dtype.str} {array.shape};".encode())
            total.update(np.ascontiguousarray(array).tobytes())
        return total.hexdigest()

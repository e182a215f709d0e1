"""The exact answers of counting.py, by NumPy alone."""

from __future__ import annotations

import numpy as np


def count_nonzero(x: np.ndarray, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> np.ndarray:
    return np.asarray(np.sum(x.astype(np.float64) != 0, axis=axis, keepdims=bool(keepdims), dtype=np.int64))


def isin(x1: np.ndarray, x2: np.ndarray, invert: bool = False) -> np.ndarray:
    """Every element with every other."""
    found = (x1.reshape(-1, 1) == x2.reshape(1, -1)).any(1).reshape(x1.shape)
    return ~found if invert else found

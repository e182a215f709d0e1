"""The exact answers of dropout.py."""

from __future__ import annotations

import numpy as np

from ...dtypes import FLOAT64, as_dtype
from .exact_random import MASK, words

SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717


def random_dropout(x: np.ndarray, state: np.ndarray, p: float, axes: int, alpha: bool) -> np.ndarray:
    wide = x.astype(np.longdouble if as_dtype(x.dtype) is FLOAT64 else np.float64)
    its = words(state, x.shape[:axes]) & np.uint64(MASK)
    left = (its.astype(np.float64) < np.rint(p * 2.0**32)).reshape((*x.shape[:axes], *(1,) * (x.ndim - axes)))
    nothing = np.rint(p * 2.0**32) == 2.0**32
    with np.errstate(all="ignore"):
        if not alpha:
            return np.where(left, 0, wide * (0.0 if nothing else 1 / (1 - p)))
        low = -SELU_SCALE * SELU_ALPHA
        factor = 0.0 if nothing else ((1 - p) * (1 + p * low**2)) ** -0.5
        return np.where(left, low, wide) * factor - factor * low * p

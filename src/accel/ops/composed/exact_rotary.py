"""The exact answer of rotary.py, by products of complex numbers."""

from __future__ import annotations

import numpy as np

from ...dtypes import FLOAT64, as_dtype


def rotary_embedding(x: np.ndarray, cos: np.ndarray, sin: np.ndarray, interleaved: bool = False) -> np.ndarray:
    """x with its pairs as complex numbers, times cos + i sin."""
    wide = np.longdouble if FLOAT64 in map(as_dtype, (x.dtype, cos.dtype, sin.dtype)) else np.float64
    made, pairs = np.array(x, wide), cos.shape[-1]
    places = np.arange(2 * pairs).reshape((pairs, 2) if interleaved else (2, pairs))
    first, second = places.T if interleaved else places
    with np.errstate(all="ignore"):
        re, im = made[..., first], made[..., second]
        c, s = cos.astype(wide), sin.astype(wide)
        made[..., first], made[..., second] = re * c - im * s, im * c + re * s
    return made

"""What `elementwise` computes, by NumPy's functions in as many digits as it has."""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np

from .exact_precision import wide


def largest(dtype: np.dtype) -> float:
    """The largest finite number of a floating dtype."""
    return float(ml_dtypes.finfo(dtype).max)


def frexp(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """NumPy's own; its exponent of infinities and NaN is the C library's."""
    fraction, exponent = np.frexp(wide(x))
    return fraction, np.where(np.isfinite(fraction), exponent, 0).astype(np.int32)


def isclose(a: np.ndarray, b: np.ndarray, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Any:
    """NumPy's own."""
    with np.errstate(all="ignore"):
        return np.isclose(wide(a), wide(b), rtol, atol, equal_nan)


def lcm(x1: np.ndarray, x2: np.ndarray) -> np.ndarray:
    """Of Python's integers, wrapped."""
    a, b = (np.abs(x.astype(object)) for x in np.broadcast_arrays(x1, x2))
    found = np.asarray(np.frompyfunc(math.lcm, 2, 1)(a, b), object)
    dtype = np.promote_types(x1.dtype, x2.dtype)
    bits = 8 * dtype.itemsize
    wrapped = np.asarray(found % 2**bits, object)
    if dtype.kind == "i":
        wrapped = np.where(wrapped >= 2 ** (bits - 1), np.asarray(wrapped - 2**bits, object), wrapped)
    return np.asarray(wrapped, object).astype(dtype)


def lerp(start: np.ndarray, end: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """By the definition."""
    start, end, weight = map(wide, (start, end, weight))
    with np.errstate(all="ignore"):
        return np.where(np.abs(weight) < 0.5, start + weight * (end - start), end - (end - start) * (1 - weight))


def nan_to_num(x: np.ndarray, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """By masks."""
    made = np.array(x)
    if made.dtype.kind in "biu":
        return made
    end = largest(made.dtype)
    value = made.astype(np.float64)
    made[np.isnan(value)] = nan
    made[value == np.inf] = end if posinf is None else posinf
    made[value == -np.inf] = -end if neginf is None else neginf
    return made

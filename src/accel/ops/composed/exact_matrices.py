"""Cross products and norms of matrices by their definitions, in float64, or in long double for float64 operands."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...dtypes import as_dtype, promote


def cross(x1: np.ndarray, x2: np.ndarray, axis: int = -1) -> np.ndarray:
    common = promote(as_dtype(x1.dtype), as_dtype(x2.dtype))
    wide = common.numpy if common.kind != "f" else np.longdouble if common.itemsize == 8 else np.float64
    a, b = (np.moveaxis(x.astype(wide), axis, -1) for x in (x1, x2))
    with np.errstate(all="ignore"):
        parts = [a[..., i] * b[..., j] - a[..., j] * b[..., i] for i, j in ((1, 2), (2, 0), (0, 1))]
    return np.moveaxis(np.stack(parts, -1), -1, axis)


def matrix_norm(x: np.ndarray, keepdims: bool = False, ord: Any = "fro") -> np.ndarray:
    size = np.abs(x.astype(np.longdouble))
    with np.errstate(all="ignore"):
        if ord == "fro":
            largest = size.max((-2, -1), keepdims=True, initial=0)
            unit = np.where((largest > 0) & np.isfinite(largest), largest, 1)
            found = np.sqrt(((size / unit) ** 2).sum((-2, -1), keepdims=True)) * unit
        else:
            sums = size.sum(-2 if abs(ord) == 1 else -1, keepdims=True)
            found = (sums.max if ord > 0 else sums.min)((-2, -1), keepdims=True)
    return found if keepdims else found[..., 0, 0]

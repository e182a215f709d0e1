"""Resampling by definitions: a matrix of weights for each axis, in float64 or, for float64, long double."""

from __future__ import annotations

from math import floor
from typing import Any

import numpy as np

from .exact_pooling import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d, total
from .exact_precision import wide
from .taps import taps


def _weights(n: int, m: int, apart: float | None, mode: str, corners: bool, smooth: bool, dtype: Any) -> np.ndarray:
    """(m, n): what each sample takes of each element. The weights of smooth modes are the op's own tables, as the
    rounded ones are part of its definition; tests hold them against torch's."""
    matrix = np.zeros((m, n), np.longdouble)
    if mode.startswith("nearest"):
        half = 1 if mode == "nearest-exact" else 0
        for i in range(m):
            place = (2 * i + half) * n // (2 * m) if apart is None else floor((i + half / 2) * apart)
            matrix[i, min(place, n - 1)] = 1
        return matrix
    places, weights = taps(n, m, apart, mode == "bicubic", corners, smooth)
    for its, by in zip(places, weights.astype(dtype), strict=True):
        matrix[np.arange(m), its] += by
    return matrix


def interpolate(
    x: np.ndarray,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> np.ndarray:
    axes = x.ndim - 2
    given = size if scale_factor is None else scale_factor
    given = tuple(given) if isinstance(given, (tuple, list)) else (given,) * axes
    sizes = given if scale_factor is None else tuple(floor(n * v) for n, v in zip(x.shape[2:], given, strict=True))
    if mode == "area":
        return (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)[axes - 1](x, sizes)  # type: ignore[no-any-return]
    result = x if mode.startswith("nearest") else wide(x)
    for axis in range(2, x.ndim)[::-1]:
        apart = 1 / given[axis - 2] if scale_factor is not None and not recompute_scale_factor else None
        held = np.float64 if x.dtype == np.float64 else np.float32
        matrix = _weights(x.shape[axis], sizes[axis - 2], apart, mode, bool(align_corners), antialias, held)
        rows = np.moveaxis(result, axis, -1)
        made = np.zeros((*rows.shape[:-1], len(matrix)), rows.dtype)
        with np.errstate(all="ignore"):
            for i, its in enumerate(matrix):
                places = np.flatnonzero(its)
                if mode.startswith("nearest"):
                    made[..., i] = rows[..., places[0]]
                else:
                    made[..., i] = total(rows[..., places] * its[places].astype(rows.dtype))
        result = np.moveaxis(made, -1, axis)
    return result

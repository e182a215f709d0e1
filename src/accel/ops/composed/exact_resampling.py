"""Resampling by definitions: a matrix of weights for each axis, in float64 or, for float64, long double."""

from __future__ import annotations

from math import floor
from typing import Any

import numpy as np

from .exact_pooling import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d, wide


def _cubic(d: float, a: float) -> float:
    if d < 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0.0


def _weights(n: int, m: int, apart: float | None, mode: str, corners: bool, smooth: bool) -> np.ndarray:
    """(m, n): what each sample takes of each element."""
    matrix = np.zeros((m, n))
    cubic = mode == "bicubic"
    step = n / m if apart is None else apart
    if corners:
        step = (n - 1) / (m - 1) if m > 1 else 0.0
    for i in range(m):
        if mode.startswith("nearest"):
            half = 1 if mode == "nearest-exact" else 0
            place = (2 * i + half) * n // (2 * m) if apart is None else floor((i + half / 2) * apart)
            matrix[i, min(place, n - 1)] = 1
        elif smooth:
            scale, centre = max(step, 1.0), step * (i + 0.5)
            reach = scale * (2 if cubic else 1)
            places = range(max(int(centre - reach + 0.5), 0), min(int(centre + reach + 0.5), n))
            distances = [abs(j - centre + 0.5) / scale for j in places]
            its = np.array([_cubic(d, -0.5) if cubic else max(0.0, 1 - d) for d in distances])
            matrix[i, list(places)] = its / its.sum()
        else:
            at = i * step if corners else (i + 0.5) * step - 0.5
            at = at if cubic else min(max(at, 0.0), n - 1.0)
            base = floor(at)
            for j in range(base - 1, base + 3):
                d = abs(at - j)
                matrix[i, min(max(j, 0), n - 1)] += _cubic(d, -0.75) if cubic else max(0.0, 1 - d)
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
    for axis in range(2, x.ndim):
        apart = 1 / given[axis - 2] if scale_factor is not None and not recompute_scale_factor else None
        matrix = _weights(x.shape[axis], sizes[axis - 2], apart, mode, bool(align_corners), antialias)
        rows = np.moveaxis(result, axis, -1)
        made = np.zeros((*rows.shape[:-1], len(matrix)), rows.dtype)
        with np.errstate(all="ignore"):
            for i, its in enumerate(matrix):
                places = np.flatnonzero(its)
                if mode.startswith("nearest"):
                    made[..., i] = rows[..., places[0]]
                else:
                    made[..., i] = (rows[..., places] * its[places]).sum(-1)
        result = np.moveaxis(made, -1, axis)
    return result

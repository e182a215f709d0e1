"""Patches and shuffles by their definitions, element by element."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from .exact_precision import wide


def pixel_shuffle(x: np.ndarray, upscale_factor: int) -> np.ndarray:
    r = upscale_factor
    result = np.empty((*x.shape[:-3], x.shape[-3] // r**2, x.shape[-2] * r, x.shape[-1] * r), x.dtype)
    for i, j in product(range(r), repeat=2):
        result[..., i::r, j::r] = x[..., i * r + j :: r * r, :, :]
    return result


def pixel_unshuffle(x: np.ndarray, downscale_factor: int) -> np.ndarray:
    r = downscale_factor
    result = np.empty((*x.shape[:-3], x.shape[-3] * r**2, x.shape[-2] // r, x.shape[-1] // r), x.dtype)
    for i, j in product(range(r), repeat=2):
        result[..., i * r + j :: r * r, :, :] = x[..., i::r, j::r]
    return result


def channel_shuffle(x: np.ndarray, groups: int) -> np.ndarray:
    size = x.shape[1] // groups
    return x[:, [g * size + i for i in range(size) for g in range(groups)]]


def _places(sizes: Any, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> Any:
    k, d, p, s = (np.broadcast_to(v, 2).tolist() for v in (kernel_size, dilation, padding, stride))
    counts = [(n + 2 * b - e * (a - 1) - 1) // c + 1 for n, a, e, b, c in zip(sizes, k, d, p, s, strict=True)]
    for number, at in enumerate(product(*map(range, k))):
        for patch, first in enumerate(product(*map(range, counts))):
            yield number, patch, *(b * f + a * e - q for a, e, q, b, f in zip(at, d, p, s, first, strict=True))


def unfold(x: np.ndarray, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> np.ndarray:
    *lead, c, h, w = x.shape
    places = list(_places((h, w), kernel_size, dilation, padding, stride))
    size, count = (max(p[a] for p in places) + 1 for a in (0, 1))
    result = np.zeros((*lead, c, size, count), x.dtype)
    for number, patch, i, j in places:
        if 0 <= i < h and 0 <= j < w:
            result[..., number, patch] = x[..., i, j]
    return result.reshape(*lead, c * size, count)


def fold(
    x: np.ndarray, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> np.ndarray:
    h, w = np.broadcast_to(output_size, 2).tolist()
    size = int(np.prod(np.broadcast_to(kernel_size, 2)))
    *lead, rows, count = x.shape
    parts = wide(x).reshape(*lead, rows // size, size, count)
    result = np.zeros((*lead, rows // size, h, w), parts.dtype)
    with np.errstate(all="ignore"):
        for number, patch, i, j in _places((h, w), kernel_size, dilation, padding, stride):
            if 0 <= i < h and 0 <= j < w:
                result[..., i, j] += parts[..., number, patch]
    return result

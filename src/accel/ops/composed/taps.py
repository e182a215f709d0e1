"""Where samples between elements come from: the places of the elements, and what each weighs."""

from __future__ import annotations

from functools import lru_cache
from math import ceil

import numpy as np


@lru_cache(maxsize=64)
def taps(n: int, m: int, step: float | None, cubic: bool, corners: bool, smooth: bool) -> tuple[np.ndarray, np.ndarray]:
    """Places and float64 weights (elements, samples) of what each sample is the sum of."""
    i = np.arange(m, dtype=np.float64)
    if corners:
        apart = (n - 1) / (m - 1) if m > 1 else 0.0
    else:
        apart = n / m if step is None else step
    if smooth:
        return _smooth(n, m, apart, cubic)
    at = i * apart if corners else (i + 0.5) * apart - 0.5
    if cubic:
        first = np.floor(at)
        t = at - first
        places = np.clip(first[None] + np.arange(-1, 3)[:, None], 0, n - 1)
        weights = np.stack([_cubic(d, -0.75) for d in (t + 1, t, 1 - t, 2 - t)])
    else:
        at = np.maximum(at, 0.0)
        first = np.minimum(np.floor(at), n - 1)
        t = np.clip(at - first, 0.0, 1.0)
        t = np.where(first == n - 1, 0.0, t)  # the last element stands for itself
        places, weights = np.stack([first, np.minimum(first + 1, n - 1)]), np.stack([1 - t, t])
    return places.astype(np.int64), weights


def _cubic(d: np.ndarray, a: float) -> np.ndarray:
    """The kernel of cubic convolution (Keys 1981) at distances that are not negative."""
    inner = ((a + 2) * d - (a + 3)) * d * d + 1
    outer = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d < 1, inner, np.where(d < 2, outer, 0.0))


def _smooth(n: int, m: int, apart: float, cubic: bool) -> tuple[np.ndarray, np.ndarray]:
    """Filters as wide as samples are apart, their weights divided by their sum."""
    scale = max(apart, 1.0)
    reach = (2.0 if cubic else 1.0) * scale
    centre = apart * (np.arange(m) + 0.5)
    first = np.maximum(np.trunc(centre - reach + 0.5), 0).astype(np.int64)
    end = np.minimum(np.trunc(centre + reach + 0.5), n).astype(np.int64)
    tap = np.arange(ceil((end - first).max(initial=1)))[:, None]
    d = np.abs(tap + first - centre + 0.5) / scale
    weights = _cubic(d, -0.5) if cubic else np.maximum(1.0 - d, 0.0)
    weights = np.where(tap < end - first, weights, 0.0)
    return np.minimum(first + tap, n - 1), weights / weights.sum(0)

"""What `jacobi` computes, far more precisely, and by how much the canonical form may differ from it."""

from __future__ import annotations

import numpy as np

from ...numerics import LANES

Angles = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _halves(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    wide = rows.astype(np.longdouble if rows.dtype == np.float64 else np.float64)
    return wide[..., 0, :, :], wide[..., 1, :, :]


def _angles(rows: np.ndarray, length: int) -> Angles:
    """Squares of the rows' norms, their products, and the cosines of the angles between them."""
    top, bottom = (x[..., :length] for x in _halves(rows))
    a, b, g = ((x * y).sum(-1, keepdims=True) for x, y in ((top, top), (bottom, bottom), (top, bottom)))
    size = np.sqrt(a) * np.sqrt(b)
    return a, b, g, np.divide(abs(g), size, out=np.zeros_like(g), where=size > 0)


def _moved(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """The round robin: the first row stays, all others go one place on."""
    k = top.shape[-2]
    ring = [*(top[..., i, :] for i in range(1, k)), *(bottom[..., i, :] for i in range(k - 1, -1, -1))]
    ring = [ring[-1], *ring[:-1]] if k > 1 else ring
    upper, lower = [top[..., 0, :], *ring[: k - 1]], ring[k - 1 :][::-1]
    return np.stack([np.stack(upper, -2), np.stack(lower, -2)], -3)


def _tolerance(rows: np.ndarray) -> float:
    return float(2 * np.finfo(rows.dtype).eps)


def jacobi_round(rows: np.ndarray, worst: np.ndarray, *, length: int) -> tuple[np.ndarray, np.ndarray]:
    """By the angle itself: half of that whose tangent is 2 g / (b - a)."""
    top, bottom = _halves(rows)
    a, b, g, cosine = _angles(rows, length)
    angle = 0.5 * np.arctan2(2 * g, b - a)
    angle = np.where(angle > np.pi / 4, angle - np.pi / 2, np.where(angle < -np.pi / 4, angle + np.pi / 2, angle))
    angle = np.where(cosine > _tolerance(rows), angle, 0)
    c, s = np.cos(angle), np.sin(angle)
    return _moved(c * top - s * bottom, s * top + c * bottom), np.maximum(worst, cosine)


def bound(
    reference: tuple[np.ndarray, ...], rows: np.ndarray, worst: np.ndarray, *, length: int
) -> tuple[np.ndarray, ...]:
    """Elements by the rounding of the rotation and by what the angle is off: it follows from numbers that are sums. An
    angle of which rounding decides whether it is rotated by may be off by any amount, and so may one of 45 degrees,
    whose sign it decides."""
    eps = float(np.finfo(rows.dtype).eps)
    of_sum = (-(-length // LANES) + 12) * eps
    top, bottom = map(abs, _halves(rows))
    a, b, g, cosine = _angles(rows, length)
    with np.errstate(all="ignore"):
        apart = (b - a) / (2 * g)
        off = of_sum * (a + b + abs(apart) * np.sqrt(a) * np.sqrt(b)) / (2 * abs(g) * (1 + apart * apart))
    off = np.where(cosine > 0, off, 0)
    unsure = (abs(cosine - _tolerance(rows)) <= of_sum) & (cosine > 0)
    unsure |= (cosine > 0) & (abs(b - a) <= of_sum * (a + b))
    off = np.where(unsure, 2, np.minimum(off, 2)) + 16 * eps
    return _moved(off * (top + bottom), off * (top + bottom)), np.broadcast_to(of_sum, worst.shape)

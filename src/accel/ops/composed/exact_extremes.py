"""The exact answers of extremes.py, one element after the other."""

from __future__ import annotations

from typing import Any

import numpy as np


def _key(x: np.ndarray, largest: bool, i: int) -> tuple[Any, ...]:
    """By which the first of an order is the smallest."""
    value = float(x[i]) if x.dtype.kind not in "iu" else int(x[i])
    nan = value != value
    rank = (0 if nan else value, 0 if nan or value != 0 else -1 if np.signbit(value) else 1)
    return (not nan if largest else nan, *(-r if largest else r for r in rank), i)


def topk(
    x: np.ndarray, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    rows = np.moveaxis(x, dim, -1)
    flat = rows.reshape(-1, rows.shape[-1]) if x.size else rows.reshape(0, rows.shape[-1])
    indices = np.zeros((len(flat), k), np.int64)
    for row, found in zip(flat, indices, strict=True):
        found[:] = np.array(_ordered(row, largest)[:k], np.int64)
    indices = indices.reshape(*rows.shape[:-1], k)
    return tuple(np.moveaxis(a, -1, dim) for a in (np.take_along_axis(rows, indices, -1), indices))  # type: ignore[return-value]


def _ordered(row: np.ndarray, largest: bool) -> list[int]:
    return sorted(range(len(row)), key=lambda i: _key(row, largest, i))


def _running(x: np.ndarray, dim: int, above: Any) -> tuple[np.ndarray, np.ndarray]:
    """torch's rule."""
    indices = np.zeros(x.shape, np.int64)
    for row, found in zip(_rows(x, dim), _rows(indices, dim), strict=True):
        best = 0
        for i in range(len(row)):
            if row[i] != row[i] or (row[best] == row[best] and above(row[i], row[best])):
                best = i
            found[i] = best
    return np.take_along_axis(x, indices, dim), indices


def _rows(x: np.ndarray, dim: int) -> list[np.ndarray]:
    rows = np.moveaxis(x, dim, -1)
    return [rows[place] for place in np.ndindex(rows.shape[:-1])]


def cummax(x: np.ndarray, dim: int) -> tuple[np.ndarray, np.ndarray]:
    return _running(x, dim, lambda new, best: new >= best)


def cummin(x: np.ndarray, dim: int) -> tuple[np.ndarray, np.ndarray]:
    return _running(x, dim, lambda new, best: new <= best)

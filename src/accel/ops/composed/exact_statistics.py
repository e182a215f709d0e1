"""Averages, covariances, ranges, integrals and closeness by their definitions, in float64, or in long double for
float64 operands: what tests and the conformance kit hold results against. Nothing here shares code with the bodies."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...dtypes import as_dtype
from .exact_precision import quiet


def _wide(x: np.ndarray) -> np.ndarray:
    return x.astype(np.longdouble if x.dtype in (np.float64, np.int64, np.uint64) else np.float64)


@quiet
def average(
    x: np.ndarray, axis: Any = None, weights: Any = None, returned: bool = False, keepdims: bool = False
) -> Any:
    given = range(x.ndim) if axis is None else axis if isinstance(axis, (tuple, list)) else (axis,)
    axes = tuple(a % x.ndim for a in given)
    each = np.ones(x.shape) if weights is None else _wide(weights)
    if each.shape != x.shape:
        each = each.reshape([n if a in axes else 1 for a, n in enumerate(x.shape)])
    total = np.broadcast_to(each, x.shape).sum(axis=axes, keepdims=keepdims)
    found = (_wide(x) * each).sum(axis=axes, keepdims=keepdims) / total
    return (found, total) if returned else found


def _covariances(
    x: np.ndarray, y: Any, rowvar: bool, freedom: float, fweights: Any = None, aweights: Any = None
) -> np.ndarray:
    parts = [
        _wide(v).reshape(1, -1) if v.ndim < 2 else _wide(v) if rowvar else _wide(v).T for v in (x, y) if v is not None
    ]
    rows = np.concatenate(parts)
    times = np.ones(rows.shape[1]) if fweights is None else _wide(fweights)
    weights = times if aweights is None else times * _wide(aweights)
    total = weights.sum()
    less = (weights * _wide(aweights)).sum() / total if aweights is not None else 1.0
    distance = rows - (rows * weights).sum(axis=1, keepdims=True) / total
    divisor = np.maximum(total - freedom * less, 0.0)
    return (distance[:, None] * (distance * weights)[None]).sum(axis=-1) / divisor


@quiet
def cov(
    x: np.ndarray,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Any = None,
    aweights: Any = None,
) -> np.ndarray:
    found = _covariances(x, y, rowvar, (0 if bias else 1) if ddof is None else ddof, fweights, aweights)
    return found.reshape(()) if found.size == 1 else found


@quiet
def corrcoef(x: np.ndarray, y: Any = None, rowvar: bool = True) -> np.ndarray:
    found = _covariances(x, y, rowvar, 1)
    deviation = np.sqrt(np.diagonal(found))
    found = np.clip(found / deviation[:, None] / deviation[None], -1, 1)
    return found.reshape(()) if found.size == 1 else found


@quiet
def ptp(x: np.ndarray, axis: Any = None, keepdims: bool = False) -> np.ndarray:
    wide = _wide(x) if as_dtype(x.dtype).kind == "f" else x
    return wide.max(axis=axis, keepdims=keepdims) - wide.min(axis=axis, keepdims=keepdims)


@quiet
def trapezoid(y: np.ndarray, x: Any = None, dx: float = 1.0, axis: int = -1) -> np.ndarray:
    wide = np.moveaxis(_wide(y), axis, -1)
    steps: Any = np.longdouble(dx)
    if x is not None:
        places = _wide(x)
        steps = np.diff(places if places.ndim == 1 else np.moveaxis(places, axis, -1))
    return ((wide[..., 1:] + wide[..., :-1]) * steps).sum(axis=-1) / 2


@quiet
def interp(x: np.ndarray, xp: np.ndarray, fp: np.ndarray, left: Any = None, right: Any = None) -> np.ndarray:
    x, xp, fp = (v.astype(np.longdouble) for v in (x, xp, fp))
    at = np.clip(np.searchsorted(xp, x, "right") - 1, 0, max(0, len(xp) - 2))
    then = np.minimum(at + 1, len(xp) - 1)
    found = fp[at] + (fp[then] - fp[at]) * ((x - xp[at]) / (xp[then] - xp[at]))
    found = np.where(x == xp[-1], fp[-1], np.where(x == xp[at], fp[at], found))
    found = np.where(x < xp[0], fp[0] if left is None else left, found)
    found = np.where(x > xp[-1], fp[-1] if right is None else right, found)
    return np.where(np.isnan(x), np.nan, found)


@quiet
def allclose(
    x1: np.ndarray, x2: np.ndarray, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> np.ndarray:
    a, b = (x.astype(np.longdouble) for x in np.broadcast_arrays(x1, x2))
    near = (np.abs(a - b) <= atol + rtol * np.abs(b)) & np.isfinite(b)
    near |= a == b
    if equal_nan:
        near |= np.isnan(a) & np.isnan(b)
    return near.all()

"""The error bounds of folds of the last axis: from the result, the elements and their errors, all in float64, and the
dtype that accumulates."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..dtypes import DType
from ..ieee import two_sum
from ..ops import bounds, canonical
from .bounded import rounding
from .propagation import apart

Elements = np.ndarray


def _sum(y: Elements, x: Elements, error: Elements, dtype: DType) -> Elements:
    """Half a unit of each inexact addition of the canonical order, and the elements' errors."""
    own = np.zeros(y.shape)
    if dtype.kind == "f":
        kept = x.ndim - 1

        def add(a: np.ndarray, b: np.ndarray) -> np.ndarray:
            total, rest = two_sum(a, b)
            each = np.where(rest == 0, 0.0, rounding(total.astype(np.float64), 0.5, dtype))
            own[...] += each.sum(tuple(range(kept, each.ndim)))[..., None]
            return total

        canonical.tree(x.astype(dtype.numpy), add, -0.0)
    certain = (np.isinf(x) & (error == 0)).any(-1, keepdims=True) & np.isfinite(error).all(-1, keepdims=True)
    certain = certain | (np.isnan(x) & (error == 0)).any(-1, keepdims=True)
    return np.where(certain & ~np.isfinite(y), 0.0, own + error.sum(-1, keepdims=True))


def _prod(y: Elements, x: Elements, error: Elements, dtype: DType) -> Elements:
    """Relative errors that multiply, each step's rounding among them; nothing is promised where a partial product may
    underflow or overflow. Integers, which wrap, are known where they have no error."""
    if dtype.kind != "f":
        return np.where(error.any(-1, keepdims=True), np.inf, 0.0)
    size = np.abs(x)
    growth = bounds.gamma(x.shape[-1] - 1, bounds.unit_roundoff(dtype))
    relative = np.expm1(np.log1p(np.where(error > 0, error / size, 0.0)).sum(-1, keepdims=True))
    wide = np.abs(y) * (1 + 2 * growth)
    each = np.where(y == 0, (size + error).prod(-1, keepdims=True), wide * (relative * (1 + growth) + growth))
    least = np.where(size > 0, np.minimum(size, 1), 1).prod(-1, keepdims=True)
    most = np.maximum(size + error, 1).prod(-1, keepdims=True)
    fits = most < bounds.largest(dtype) / 2
    inside = (least > 2 * bounds.smallest(dtype) / bounds.unit_roundoff(dtype)) & fits
    nothing = ((size == 0) & (error == 0)).any(-1, keepdims=True) & fits
    special = (error == 0).all(-1, keepdims=True) & ~np.isfinite(size).all(-1, keepdims=True)
    special = special | (np.isnan(x) & (error == 0)).any(-1, keepdims=True)
    return np.where(nothing | special, 0.0, np.where(inside, each, np.inf))


def _max(y: Elements, x: Elements, error: Elements, dtype: DType) -> Elements:
    """By the largest that an element may be, and by the one that is surely as large."""
    up, down = (apart(x, y) + error).max(-1, keepdims=True), (apart(y, x) + error).min(-1, keepdims=True)
    sure = (error == 0).all(-1, keepdims=True) | (np.isnan(x) & (error == 0)).any(-1, keepdims=True)
    return np.where(sure, 0.0, np.maximum(up, down))


def _any(y: Elements, x: Elements, error: Elements, dtype: DType) -> Elements:
    """Open where an element may be another and none decides."""
    possible = (error > 0) & ~(np.abs(x) > error)
    sure = ((x != 0) & ~possible).any(-1, keepdims=True)
    return (possible.any(-1, keepdims=True) & ~sure).astype(np.float64)


def _all(y: Elements, x: Elements, error: Elements, dtype: DType) -> Elements:
    possible = (error > 0) & ~(np.abs(x) > error)
    sure = ((x == 0) & ~possible).any(-1, keepdims=True)
    return (possible.any(-1, keepdims=True) & ~sure).astype(np.float64)


def _argmax(y: Elements, x: Elements, error: Elements, dtype: DType) -> Elements:
    """The distance to the furthest element that may be the largest."""
    index = y.astype(np.int64)
    best, its = np.take_along_axis(x, index, -1), np.take_along_axis(error, index, -1)
    rival = ((error > 0) | (its > 0)) & ~(apart(best, x) > error + its)
    distance = np.where(rival, np.abs(np.arange(x.shape[-1]) - y), 0.0).max(-1, keepdims=True)
    return np.where((np.isnan(best) & (its == 0)), 0.0, distance)


FOLDS: dict[str, Callable[[Elements, Elements, Elements, DType], Elements]] = {
    "sum": _sum,
    "prod": _prod,
    "max": _max,
    "min": lambda y, x, error, dtype: _max(-y, -x, error, dtype),
    "any": _any,
    "all": _all,
    "argmax": _argmax,
    "argmin": lambda y, x, error, dtype: _argmax(y, -x, error, dtype),
}

DECISIONS = ("any", "all", "argmax", "argmin")
"""Folds whose result the errors leave as it is, or may make another one."""

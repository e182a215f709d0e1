"""Medians and quantiles by NumPy's functions, in float64, or in long double for float64 operands."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np


def _quiet(function: Callable[..., Any]) -> Callable[..., np.ndarray]:
    @wraps(function)
    def called(x: np.ndarray, *rest: Any, **keywords: Any) -> np.ndarray:
        wide = x.astype(np.longdouble if x.dtype == np.float64 else np.float64)
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.asarray(function(wide, *rest, **keywords))

    return called


@_quiet
def median(x: np.ndarray, axis: Any = None, keepdims: bool = False) -> Any:
    return np.median(x, axis, keepdims=keepdims)


@_quiet
def nanmedian(x: np.ndarray, axis: Any = None, keepdims: bool = False) -> Any:
    return np.nanmedian(x, axis, keepdims=keepdims)


@_quiet
def quantile(x: np.ndarray, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Any:
    """Of places in float64 whatever x's dtype, as theirs is a choice of one element or its neighbour."""
    ranks = np.arange(np.prod([x.shape[a] for a in _axes(x, axis)]), dtype=np.float64)
    at = np.quantile(ranks, np.asarray(q, np.float64), method=method) if ranks.size else np.full(np.shape(q), np.nan)
    rows = np.sort(
        np.moveaxis(x, _axes(x, axis), range(-len(_axes(x, axis)), 0)).reshape((*_kept(x, axis), ranks.size))
    )
    result = np.full((*np.shape(q), *rows.shape[:-1]), np.nan, x.dtype)
    for i in np.ndindex(np.shape(q)) if ranks.size else ():
        low, high = int(np.floor(at[i])), int(np.ceil(at[i]))
        part = np.longdouble(at[i]) - low
        a, b = rows[..., low], rows[..., high]
        result[i] = np.where(a == b, a, a + (b - a) * part) if part else a
        result[i] = np.where(np.isnan(rows[..., -1]), np.nan, result[i])
    if keepdims:
        result = result.reshape((*np.shape(q), *(1 if a in _axes(x, axis) else n for a, n in enumerate(x.shape))))
    return result


def _axes(x: np.ndarray, axis: Any) -> tuple[int, ...]:
    given = range(x.ndim) if axis is None else axis if isinstance(axis, (tuple, list)) else (axis,)
    return tuple(sorted(a % x.ndim for a in given))


def _kept(x: np.ndarray, axis: Any) -> list[int]:
    return [n for a, n in enumerate(x.shape) if a not in _axes(x, axis)]

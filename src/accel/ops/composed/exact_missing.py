"""What `missing` computes, by its definition: over the elements that are not NaN, in float64, or in long double for
float64 operands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...dtypes import BOOL, as_dtype
from ..primitive.reduce import sum_dtype


def _rows(x: np.ndarray, axis: Any) -> tuple[np.ndarray, tuple[int, ...]]:
    """The elements of each result along a last axis, and the result's shape with the reduced axes."""
    given = range(x.ndim) if axis is None else axis if isinstance(axis, (tuple, list)) else (axis,)
    axes = [a % x.ndim for a in given]
    kept = [a for a in range(x.ndim) if a not in axes]
    rows = x.transpose([*kept, *axes]).reshape(*(x.shape[a] for a in kept), int(np.prod([x.shape[a] for a in axes])))
    return rows, tuple(1 if a in axes else n for a, n in enumerate(x.shape))


def _each(function: Callable[[np.ndarray], Any], dtype: Any) -> Callable[..., np.ndarray]:
    """A reduction of the elements of a row that are not NaN, row by row."""

    def reduced(x: np.ndarray, axis: Any = None, keepdims: bool = False, **keywords: Any) -> np.ndarray:
        rows, kept = _rows(x, axis)
        result = np.empty(rows.shape[:-1], dtype(x))
        with np.errstate(all="ignore"):
            for place in np.ndindex(*result.shape):
                row = rows[place]
                result[place] = function(row, **keywords)
        return result.reshape(kept) if keepdims else result

    return reduced


def _wide(x: np.ndarray) -> Any:
    return np.longdouble if x.dtype == np.float64 else np.float64 if as_dtype(x.dtype).kind == "f" else x.dtype


def _present(row: np.ndarray) -> np.ndarray:
    return row[row == row].astype(_wide(row))


def _total(name: str, x: np.ndarray, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> np.ndarray:
    have = as_dtype(x.dtype)
    rows, kept = _rows(x, axis)
    if have.kind == "f":
        neutral = 0 if name == "sum" else 1
        with np.errstate(all="ignore"):
            wide = np.where(rows == rows, rows, np.asarray(neutral, x.dtype)).astype(_wide(x))
            result = getattr(wide.astype(np.longdouble), name)(axis=-1)
    else:
        asked = sum_dtype(have) if dtype is None else as_dtype(dtype)
        if asked is BOOL:
            result = (rows.any if name == "sum" else rows.all)(axis=-1)
        else:
            result = getattr(rows, name)(axis=-1, dtype=asked.numpy)
    return np.asarray(result).reshape(kept) if keepdims else np.asarray(result)


def nansum(x: np.ndarray, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> np.ndarray:
    return _total("sum", x, axis, dtype, keepdims)


def nanprod(x: np.ndarray, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> np.ndarray:
    return _total("prod", x, axis, dtype, keepdims)


def _largest(row: np.ndarray) -> Any:
    there = row[row == row]
    if not there.size:
        return np.nan
    return max(there, key=lambda v: (v, not np.signbit(v))) if as_dtype(row.dtype).kind == "f" else there.max()


def _smallest(row: np.ndarray) -> Any:
    there = row[row == row]
    if not there.size:
        return np.nan
    return min(there, key=lambda v: (v, not np.signbit(v))) if as_dtype(row.dtype).kind == "f" else there.min()


def _place(row: np.ndarray, extreme: Callable[[np.ndarray], Any]) -> int:
    found = np.flatnonzero(row == extreme(row))
    return int(found[0]) if found.size else -1


def _variance(row: np.ndarray, correction: float = 0.0) -> Any:
    there = _present(row)
    divisor = there.size - correction
    middle = there.sum() / there.dtype.type(there.size)
    return ((there - middle) ** 2).sum() / there.dtype.type(divisor) if divisor > 0 else np.nan


def _deviation(row: np.ndarray, correction: float = 0.0) -> Any:
    return np.sqrt(_variance(row, correction))


def _middle(row: np.ndarray) -> Any:
    there = _present(row)
    return there.sum() / there.dtype.type(there.size)


nanmax = _each(_largest, lambda x: x.dtype)
nanmin = _each(_smallest, lambda x: x.dtype)
nanargmax = _each(lambda row: _place(row, _largest), lambda x: np.int64)
nanargmin = _each(lambda row: _place(row, _smallest), lambda x: np.int64)
nanmean = _each(_middle, _wide)
nanvar = _each(_variance, _wide)
nanstd = _each(_deviation, _wide)

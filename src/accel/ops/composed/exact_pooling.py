"""Pools by their definitions, window by window of a padded operand, means in float64 or, for float64, long double."""

from __future__ import annotations

from itertools import product
from math import fsum, prod
from typing import Any

import numpy as np

from .exact_precision import wide


def total(rows: np.ndarray) -> np.ndarray:
    """Sums along the last axis, with no partial sum rounded where all is finite."""
    flat = rows.reshape(prod(rows.shape[:-1]), rows.shape[-1])
    found = np.empty(len(flat), rows.dtype)
    for i, row in enumerate(flat):
        high = row.astype(np.float64)
        parts = [*high, *(row - high).astype(np.float64)]
        try:
            near = fsum(parts)
            found[i] = rows.dtype.type(near) + rows.dtype.type(fsum([*parts, -near]))
        except (ValueError, OverflowError):
            found[i] = row.sum()
    return found.reshape(rows.shape[:-1])


def _each(value: Any, axes: int) -> tuple[int, ...]:
    return (
        tuple(value) * axes if np.size(value) == 1 and np.ndim(value) else tuple(np.broadcast_to(value, axes).tolist())
    )


def _count(n: int, k: int, s: int, p: int, d: int, ceil: bool) -> int:
    left = n + 2 * p - d * (k - 1) - 1
    if not ceil:
        return left // s + 1
    count = -(-left // s) + 1
    return count - 1 if (count - 1) * s >= n + p else count


def _windows(x: np.ndarray, axes: int, k: Any, s: Any, p: Any, d: Any, ceil: bool) -> Any:
    """For each window: its place among the windows, and the elements' places along each axis, some outside."""
    k, p, d = _each(k, axes), _each(p, axes), _each(d, axes)
    s = k if s is None else _each(s, axes)
    lengths = x.shape[-axes:]
    shape = tuple(_count(*its, ceil) for its in zip(lengths, k, s, p, d, strict=True))
    found = [
        (at, [a * step - pad + np.arange(n) * gap for a, n, step, pad, gap in zip(at, k, s, p, d, strict=True)])
        for at in product(*map(range, shape))
    ]
    return shape, p, found


def _inside(places: list[np.ndarray], lengths: Any) -> list[np.ndarray]:
    return [its[(its >= 0) & (its < n)] for its, n in zip(places, lengths, strict=True)]


def _maximum(axes: int) -> Any:
    def pool(
        x: np.ndarray,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Any:
        shape, _, windows = _windows(x, axes, kernel_size, stride, padding, dilation, ceil_mode)
        lead, lengths = x.shape[:-axes], x.shape[-axes:]
        values = np.full((*lead, *shape), -np.inf, x.dtype)
        indices = np.zeros((*lead, *shape), np.int64)
        rows = x.reshape(*lead, int(np.prod(lengths)))
        for at, places in windows:
            inside = _inside(places, lengths)
            flat = np.ravel_multi_index(np.meshgrid(*inside, indexing="ij"), lengths).reshape(-1)
            if flat.size and rows.size:
                its = rows[..., flat].astype(np.float64 if x.dtype.itemsize < 8 else x.dtype)
                values[(..., *at)] = largest = its.max(-1).astype(x.dtype)
                zero = (largest == 0) & ((its == 0) & ~np.signbit(its)).any(-1)
                values[(..., *at)] = np.where(zero, np.zeros((), x.dtype), largest)
                indices[(..., *at)] = flat[its.argmax(-1)]
        return (values, indices) if return_indices else values

    return pool


def _mean(axes: int) -> Any:
    def pool(
        x: np.ndarray,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> np.ndarray:
        shape, p, windows = _windows(x, axes, kernel_size, stride, padding, 1, ceil_mode)
        lead, lengths = x.shape[:-axes], x.shape[-axes:]
        rows = wide(x)
        result = np.zeros((*lead, *shape), rows.dtype)
        with np.errstate(all="ignore"):
            for at, places in windows:
                inside = _inside(places, lengths)
                counted = places if count_include_pad else inside
                ends = [n + pad if count_include_pad else n for n, pad in zip(lengths, p, strict=True)]
                count = np.prod([int((its < end).sum()) for its, end in zip(counted, ends, strict=True)])
                its = rows[(..., *np.ix_(*inside))]
                flat = its.reshape(*lead, prod(map(len, inside)))
                result[(..., *at)] = total(flat) / rows.dtype.type(
                    count if divisor_override is None else divisor_override
                )
        return result

    return pool


max_pool1d, max_pool2d, max_pool3d = map(_maximum, (1, 2, 3))
avg_pool1d, avg_pool2d, avg_pool3d = map(_mean, (1, 2, 3))


def _adaptive(axes: int, of: Any) -> Any:
    """Pools of windows that cover axes evenly."""

    def pool(x: np.ndarray, output_size: Any, return_indices: bool = False) -> Any:
        lengths = x.shape[-axes:]
        given = output_size if isinstance(output_size, tuple) else (output_size,) * axes
        sizes = tuple(
            n if m is None else m for m, n in zip(given * (axes if len(given) == 1 else 1), lengths, strict=True)
        )
        rows = wide(x)
        values, indices = (
            np.zeros((*x.shape[:-axes], *sizes), rows.dtype),
            np.zeros((*x.shape[:-axes], *sizes), np.int64),
        )
        for at in product(*map(range, sizes)):
            box = [np.arange(i * n // m, -(-(i + 1) * n // m)) for i, n, m in zip(at, lengths, sizes, strict=True)]
            its = rows[(..., *np.ix_(*box))].reshape(*x.shape[:-axes], prod(map(len, box)))
            with np.errstate(all="ignore"):
                values[(..., *at)] = of(its)
            flat = np.ravel_multi_index(np.meshgrid(*box, indexing="ij"), lengths).reshape(-1)
            indices[(..., *at)] = flat[its.argmax(-1)]
        if of is not _largest:
            return values
        return (values.astype(x.dtype), indices) if return_indices else values.astype(x.dtype)

    return pool


def _largest(its: np.ndarray) -> np.ndarray:
    found = its.max(-1)
    zero = (found == 0) & ((its == 0) & ~np.signbit(its)).any(-1)
    return np.where(zero, np.zeros((), its.dtype), found)


def _average(its: np.ndarray) -> np.ndarray:
    return total(its) / its.dtype.type(its.shape[-1])


adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d = (_adaptive(axes, _largest) for axes in (1, 2, 3))
adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d = (_adaptive(axes, _average) for axes in (1, 2, 3))

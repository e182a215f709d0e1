"""Convolutions in float64 (extended precision for float64), from their definitions: each output a sum over the kernel's
positions, or, of transposed ones, each input added where the kernel puts it."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from .exact_precision import wide
from .linear import activated

FIRST = {1: "NCW", 2: "NCHW", 3: "NCDHW"}
"""By spatial axes: with the channels before them."""


def _all(value: Any, rank: int) -> tuple[int, ...]:
    return (value,) * rank if isinstance(value, int) else tuple(value)


def _first(x: np.ndarray, data_format: str) -> np.ndarray:
    return np.moveaxis(x, -1, -len(data_format) + 1) if data_format.endswith("C") else x


def _last(x: np.ndarray, data_format: str) -> np.ndarray:
    return np.moveaxis(x, -len(data_format) + 1, -1) if data_format.endswith("C") else x


def _finished(total: np.ndarray, bias: np.ndarray | None, data_format: str, batched: bool) -> np.ndarray:
    if bias is not None:
        total = total + bias.astype(total.dtype).reshape(-1, *(1,) * (total.ndim - 2))
    return _last(total if batched else total[0], data_format)


def convolved(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, stride: Any, padding: Any, dilation: Any, groups: int,
    data_format: str,
) -> np.ndarray:  # fmt: skip
    rank = weight.ndim - 2
    batched = x.ndim == weight.ndim
    x, weight = wide(_first(x, data_format)), wide(weight)
    x = x if batched else x[None]
    kernel, stride, dilation = weight.shape[2:], _all(stride, rank), _all(dilation, rank)
    reach = [(k - 1) * d for k, d in zip(kernel, dilation, strict=True)]
    if padding == "same":
        pads = [(r // 2, r - r // 2) for r in reach]
    else:
        pads = [(p, p) for p in _all(0 if padding == "valid" else padding, rank)]
    shape = [
        (n + low + high - r - 1) // s + 1 for n, (low, high), r, s in zip(x.shape[2:], pads, reach, stride, strict=True)
    ]
    there = np.pad(np.ones(x.shape[2:], bool), pads)
    x = np.pad(x, [(0, 0), (0, 0), *pads])
    count, outputs = x.shape[0], weight.shape[0] // groups
    total = np.zeros((count, groups, outputs, *shape), x.dtype)
    grouped = x.reshape(count, groups, x.shape[1] // groups, *x.shape[2:])
    factors = weight.reshape(groups, outputs, *weight.shape[1:])
    with np.errstate(all="ignore"):
        for position in product(*map(range, kernel)):
            window = tuple(
                slice(k * d, k * d + (o - 1) * s + 1, s)
                for k, d, o, s in zip(position, dilation, shape, stride, strict=True)
            )
            met = np.einsum("ngc...,goc->ngo...", grouped[(..., *window)], factors[(..., *position)])
            total += np.where(there[window], met, 0)
        return _finished(total.reshape(count, groups * outputs, *shape), bias, data_format, batched)


def transposed(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, stride: Any, padding: Any, output_padding: Any,
    groups: int, dilation: Any, data_format: str,
) -> np.ndarray:  # fmt: skip
    rank = weight.ndim - 2
    batched = x.ndim == weight.ndim
    x, weight = wide(_first(x, data_format)), wide(weight)
    x = x if batched else x[None]
    kernel, stride, dilation = weight.shape[2:], _all(stride, rank), _all(dilation, rank)
    padding, more = _all(padding, rank), _all(output_padding, rank)
    lengths = x.shape[2:]
    full = [
        (n - 1) * s + (k - 1) * d + 1 + m for n, s, k, d, m in zip(lengths, stride, kernel, dilation, more, strict=True)
    ]
    count, outputs = x.shape[0], weight.shape[1]
    total = np.zeros((count, groups, outputs, *full), x.dtype)
    grouped = x.reshape(count, groups, x.shape[1] // groups, *lengths)
    factors = weight.reshape(groups, -1, *weight.shape[1:])
    with np.errstate(all="ignore"):
        for position in product(*map(range, kernel)):
            window = tuple(
                slice(k * d, k * d + (n - 1) * s + 1, s)
                for k, d, n, s in zip(position, dilation, lengths, stride, strict=True)
            )
            total[(..., *window)] += np.einsum("ngc...,gco->ngo...", grouped, factors[(..., *position)])
        kept = tuple(slice(p, n - p) for p, n in zip(padding, full, strict=True))
        total = total[(..., *kept)]
        return _finished(total.reshape(count, groups * outputs, *total.shape[3:]), bias, data_format, batched)


def _forward(rank: int) -> Any:
    def exact(x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
              groups: int = 1, *, data_format: str = FIRST[rank], activation: Any = None) -> Any:  # fmt: skip
        y = convolved(x, weight, bias, stride, padding, dilation, groups, data_format)
        return activated(y, activation)

    return exact


def _backward(rank: int) -> Any:
    def exact(x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
              groups: int = 1, dilation: Any = 1, *, data_format: str = FIRST[rank],
              activation: Any = None) -> Any:  # fmt: skip
        y = transposed(x, weight, bias, stride, padding, output_padding, groups, dilation, data_format)
        return activated(y, activation)

    return exact


conv1d, conv2d, conv3d = map(_forward, (1, 2, 3))
conv_transpose1d, conv_transpose2d, conv_transpose3d = map(_backward, (1, 2, 3))

"""Norms and statistics by their definitions, in float64, or in long double for float64 operands: what tests and the
conformance kit hold results against. Nothing here shares code with the bodies."""

from __future__ import annotations

from typing import Any

import numpy as np

from .exact_precision import quiet, wide


def _sum(x: np.ndarray, residual: np.ndarray | None) -> np.ndarray:
    return wide(x) if residual is None else wide(x) + wide(residual)


def _moments(x: np.ndarray, axes: tuple[int, ...], correction: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Variance and mean over axes that stay."""
    count = int(np.prod([x.shape[a] for a in axes]))
    middle = x.sum(axes, keepdims=True) / np.float64(count)
    return ((x - middle) ** 2).sum(axes, keepdims=True) / np.float64(max(count - correction, 0)), middle


def _standard(x: np.ndarray, axes: tuple[int, ...], eps: float) -> np.ndarray:
    variance, middle = _moments(x, axes)
    return (x - middle) / np.sqrt(variance + eps)


def _scaled(x: np.ndarray, weight: Any, bias: Any, shape: tuple[int, ...]) -> np.ndarray:
    """x * weight + bias, of those that are there, which are given a shape first."""
    x = x if weight is None else x * wide(weight).reshape(shape)
    return x if bias is None else x + wide(bias).reshape(shape)


def _last(x: np.ndarray, shape: Any) -> tuple[int, ...]:
    return tuple(range(x.ndim - np.size(shape), x.ndim))


@quiet
def layer_norm(
    x: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5, residual: Any = None
) -> Any:
    total = _sum(x, residual)
    axes = _last(x, normalized_shape)
    y = _scaled(_standard(total, axes, eps), weight, bias, tuple(x.shape[a] for a in axes))
    return y if residual is None else (y, total)


@quiet
def rms_norm(x: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None, residual: Any = None) -> Any:
    total = _sum(x, residual)
    if eps is None:
        double = np.float64 in (x.dtype, x.dtype if residual is None else residual.dtype)
        eps = float(np.finfo(np.float64 if double else np.float32).eps)
    axes = _last(x, normalized_shape)
    count = np.float64(np.prod([x.shape[a] for a in axes]))
    y = total / np.sqrt((total * total).sum(axes, keepdims=True) / count + eps)
    y = _scaled(y, weight, None, tuple(x.shape[a] for a in axes))
    return y if residual is None else (y, total)


@quiet
def group_norm(
    x: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5, residual: Any = None
) -> Any:
    total = _sum(x, residual)
    n, channels, *behind = x.shape
    parts = total.reshape(n, num_groups, channels // num_groups, *behind)
    y = _standard(parts, tuple(range(2, parts.ndim)), eps).reshape(x.shape)
    y = _scaled(y, weight, bias, (channels, *[1] * len(behind)))
    return y if residual is None else (y, total)


@quiet
def batch_norm_inference(
    x: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
    residual: Any = None,
) -> Any:
    total = _sum(x, residual)
    shape = (x.shape[1], *[1] * (x.ndim - 2))
    y = (total - wide(running_mean).reshape(shape)) / np.sqrt(wide(running_var).reshape(shape) + eps)
    y = _scaled(y, weight, bias, shape)
    return y if residual is None else (y, total)


def _trained(each: bool, x: Any, statistics: Any, weight: Any, bias: Any, momentum: float, eps: float, residual: Any):
    total = _sum(x, residual)
    axes = tuple(range(2, x.ndim)) if each else (0, *range(2, x.ndim))
    y = _scaled(_standard(total, axes, eps), weight, bias, (x.shape[1], *[1] * (x.ndim - 2)))
    results = [y]
    if statistics[0] is not None:
        found = _moments(total, axes, 1)[::-1]
        for before, its in zip(map(wide, statistics), found, strict=True):
            its = its.squeeze(axes).sum(0) / np.float64(len(x)) if each else its.squeeze(axes)
            results.append((1 - momentum) * before + momentum * its if x.size else before)
    if residual is not None:
        results.append(total)
    return tuple(results) if len(results) > 1 else y


@quiet
def batch_norm_training(
    x: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    momentum: float = 0.1,
    eps: float = 1e-5,
    residual: Any = None,
) -> Any:
    return _trained(False, x, (running_mean, running_var), weight, bias, momentum, eps, residual)


@quiet
def instance_norm_training(
    x: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    momentum: float = 0.1,
    eps: float = 1e-5,
    residual: Any = None,
) -> Any:
    return _trained(True, x, (running_mean, running_var), weight, bias, momentum, eps, residual)


def _norm(x: np.ndarray, axis: Any, ord: float) -> np.ndarray:
    """Over axes that stay. Divided by the largest or smallest element, as powers overflow long double too."""
    size = np.abs(wide(x)).astype(np.longdouble)
    if ord == 0:
        return (x != 0).sum(axis, keepdims=True).astype(np.longdouble)
    if ord < 0 and size.size:
        unit = size.min(axis, keepdims=True)
    else:
        unit = size.max(axis, keepdims=True, initial=0)
    if np.isinf(ord):
        return unit
    unit = np.where((unit > 0) & np.isfinite(unit), unit, 1)
    return ((size / unit) ** np.longdouble(ord)).sum(axis, keepdims=True) ** (1 / np.longdouble(ord)) * unit


def _axes(x: np.ndarray, axis: Any) -> tuple[int, ...]:
    given = range(x.ndim) if axis is None else axis if isinstance(axis, (tuple, list)) else (axis,)
    return tuple(a % x.ndim for a in given)


@quiet
def vector_norm(x: Any, axis: Any = None, keepdims: bool = False, ord: float = 2) -> Any:
    found = _norm(x, _axes(x, axis), ord)
    return found if keepdims else found.squeeze(_axes(x, axis))


@quiet
def normalize(x: Any, p: float = 2.0, axis: Any = 1, eps: float = 1e-12) -> Any:
    return wide(x) / np.maximum(_norm(x, _axes(x, axis), p), eps)


@quiet
def cosine_similarity(x1: Any, x2: Any, axis: int = 1, eps: float = 1e-8) -> Any:
    left, right = np.broadcast_arrays(x1, x2)
    lengths = [np.maximum(_norm(x, (axis,), 2.0), eps) for x in (left, right)]
    return (wide(left) / lengths[0] * (wide(right) / lengths[1])).sum(axis)


@quiet
def var(x: Any, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    return var_mean(x, axis, correction, keepdims)[0]


@quiet
def std(x: Any, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    return np.sqrt(var_mean(x, axis, correction, keepdims)[0])


@quiet
def var_mean(x: Any, axis: Any = None, correction: float = 1.0, keepdims: bool = False) -> Any:
    found = _moments(wide(x), _axes(x, axis), correction)
    return found if keepdims else tuple(its.squeeze(_axes(x, axis)) for its in found)


@quiet
def softmin(x: Any, axis: int = -1, dtype: Any = None) -> Any:
    if not x.size:
        return wide(x)
    powers = np.exp(wide(x).min(axis, keepdims=True) - wide(x))
    return powers / powers.sum(axis, keepdims=True)


@quiet
def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    wide = x.astype(np.longdouble)
    return wide.mean(axis=axis, keepdims=keepdims)

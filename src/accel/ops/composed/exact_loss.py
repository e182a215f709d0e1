"""The losses by their definitions, in float64, or in long double where an operand is float64: what tests and the
conformance kit hold results against. Nothing here shares code with the bodies."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def _wide(*operands: np.ndarray | None) -> list[Any]:
    """The operands in a wider dtype than any of them; None stays."""
    given = [x for x in operands if x is not None]
    double = any(x.dtype == np.float64 for x in given)
    as_float64 = [None if x is None else x.astype(np.float64) for x in operands]
    return [x if x is None or not double else x.astype(np.longdouble) for x in as_float64]


def _reduced(losses: np.ndarray, reduction: str, divisor: Any = None) -> np.ndarray:
    if reduction == "none":
        return losses
    with np.errstate(all="ignore"):
        total = np.asarray(losses.sum())
        return total if reduction == "sum" else np.asarray(total / (losses.size if divisor is None else divisor))


def _log_softmax(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the last axis, and the logarithm of its sum of exponentials. A row with no finite largest element is NaN."""
    peak = x.max(axis=-1, keepdims=True)
    peak = np.where(np.isfinite(peak), peak, np.nan)
    total = np.log(np.exp(x - peak).sum(axis=-1, keepdims=True)) + peak
    return x - total, total[..., 0]


def _by_index(
    classes: np.ndarray, target: np.ndarray, weight: np.ndarray | None, ignore_index: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of log-probabilities with the classes last: each row's weighted negative log likelihood, its weight, and whether
    it counts. An index that is no class gives NaN."""
    counts = target != ignore_index
    inside = (target >= 0) & (target < classes.shape[-1])
    index = np.where(inside, target, 0).astype(np.int64)
    scale = np.ones(target.shape, classes.dtype) if weight is None else weight[index]
    losses = -scale * np.take_along_axis(classes, index[..., None], -1)[..., 0]
    return np.where(inside | ~counts, losses, np.nan), scale, counts


def _outside(target: np.ndarray, classes: int, ignore_index: int) -> np.ndarray:
    listed = [int(i) for i in target.ravel()]
    return np.asarray(sum(i != ignore_index and i not in range(classes) for i in listed), np.int64)


def cross_entropy(
    input: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
) -> Any:
    """Of class indices, with how many of them are no class; or of probabilities."""
    if target.dtype.kind in "iu":
        return _of_indices(input, target, weight, ignore_index, reduction, label_smoothing, z_loss)
    return _of_probabilities(input, target, weight, reduction, label_smoothing, z_loss)


def _of_indices(
    input: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray | None,
    ignore_index: int,
    reduction: str,
    label_smoothing: float,
    z_loss: float,
) -> tuple[np.ndarray, np.ndarray]:
    x, w = _wide(input, weight)
    x = np.moveaxis(x, min(1, x.ndim - 1), -1)
    with np.errstate(all="ignore"):
        logarithms, total = _log_softmax(x)
        losses, scale, counts = _by_index(logarithms, target, w, ignore_index)
        if label_smoothing:
            every = -(logarithms if w is None else logarithms * w).sum(axis=-1)
            losses = (1 - label_smoothing) * losses + label_smoothing / x.shape[-1] * every
        losses = np.where(counts, losses, 0)
        result = _reduced(losses, reduction, scale[counts].sum())
        if z_loss:
            result = result + _reduced(np.where(counts, z_loss * total**2, 0), reduction, counts.sum())
    return result, _outside(target, x.shape[-1], ignore_index)


def _of_probabilities(
    input: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray | None,
    reduction: str,
    label_smoothing: float,
    z_loss: float,
) -> np.ndarray:
    x, q, w = _wide(input, target, weight)
    x, q = (np.moveaxis(each, min(1, x.ndim - 1), -1) for each in (x, q))
    with np.errstate(all="ignore"):
        logarithms, total = _log_softmax(x)
        if label_smoothing:
            q = q * (1 - label_smoothing) + label_smoothing / x.shape[-1]
        losses = -((q if w is None else q * w) * logarithms).sum(axis=-1)
        return _reduced(losses + z_loss * total**2 if z_loss else losses, reduction)


def nll_loss(
    input: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> tuple[np.ndarray, np.ndarray]:
    """nll_loss, and how many of the indices are no class."""
    x, w = _wide(input, weight)
    x = np.moveaxis(x, min(1, x.ndim - 1), -1)
    with np.errstate(all="ignore"):
        losses, scale, counts = _by_index(x, target, w, ignore_index)
        result = _reduced(np.where(counts, losses, 0), reduction, scale[counts].sum())
    return result, _outside(target, x.shape[-1], ignore_index)


def mse_loss(
    input: np.ndarray, target: np.ndarray, reduction: str = "mean", weight: np.ndarray | None = None
) -> np.ndarray:
    """The square of the difference."""
    x, y, w = _wide(input, target, weight)
    with np.errstate(all="ignore"):
        return _weighted((x - y) ** 2, reduction, w)


def l1_loss(
    input: np.ndarray, target: np.ndarray, reduction: str = "mean", weight: np.ndarray | None = None
) -> np.ndarray:
    """The magnitude of the difference."""
    x, y, w = _wide(input, target, weight)
    with np.errstate(all="ignore"):
        return _weighted(np.abs(x - y), reduction, w)


def _weighted(losses: np.ndarray, reduction: str, weight: np.ndarray | None) -> np.ndarray:
    if weight is None:
        return _reduced(losses, reduction)
    return _reduced(losses * weight, reduction, np.broadcast_to(weight, losses.shape).sum())


def smooth_l1_loss(input: np.ndarray, target: np.ndarray, reduction: str = "mean", beta: float = 1.0) -> np.ndarray:
    """A parabola below beta, a line above."""
    x, y = _wide(input, target)
    with np.errstate(all="ignore"):
        d = np.abs(x - y)
        losses = d if beta == 0 else np.where(d < beta, d * d / (2 * beta), d - beta / 2)
        return _reduced(losses, reduction)


def huber_loss(
    input: np.ndarray,
    target: np.ndarray,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: np.ndarray | None = None,
) -> np.ndarray:
    """A parabola up to delta, a line of slope delta above."""
    x, y, w = _wide(input, target, weight)
    with np.errstate(all="ignore"):
        d = np.abs(x - y)
        losses = np.where(d <= delta, d * d / 2, delta * d - delta * delta / 2)
        return _reduced(losses if w is None else losses * w, reduction)


def poisson_nll_loss(
    input: np.ndarray,
    target: np.ndarray,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> np.ndarray:
    """rate - target log(rate), perhaps with Stirling's logarithm of target!."""
    x, y = _wide(input, target)
    with np.errstate(all="ignore"):
        losses = np.exp(x) - y * x if log_input else x - y * np.log(x + eps)
        if full:
            counted = y > 1
            some = np.where(counted, y, 2)
            losses = losses + np.where(counted, some * np.log(some) - some + np.log(2 * np.pi * some) / 2, 0)
        return _reduced(losses, reduction)


def gaussian_nll_loss(
    input: np.ndarray,
    target: np.ndarray,
    var: np.ndarray,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> np.ndarray:
    """Half of log(variance) and of the square of the difference by the variance."""
    x, y, v = _wide(input, target, var)
    if x.ndim and v.shape == x.shape[:-1]:
        v = v[..., None]
    with np.errstate(all="ignore"):
        v = np.where(v < 0, np.nan, np.where(v < eps, eps, v))
        losses = np.log(v) / 2 + (x - y) ** 2 / (2 * v)
        return _reduced(losses + math.log(2 * math.pi) / 2 if full else losses, reduction)


def kl_div(input: np.ndarray, target: np.ndarray, reduction: str = "mean", log_target: bool = False) -> np.ndarray:
    """p log(p) - p log(q)."""
    log_q, p = _wide(input, target)
    with np.errstate(all="ignore"):
        if log_target:
            losses = np.exp(p) * (p - log_q)
        else:
            losses = p * (np.log(np.where(p == 0, 1, p)) - log_q)
        if reduction == "batchmean":
            return np.asarray(losses.sum() / (losses.shape[0] if losses.ndim else 1))
        return _reduced(losses, reduction)


def binary_cross_entropy(
    input: np.ndarray, target: np.ndarray, weight: np.ndarray | None = None, reduction: str = "mean"
) -> np.ndarray:
    """-(t log(p) + (1 - t) log(1 - p)), no logarithm below -100."""
    p, t, w = _wide(input, target, weight)
    with np.errstate(all="ignore"):
        losses = -(t * np.maximum(np.log(p), -100) + (1 - t) * np.maximum(np.log1p(-p), -100))
        return _reduced(losses if w is None else losses * w, reduction)


def binary_cross_entropy_with_logits(
    input: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray | None = None,
    reduction: str = "mean",
    pos_weight: np.ndarray | None = None,
) -> np.ndarray:
    """w (pos_weight t log(1 + exp(-x)) + (1 - t) log(1 + exp(x)))."""
    x, t, w, first = _wide(input, target, weight, pos_weight)
    with np.errstate(all="ignore"):
        losses = (t if first is None else t * first) * np.logaddexp(0, -x) + (1 - t) * np.logaddexp(0, x)
        return _reduced(losses if w is None else losses * w, reduction)


def soft_margin_loss(input: np.ndarray, target: np.ndarray, reduction: str = "mean") -> np.ndarray:
    """log(1 + exp(-t x))."""
    x, t = _wide(input, target)
    with np.errstate(all="ignore"):
        return _reduced(np.logaddexp(0, -t * x), reduction)


def hinge_embedding_loss(
    input: np.ndarray, target: np.ndarray, margin: float = 1.0, reduction: str = "mean"
) -> np.ndarray:
    """x where t is 1, max(0, margin - x) where it is -1, both added elsewhere."""
    x, t = _wide(input, target)
    with np.errstate(all="ignore"):
        rest = np.maximum(0, margin - x)
        return _reduced(np.select([t == 1, t == -1], [x, rest], x + rest), reduction)


def margin_ranking_loss(
    input1: np.ndarray, input2: np.ndarray, target: np.ndarray, margin: float = 0.0, reduction: str = "mean"
) -> np.ndarray:
    """max(0, margin - t (x1 - x2))."""
    x1, x2, t = _wide(input1, input2, target)
    with np.errstate(all="ignore"):
        return _reduced(np.maximum(0, margin - t * (x1 - x2)), reduction)

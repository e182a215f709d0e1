"""Losses over classes as ops, which count the indices that are no class; checked_loss.py raises the error."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ...arguments import integer, word
from ...array import Array
from ...conversion import index_range
from ...dtypes import BOOL, INT64, UINT64, DType
from ...errors import ArgumentError, DtypeError, ShapeError
from ..compose import AnyOperand, Indices, Operand, composed
from ..primitive.pointwise import astype, fn
from ..primitive.reduce import max, sum
from ..views import broadcast_to, expand_dims, reshape, squeeze
from . import exact_loss
from .loss import REDUCTIONS, number, reduced
from .stopping import stop_gradient

IGNORED = -100
"""The default of ignore_index: no class."""


def class_axis(op: str, input: Array) -> int:
    """The axis of classes: the second, or the only one. Raises ShapeError where there is none, or no class."""
    axis = 1 if input.ndim > 1 else 0
    if not input.ndim or not input.shape[axis]:
        raise ShapeError(f"{op}: input: expected (C,) or (N, C, …) with at least one class, got shape {input.shape}")
    return axis


def class_weight(op: str, weight: Array, input: Array, axis: int) -> Array:
    """A weight for each class as a view of input's shape. Raises ShapeError."""
    classes = input.shape[axis]
    if weight.shape != (classes,):
        raise ShapeError(f"{op}: weight: expected one number for each class, shape ({classes},), got {weight.shape}")
    return broadcast_to(reshape(weight, (classes, *(1 for _ in input.shape[axis + 1 :]))), input.shape)


@dataclass(frozen=True)
class Labels:
    """What class indices say of an input.

    chosen: whether an element is of its row's class. Of each row, the axis of classes kept with length 1: ignored,
    whether its index is ignore_index; counted, 0 where it is, else 1; outside, 1 where the index is no class, and not
    ignored either, else 0.
    """

    axis: int
    chosen: Array
    ignored: Array
    counted: Array
    outside: Array

    @classmethod
    def of(cls, op: str, input: Array, target: Array, axis: int, ignore_index: Any) -> Labels:
        """Raises ShapeError, DtypeError, ArgumentError."""
        rows = (*input.shape[:axis], *input.shape[axis + 1 :])
        if target.shape != rows:
            raise ShapeError(f"{op}: target: expected one class index for each row, shape {rows}, got {target.shape}")
        if target.dtype in (UINT64, BOOL):
            raise DtypeError(f"{op}: target: takes integers that int64 holds, got {target.dtype}; cast with astype")
        label = expand_dims(astype(target, INT64, copy=False), axis)
        ignored = label == integer(op, "ignore_index", ignore_index)
        outside = ((label < 0) | (label >= input.shape[axis])) & ~ignored
        chosen = index_of(input, axis) == label
        return cls(axis, chosen, ignored, astype(~ignored, INT64), astype(outside, INT64))

    def choose(self, x: Array) -> Array:
        """The element of each row's class; 0 where there is none."""
        return sum(fn.where(self.chosen, x, 0.0), axis=self.axis, keepdims=True)

    def reduce(self, reduction: str, losses: Array, scale: Array | None, penalty: Array | None) -> tuple[Array, Array]:
        """The rows' losses, and penalties added to them, reduced; and how many rows' indices are no class, which makes
        their losses NaN. An ignored row's are 0. The mean of losses is divided by the sum of scale (None: 1 each) over
        the rows that are not ignored, the mean of penalties by their number."""
        if scale is None and penalty is not None:
            losses, penalty = losses + penalty, None
        terms = [losses] if penalty is None else [losses, penalty]
        terms = [fn.where(self.ignored, 0.0, term) for term in terms]
        if reduction == "none":
            every = terms[0] if penalty is None else terms[0] + terms[1]
            return squeeze(fn.where(self.outside > 0, math.nan, every), self.axis), sum(self.outside)
        terms = [sum(term) for term in terms]
        if reduction == "mean":
            number = astype(sum(self.counted), losses.dtype)
            scales = [number if scale is None else sum(fn.where(self.ignored, 0.0, scale)), number]
            terms = [term / divisor for term, divisor in zip(terms, scales, strict=False)]
        total, outside = terms[0] if penalty is None else terms[0] + terms[1], sum(self.outside)
        return fn.where(outside > 0, math.nan, total), outside


def index_of(x: Array, axis: int) -> Array:
    """Each element's own index along an axis, as int64."""
    n = x.shape[axis]
    return broadcast_to(reshape(index_range(n, x.device), (n, *(1 for _ in x.shape[axis + 1 :]))), x.shape)


def log_partition(input: Array, axis: int) -> tuple[Array, Array, Array]:
    """x - max, log(sum(exp(x - max))) and max along an axis, which stays: log_softmax is the first less the second."""
    peak = stop_gradient(max(input, axis=axis, keepdims=True))
    shifted = input - peak
    return shifted, fn.log(sum(fn.exp(shifted), axis=axis, keepdims=True)), peak


def _samples(dtype: DType) -> Any:
    from ...testing import losses

    return losses.cross_entropy(dtype)


def _nll_samples(dtype: DType) -> Any:
    from ...testing import losses

    return losses.by_index(dtype, smoothed=False)


@composed(reference=exact_loss.cross_entropy, samples=_samples)
def cross_entropy(
    input: Operand,
    target: AnyOperand,
    weight: Operand | None = None,
    ignore_index: int = IGNORED,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    *,
    z_loss: float = 0.0,
) -> Array | tuple[Array, Array]:
    """Cross entropy of logits and a target of classes; of class indices also how many are no class."""
    axis = class_axis("cross_entropy", input)
    word("cross_entropy", "reduction", reduction, REDUCTIONS)
    smoothing = number("cross_entropy", "label_smoothing", label_smoothing, 0, 1)
    z_factor = number("cross_entropy", "z_loss", z_loss, 0)
    weights = None if weight is None else class_weight("cross_entropy", weight, input, axis)
    if target.dtype.kind == "f":
        if ignore_index != IGNORED:
            raise ArgumentError("cross_entropy: ignore_index: a target of probabilities has no indices to ignore")
        return _of_probabilities(input, target, weights, axis, reduction, smoothing, z_factor)
    labels = Labels.of("cross_entropy", input, target, axis, ignore_index)
    return _of_indices(input, labels, weights, reduction, smoothing, z_factor)


def _of_indices(
    input: Array, labels: Labels, weights: Array | None, reduction: str, smoothing: float, z_factor: float
) -> tuple[Array, Array]:
    axis, total = labels.axis, float(input.shape[labels.axis])
    shifted, logarithm, peak = log_partition(input, axis)
    losses, scale = logarithm - labels.choose(shifted), None
    if weights is not None:
        scale, shifted, total = labels.choose(weights), shifted * weights, sum(weights, axis=axis, keepdims=True)
        losses = losses * scale
    if smoothing:  # neither term of evenly is negative: nothing cancels
        evenly = logarithm * total - sum(shifted, axis=axis, keepdims=True)
        losses = losses * (1 - smoothing) + evenly * (smoothing / input.shape[axis])
    penalty = fn.square(logarithm + peak) * z_factor if z_factor else None
    return labels.reduce(reduction, losses, scale, penalty)


def _of_probabilities(
    input: Array,
    target: Array,
    weights: Array | None,
    axis: int,
    reduction: str,
    smoothing: float,
    z_factor: float,
) -> Array:
    if target.shape != input.shape:
        raise ShapeError(
            f"cross_entropy: target: expected probabilities of input's shape {input.shape}, got {target.shape}; class "
            "indices are integers"
        )
    shifted, logarithm, peak = log_partition(input, axis)
    share = target * (1 - smoothing) + smoothing / input.shape[axis] if smoothing else target
    share = share if weights is None else share * weights
    losses = logarithm * sum(share, axis=axis, keepdims=True) - sum(share * shifted, axis=axis, keepdims=True)
    if z_factor:
        losses = losses + fn.square(logarithm + peak) * z_factor
    return reduced(squeeze(losses, axis), reduction)


@composed(reference=exact_loss.nll_loss, samples=_nll_samples)
def nll_loss(
    input: Operand,
    target: Indices,
    weight: Operand | None = None,
    ignore_index: int = IGNORED,
    reduction: str = "mean",
) -> tuple[Array, Array]:
    """Negative log likelihood of classes, and how many of their indices are no class."""
    word("nll_loss", "reduction", reduction, REDUCTIONS)
    axis = class_axis("nll_loss", input)
    labels = Labels.of("nll_loss", input, target, axis, ignore_index)
    losses, scale = -labels.choose(input), None
    if weight is not None:
        scale = labels.choose(class_weight("nll_loss", weight, input, axis))
        losses = losses * scale
    return labels.reduce(reduction, losses, scale, None)

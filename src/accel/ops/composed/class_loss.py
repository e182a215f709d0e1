"""Losses over classes: cross_entropy and nll_loss, with torch.nn.functional's names, argument order and defaults."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ... import interop
from ...arguments import integer, word
from ...array import Array
from ...dtypes import INT64, UINT64
from ...errors import ArgumentError, DtypeError, ShapeError
from ..primitive.pointwise import astype, fn
from ..primitive.reduce import max, sum
from ..views import broadcast_to, expand_dims, reshape, squeeze
from .loss import REDUCTIONS, number, reduced

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
    """What class indices say of an input, with the axis of classes kept (length 1 but for ``chosen``).

    chosen: whether an element is of its row's class. ignored: whether a row's index is ignore_index. outside: whether
    it is no class, and not ignored either.
    """

    axis: int
    chosen: Array
    ignored: Array
    outside: Array

    @classmethod
    def of(cls, op: str, input: Array, target: Array, ignore_index: Any) -> Labels:
        """Raises ShapeError, DtypeError, ArgumentError."""
        axis = class_axis(op, input)
        rows = (*input.shape[:axis], *input.shape[axis + 1 :])
        if target.shape != rows:
            raise ShapeError(f"{op}: target: expected one class index for each row, shape {rows}, got {target.shape}")
        if target.dtype is UINT64:
            raise DtypeError(f"{op}: target: takes integers that int64 holds, got uint64; cast with astype")
        label = expand_dims(astype(target, INT64), axis)
        ignored = label == integer(op, "ignore_index", ignore_index)
        outside = ((label < 0) | (label >= input.shape[axis])) & ~ignored
        return cls(axis, index_of(input, axis) == label, ignored, outside)

    def choose(self, x: Array) -> Array:
        """The element of each row's class; 0 where there is none."""
        return sum(fn.where(self.chosen, x, 0.0), axis=self.axis, keepdims=True)

    def reduce(self, losses: Array, scale: Array | None, reduction: str) -> Array:
        """The rows' losses, reduced: an ignored row's is 0, and NaN where the index is no class. The mean is divided by
        the sum of scale (None: 1 each) over the rows that are not ignored."""
        losses = fn.where(self.ignored, 0.0, fn.where(self.outside, math.nan, losses))
        if reduction != "mean":
            return reduced(squeeze(losses, self.axis), reduction)
        if scale is None:
            return sum(losses) / astype(sum(astype(~self.ignored, INT64)), losses.dtype)
        return sum(losses) / sum(fn.where(self.ignored, 0.0, scale))

    def count_outside(self) -> Array:
        """How many rows have an index that is no class, and is not ignored."""
        return sum(astype(self.outside, INT64))


def index_of(x: Array, axis: int) -> Array:
    """Each element's own index along an axis, as int64."""
    from ...ranges import arange

    n = x.shape[axis]
    return broadcast_to(reshape(arange(n, device=x.device), (n, *(1 for _ in x.shape[axis + 1 :]))), x.shape)


def log_partition(input: Array, axis: int) -> tuple[Array, Array, Array]:
    """x - max, log(sum(exp(x - max))) and max along an axis, which stays: log_softmax is the first less the second."""
    peak = max(input, axis=axis, keepdims=True)
    shifted = input - peak
    return shifted, fn.log(sum(fn.exp(shifted), axis=axis, keepdims=True)), peak


def class_cross_entropy(
    input: Array,
    target: Array,
    weight: Array | None = None,
    ignore_index: int = IGNORED,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
) -> tuple[Array, Array]:
    """cross_entropy of class indices, and how many of them are no class."""
    labels = Labels.of("cross_entropy", input, target, ignore_index)
    smoothing, z_factor, axis = *_factors(reduction, label_smoothing, z_loss), labels.axis
    shifted, logarithm, peak = log_partition(input, axis)
    losses, scale, total = logarithm - labels.choose(shifted), None, float(input.shape[axis])
    if weight is not None:
        weights = class_weight("cross_entropy", weight, input, axis)
        scale, shifted = labels.choose(weights), shifted * weights
        losses, total = losses * scale, sum(weights, axis=axis, keepdims=True)
    if smoothing:  # both terms of evenly are positive: nothing cancels
        evenly = logarithm * total - sum(shifted, axis=axis, keepdims=True)
        losses = losses * (1 - smoothing) + evenly * (smoothing / input.shape[axis])
    result = labels.reduce(losses, scale, reduction)
    if z_factor:
        result = result + labels.reduce(fn.square(logarithm + peak) * z_factor, None, reduction)
    return result, labels.count_outside()


def soft_cross_entropy(
    input: Array,
    target: Array,
    weight: Array | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
) -> Array:
    """cross_entropy of a target that has a probability for each class."""
    axis = class_axis("cross_entropy", input)
    smoothing, z_factor = _factors(reduction, label_smoothing, z_loss)
    if target.shape != input.shape:
        raise ShapeError(
            f"cross_entropy: target: expected probabilities of input's shape {input.shape}, got {target.shape}; class "
            "indices are integers"
        )
    shifted, logarithm, peak = log_partition(input, axis)
    share = target * (1 - smoothing) + smoothing / input.shape[axis] if smoothing else target
    if weight is not None:
        share = share * class_weight("cross_entropy", weight, input, axis)
    losses = logarithm * sum(share, axis=axis, keepdims=True) - sum(share * shifted, axis=axis, keepdims=True)
    if z_factor:
        losses = losses + fn.square(logarithm + peak) * z_factor
    return reduced(squeeze(losses, axis), reduction)


def class_nll(
    input: Array,
    target: Array,
    weight: Array | None = None,
    ignore_index: int = IGNORED,
    reduction: str = "mean",
) -> tuple[Array, Array]:
    """nll_loss, and how many of the indices are no class."""
    word("nll_loss", "reduction", reduction, REDUCTIONS)
    labels = Labels.of("nll_loss", input, target, ignore_index)
    losses, scale = -labels.choose(input), None
    if weight is not None:
        scale = labels.choose(class_weight("nll_loss", weight, input, labels.axis))
        losses = losses * scale
    return labels.reduce(losses, scale, reduction), labels.count_outside()


def _factors(reduction: Any, label_smoothing: Any, z_loss: Any) -> tuple[float, float]:
    """The numbers of cross_entropy, checked. Raises ArgumentError."""
    word("cross_entropy", "reduction", reduction, REDUCTIONS)
    smoothing = number("cross_entropy", "label_smoothing", label_smoothing, 0, 1)
    return smoothing, number("cross_entropy", "z_loss", z_loss, 0)


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    ignore_index: int = IGNORED,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    *,
    z_loss: float = 0.0,
) -> Any:
    """-sum(weight q log_softmax(input)) over the classes, where q is the target's distribution.

    input: floating logits, (C,) or (N, C, d1, …). target: integers of input's shape without the axis of classes, each
    the index of a class, where q is 1 at that class; or floating, of input's shape: q itself.
    weight: (C,), of each class. ignore_index: rows with this index count for nothing (class indices only).
    label_smoothing: q becomes (1 - label_smoothing) q + label_smoothing / C.
    reduction: "none" gives the loss of each row; "sum" their sum; "mean" their mean, which for class indices is divided
    by the sum of the weights of the classes of all rows that are not ignored (no such row: NaN).
    z_loss: adds z_loss logsumexp(input)**2 of each row that is not ignored (Chowdhery et al. 2022, arXiv:2204.02311),
    which no weight scales; its mean is over the rows.

    float16 and bfloat16 are computed in float32 and rounded once. A row with a NaN or inf, or with -inf alone, gives
    NaN. An index that is no class gives NaN, and ArgumentError once all is computed: this waits for the device. Inside
    a function that is traced nothing can be read, so that there the NaN alone tells.
    Raises ShapeError, DtypeError, ArgumentError.
    """
    if _is_floating(target):
        if ignore_index != IGNORED:
            raise ArgumentError("cross_entropy: ignore_index: a target of probabilities has no class indices to ignore")
        return _on_arrays(
            "cross_entropy", soft_cross_entropy, input, target, weight, reduction, label_smoothing, z_loss
        )
    return _on_arrays(
        "cross_entropy", class_cross_entropy, input, target, weight, ignore_index, reduction, label_smoothing, z_loss
    )


def nll_loss(input: Any, target: Any, weight: Any = None, ignore_index: int = IGNORED, reduction: str = "mean") -> Any:
    """-weight[target] input[target] for each row of log-probabilities: the negative log likelihood of the target.

    input: floating, (C,) or (N, C, d1, …), such as log_softmax gives. target: integers of input's shape without the
    axis of classes. weight, ignore_index, reduction, and an index that is no class: as in `cross_entropy`.
    Raises ShapeError, DtypeError, ArgumentError.
    """
    return _on_arrays("nll_loss", class_nll, input, target, weight, ignore_index, reduction)


def _is_floating(target: Any) -> bool:
    return interop.is_array(target) and interop.dtype_of("cross_entropy: target", target).kind == "f"


def _on_arrays(name: str, op: Any, input: Any, target: Any, weight: Any, *rest: Any) -> Any:
    """Runs an op on operands of any kind. Raises ArgumentError where it counts indices that are no class."""
    given = {"input": input, "target": target} | ({} if weight is None else {"weight": weight})
    (logits, its_target, *weights), restore = interop.adopt(name, **given)
    result = op(logits, its_target, *(weights or [None]), *rest)
    if isinstance(result, Array):
        return restore(result)
    losses, outside = result
    if (count := int(outside)) > 0:
        classes = logits.shape[1 if logits.ndim > 1 else 0]
        raise ArgumentError(
            f"{name}: target: expected class indices from 0 to {classes - 1}, or ignore_index, {rest[0]}; {count} of "
            f"{its_target.size} are neither"
        )
    return restore(losses)

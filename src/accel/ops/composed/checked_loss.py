"""The public losses over classes, with torch.nn.functional's names, argument order and defaults: the ops of
class_loss.py, and the error for indices that are no class, of which a compiled op can only tell how many there are."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from ... import interop
from ...array import Array
from ...checks import Check
from ...config import config
from ...errors import shown
from ..primitive.gather import checked
from . import class_loss
from .class_loss import IGNORED


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
    """Cross entropy of each row's logits and its target, a distribution q: -sum(weight q log_softmax(input)).

    input: floating logits, (C,) or (N, C, d1, …). target: integers of input's shape without the axis of classes, each
    the index of a class, where q is 1 at that class; or floating, of input's shape: q itself.
    weight: (C,), of each class. ignore_index: rows with this index count for nothing (class indices only).
    label_smoothing: q becomes (1 - label_smoothing) q + label_smoothing / C.
    reduction: "none" gives the loss of each row; "sum" their sum; "mean" their mean, which for class indices is divided
    by the sum of the weights of the classes of all rows that are not ignored (no such row: NaN).
    z_loss: adds z_loss logsumexp(input)**2 of each row that is not ignored (Chowdhery et al. 2022, arXiv:2204.02311),
    which no weight scales; its mean is over the rows.

    float16 and bfloat16 are computed in float32 and rounded once. A row with a NaN or inf, or with -inf alone, gives
    NaN. An index that is no class gives NaN, and IndexError once all is computed, on a GPU when it is synchronised or
    copied from (`accel.config.check`).
    Raises IndexError, ShapeError, DtypeError, ArgumentError.
    """
    rest = (ignore_index, reduction, label_smoothing)
    return _checked(class_loss.cross_entropy, input, target, weight, *rest, z_loss=z_loss)


def nll_loss(input: Any, target: Any, weight: Any = None, ignore_index: int = IGNORED, reduction: str = "mean") -> Any:
    """Negative log likelihood of each row's class: -weight[target] input[target], of log-probabilities.

    input: floating, (C,) or (N, C, d1, …), such as log_softmax gives. target: integers of input's shape without the
    axis of classes. weight, ignore_index, reduction, and an index that is no class: as in `cross_entropy`.
    Raises ShapeError, DtypeError, ArgumentError.
    """
    return _checked(class_loss.nll_loss, input, target, weight, ignore_index, reduction)


def _checked(op: Callable[..., Any], input: Any, target: Any, *rest: Any, **keywords: Any) -> Any:
    """An op's losses. Has those looked at that it counts as indices of no class."""
    result = op(input, target, *rest, **keywords)
    if not isinstance(result, tuple):
        return result
    losses, outside = result
    if (type(outside) is np.ndarray and not outside) or config.check == "off":
        return losses
    classes = input.shape[1 if len(input.shape) > 1 else 0]
    words = (
        f"{op.__name__}: target: expected class indices from 0 to {classes - 1}, or ignore_index, {shown(rest[1])}; "
    )
    count = outside if isinstance(outside, Array) else interop.adopt(op.__name__, outside=outside)[0][0]
    checked(Check(0, 1, words, f" of {prod(target.shape)} are neither"), count)
    return losses

"""route: which experts of a mixture a token is sent to, and what each one's answer weighs."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...arguments import integer, real, switch, word
from ...array import Array
from ...dtypes import FLOAT64, DType, as_dtype
from ...errors import ArgumentError, ShapeError
from ..compose import Operand, composed
from ..primitive.gather import take_along_axis
from ..primitive.pointwise import fn
from ..primitive.reduce import sum
from .extremes import topk
from .softmax import softmax

SCORES = ("softmax", "sigmoid")


def _samples(dtype: DType) -> Any:
    from ...testing import routing_family

    return routing_family.routes(dtype)


def _exact(
    logits: np.ndarray,
    k: int,
    bias: np.ndarray | None = None,
    scores: str = "softmax",
    normalize: bool = True,
    scale: float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    wide = logits.astype(np.longdouble if as_dtype(logits.dtype) is FLOAT64 else np.float64)
    with np.errstate(all="ignore"):
        if scores == "softmax":
            powers = np.exp(wide - wide.max(-1, keepdims=True))
            shares = powers / powers.sum(-1, keepdims=True)
        else:
            shares = 1 / (1 + np.exp(-wide))
        by = wide if bias is None else shares + bias
        chosen = np.lexsort((np.signbit(by), -by), axis=-1)[..., :k]  # +0 is above -0, as where accel sorts
        found = np.take_along_axis(shares, chosen, -1)
        if normalize:
            total = found.sum(-1, keepdims=True)
            found = found / np.where(total > 0, total, 1)
    return found * scale, chosen


@composed(reference=_exact, samples=_samples)
def route(
    logits: Operand,
    k: int,
    bias: Operand | None = None,
    scores: str = "softmax",
    normalize: bool = True,
    scale: float = 1.0,
) -> tuple[Array, Array]:
    """What the answers of the k likeliest experts weigh, (…, k) from the likeliest on, and their int64 numbers.

    logits: (…, experts), floating. scores: "softmax" over all experts, or "sigmoid" of each logit. Experts are chosen
    by their logits, of equal ones the first (+0 is above -0); with a bias (experts,) by score plus bias, which is in no
    weight (DeepSeek-AI 2024, arXiv:2412.19437). normalize: weights are divided by their sum, where that is not 0.
    scale: what they are multiplied by at the end. 16-bit floats are computed in float32 and rounded once.
    Raises ShapeError, DtypeError, ArgumentError.
    """
    op = "route"
    if logits.ndim == 0:
        raise ShapeError(f"{op}: logits: expected at least one axis, got a 0-d array")
    experts, count, factor = logits.shape[-1], integer(op, "k", k), real(op, "scale", scale)
    if not 1 <= count <= experts:
        raise ArgumentError(f"{op}: k: expected 1 to {experts}, the number of experts, got {count}")
    if bias is not None and bias.shape != (experts,):
        raise ShapeError(f"{op}: bias: expected shape ({experts},), got {bias.shape}")
    kind = word(op, "scores", scores, SCORES)
    shares = softmax(logits, axis=-1) if kind == "softmax" else fn.sigmoid(logits)
    _, chosen = topk(logits if bias is None else shares + bias, count)
    found = take_along_axis(shares, chosen, axis=-1)
    if switch(op, "normalize", normalize):
        total = sum(found, axis=-1, keepdims=True)
        found = found / fn.where(total > 0.0, total, 1.0)
    return (found if factor == 1.0 else found * factor), chosen

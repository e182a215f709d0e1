"""Losses over probabilities and margins, with torch.nn.functional's names, argument order and defaults.

The mean of nothing is NaN, its sum 0. float16 and bfloat16 are computed in float32 and rounded once.
"""

from __future__ import annotations

from ...arguments import switch, word
from ...array import Array
from ..compose import Operand, composed
from ..primitive.pointwise import fn
from ..primitive.reduce import sum
from . import exact_loss
from .loss import REDUCTIONS, by_element, check, number, reduced, stretched


@composed(reference=exact_loss.kl_div, samples=by_element("kl_div"))
def kl_div(input: Operand, target: Operand, reduction: str = "mean", log_target: bool = False) -> Array:
    """Terms of the Kullback-Leibler divergence of exp(input), the model, from target: target (log(target) - input) for
    each element, which is 0 where target is 0 and input is finite.

    input: floating, log-probabilities. target: of its shape, probabilities, or their logarithms with log_target.
    reduction: "none", "sum", "mean" (by the number of elements), or "batchmean" (by the first axis's length: the
    divergence as it is defined). Raises ShapeError, DtypeError, ArgumentError.
    """
    batch = word("kl_div", "reduction", reduction, (*REDUCTIONS, "batchmean")) == "batchmean"
    check("kl_div", "sum" if batch else reduction, input, target=target)
    if switch("kl_div", "log_target", log_target):
        losses = fn.exp(target) * (target - input)
    else:
        losses = target * (fn.where(target == 0, 0.0, fn.log(target)) - input)
    if not batch:
        return reduced(losses, reduction)
    return sum(losses) / float(input.shape[0] if input.ndim else 1)


@composed(reference=exact_loss.binary_cross_entropy, samples=by_element("binary_cross_entropy"))
def binary_cross_entropy(
    input: Operand, target: Operand, weight: Operand | None = None, reduction: str = "mean"
) -> Array:
    """Cross entropy of probabilities of two classes, -(target log(input) + (1 - target) log(1 - input)) for each
    element, times the weight where there is one. Logarithms are at least -100, so that every loss is finite.

    input: floating, probabilities; outside 0 to 1 the loss is NaN. target: of its shape. weight: broadcasts to it.
    reduction: "none", "sum", "mean" (by the number of elements). Raises ShapeError, DtypeError, ArgumentError.
    """
    check("binary_cross_entropy", reduction, input, target=target)
    true, false = fn.maximum(fn.log(input), -100.0), fn.maximum(fn.log1p(-input), -100.0)
    losses = -(target * true + (1 - target) * false)
    return reduced(_times("binary_cross_entropy", losses, weight), reduction)


@composed(reference=exact_loss.binary_cross_entropy_with_logits, samples=by_element("binary_cross_entropy_with_logits"))
def binary_cross_entropy_with_logits(
    input: Operand,
    target: Operand,
    weight: Operand | None = None,
    reduction: str = "mean",
    pos_weight: Operand | None = None,
) -> Array:
    """Cross entropy of sigmoid(input) and target, also where sigmoid is 0 or 1: target softplus(-input) + (1 - target)
    softplus(input) for each element, where softplus(x) = log(1 + exp(x)).

    input: floating, logits. target: of its shape, probabilities. weight: broadcasts to it, and multiplies each element;
    pos_weight: as well, and multiplies the first term. reduction: "none", "sum", "mean" (by the number of elements).
    Raises ShapeError, DtypeError, ArgumentError.
    """
    op = "binary_cross_entropy_with_logits"
    check(op, reduction, input, target=target)
    share = target if pos_weight is None else target * stretched(op, "pos_weight", pos_weight, input.shape)
    tail = fn.log1p(fn.exp(-fn.abs(input)))  # of both softplus: no term is negative, and nothing cancels
    losses = share * (fn.maximum(-input, 0.0) + tail) + (1 - target) * (fn.maximum(input, 0.0) + tail)
    return reduced(_times(op, losses, weight), reduction)


def _times(op: str, losses: Array, weight: Array | None) -> Array:
    return losses if weight is None else losses * stretched(op, "weight", weight, losses.shape)


@composed(reference=exact_loss.soft_margin_loss, samples=by_element("soft_margin_loss"))
def soft_margin_loss(input: Operand, target: Operand, reduction: str = "mean") -> Array:
    """Logistic loss, log(1 + exp(-target input)), of each element, without overflow.

    input: floating. target: of its shape, 1 or -1. reduction: "none", "sum", "mean". Raises ShapeError, DtypeError,
    ArgumentError.
    """
    check("soft_margin_loss", reduction, input, target=target)
    margin = target * input
    return reduced(fn.maximum(-margin, 0.0) + fn.log1p(fn.exp(-fn.abs(margin))), reduction)


@composed(reference=exact_loss.hinge_embedding_loss, samples=by_element("hinge_embedding_loss"))
def hinge_embedding_loss(input: Operand, target: Operand, margin: float = 1.0, reduction: str = "mean") -> Array:
    """Loss of distances, for each element: input where target is 1, max(0, margin - input) where it is -1, and the sum
    of both where it is neither.

    input: floating, distances. target: of its shape. reduction: "none", "sum", "mean". Raises ShapeError, DtypeError,
    ArgumentError.
    """
    check("hinge_embedding_loss", reduction, input, target=target)
    rest = fn.maximum(number("hinge_embedding_loss", "margin", margin) - input, 0.0)
    return reduced(fn.where(target == -1, 0.0, input) + fn.where(target == 1, 0.0, rest), reduction)


@composed(reference=exact_loss.margin_ranking_loss, samples=by_element("margin_ranking_loss"))
def margin_ranking_loss(
    input1: Operand, input2: Operand, target: Operand, margin: float = 0.0, reduction: str = "mean"
) -> Array:
    """Ranking loss, max(0, margin - target (input1 - input2)), of each element: target is 1 where input1 should rank
    above input2, and -1 where below.

    input1, input2, target: floating, of one shape. reduction: "none", "sum", "mean". Raises ShapeError, DtypeError,
    ArgumentError.
    """
    check("margin_ranking_loss", reduction, input1, input2=input2, target=target)
    margin = number("margin_ranking_loss", "margin", margin)
    return reduced(fn.maximum(margin - target * (input1 - input2), 0.0), reduction)

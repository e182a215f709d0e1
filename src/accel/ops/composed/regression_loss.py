"""Losses over numbers, with torch.nn.functional's names, argument order and defaults: distances, and the negative log
likelihoods of Poisson and normal distributions.

The mean of nothing is NaN, its sum 0. float16 and bfloat16 are computed in float32 and rounded once.
"""

from __future__ import annotations

import math

from ...arguments import switch
from ...array import Array
from ..compose import Operand, composed
from ..primitive.pointwise import fn
from ..primitive.reduce import sum
from ..views import expand_dims
from . import exact_loss
from .loss import by_element, check, number, reduced, stretched


@composed(reference=exact_loss.mse_loss, samples=by_element("mse_loss"))
def mse_loss(input: Operand, target: Operand, reduction: str = "mean", weight: Operand | None = None) -> Array:
    """Squared error, (input - target)**2, of each element, times the weight where there is one.

    input, target: floating, of one shape. weight: broadcasts to it. reduction: "none", "sum", or "mean", which a
    weight's sum divides where there is one.
    Raises ShapeError, DtypeError, ArgumentError.
    """
    check("mse_loss", reduction, input, target=target)
    return _weighted_mean("mse_loss", fn.square(input - target), reduction, weight)


@composed(reference=exact_loss.l1_loss, samples=by_element("l1_loss"))
def l1_loss(input: Operand, target: Operand, reduction: str = "mean", weight: Operand | None = None) -> Array:
    """Absolute error, abs(input - target), of each element, times the weight where there is one.

    Operands, reduction and errors as in `mse_loss`.
    """
    check("l1_loss", reduction, input, target=target)
    return _weighted_mean("l1_loss", fn.abs(input - target), reduction, weight)


def _weighted_mean(op: str, losses: Array, reduction: str, weight: Array | None) -> Array:
    """Losses times a weight, reduced; the mean is divided by the weight's sum."""
    if weight is None:
        return reduced(losses, reduction)
    weight = stretched(op, "weight", weight, losses.shape)
    losses = losses * weight
    return sum(losses) / sum(weight) if reduction == "mean" else reduced(losses, reduction)


@composed(reference=exact_loss.smooth_l1_loss, samples=by_element("smooth_l1_loss"))
def smooth_l1_loss(input: Operand, target: Operand, reduction: str = "mean", beta: float = 1.0) -> Array:
    """Absolute error with a round tip, for each element: d**2 / (2 beta) where d = abs(input - target) is below beta,
    else d - beta / 2.

    input, target: floating, of one shape. beta: at least 0, with which it is `l1_loss`. reduction: "none", "sum",
    "mean". Source: Girshick 2015, arXiv:1504.08083. Raises ShapeError, DtypeError, ArgumentError.
    """
    check("smooth_l1_loss", reduction, input, target=target)
    beta = number("smooth_l1_loss", "beta", beta, 0)
    distance = fn.abs(input - target)
    if beta:
        distance = fn.where(distance < beta, distance * 0.5 * (distance / beta), distance - 0.5 * beta)
    return reduced(distance, reduction)


@composed(reference=exact_loss.huber_loss, samples=by_element("huber_loss"))
def huber_loss(
    input: Operand, target: Operand, reduction: str = "mean", delta: float = 1.0, weight: Operand | None = None
) -> Array:
    """Squared error with straight ends, for each element: d**2 / 2 where d = abs(input - target) is at most delta, else
    delta (d - delta / 2), times the weight where there is one.

    input, target: floating, of one shape. delta: above 0. weight: broadcasts to their shape. reduction: "none", "sum",
    or "mean", which the number of elements divides, whatever the weight.
    Source: Huber 1964, "Robust estimation of a location parameter". Raises ShapeError, DtypeError, ArgumentError.
    """
    check("huber_loss", reduction, input, target=target)
    delta = number("huber_loss", "delta", delta, 0, above=True)
    distance = fn.abs(input - target)
    losses = fn.where(distance <= delta, distance * 0.5 * distance, (distance - 0.5 * delta) * delta)
    return reduced(
        losses if weight is None else losses * stretched("huber_loss", "weight", weight, input.shape), reduction
    )


@composed(reference=exact_loss.poisson_nll_loss, samples=by_element("poisson_nll_loss"))
def poisson_nll_loss(
    input: Operand,
    target: Operand,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Array:
    """Negative log likelihood of each count of target under a Poisson distribution.

    log_input: exp(input) - target input, where input is the logarithm of the rate; False: input - target log(input +
    eps), where it is the rate. full: adds Stirling's approximation to log(target!), target log(target) - target +
    log(2 pi target) / 2, where target is above 1.
    input, target: floating, of one shape. reduction: "none", "sum", "mean". Raises ShapeError, DtypeError,
    ArgumentError.
    """
    check("poisson_nll_loss", reduction, input, target=target)
    eps = number("poisson_nll_loss", "eps", eps, 0)
    if switch("poisson_nll_loss", "log_input", log_input):
        losses = fn.exp(input) - target * input
    else:
        losses = input - target * fn.log(input + eps)
    if switch("poisson_nll_loss", "full", full):
        stirling = target * fn.log(target) - target + fn.log(target * (2 * math.pi)) * 0.5
        losses = losses + fn.where(target > 1, stirling, 0.0)
    return reduced(losses, reduction)


@composed(reference=exact_loss.gaussian_nll_loss, samples=by_element("gaussian_nll_loss"))
def gaussian_nll_loss(
    input: Operand, target: Operand, var: Operand, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Array:
    """Negative log likelihood of each element of target under a normal distribution of mean input and variance var:
    (log(v) + (input - target)**2 / v) / 2 with v = max(var, eps).

    input, target: floating, of one shape. var: broadcasts to it, or has it without the last axis; a negative variance
    gives NaN. full: adds log(2 pi) / 2. eps: above 0. reduction: "none", "sum", "mean".
    Source: Nix and Weigend 1994, "Estimating the mean and variance of the target probability distribution". Raises
    ShapeError, DtypeError, ArgumentError.
    """
    check("gaussian_nll_loss", reduction, input, target=target)
    eps = number("gaussian_nll_loss", "eps", eps, 0, above=True)
    if input.ndim and var.shape == input.shape[:-1]:
        var = expand_dims(var, -1)
    var = stretched("gaussian_nll_loss", "var", var, input.shape)
    spread = fn.where(var < 0, math.nan, fn.maximum(var, eps))
    losses = (fn.log(spread) + fn.square(input - target) / spread) * 0.5
    if switch("gaussian_nll_loss", "full", full):
        losses = losses + 0.5 * math.log(2 * math.pi)
    return reduced(losses, reduction)

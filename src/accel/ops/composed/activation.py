"""Pointwise activations with parameters, with torch.nn.functional's names, argument order and defaults.

NaN stays NaN in all of them. float16 and bfloat16 are computed in float32 and rounded once.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from ...arguments import real, switch
from ...array import Array
from ...dtypes import DType
from ...errors import ArgumentError, ShapeError, UnsupportedError
from ..compose import Operand, composed
from ..primitive.pointwise import fn
from ..views import reshape
from . import exact_activation as exact


def examples(op: str, dtype: DType) -> Any:
    """The examples of an activation of one operand."""
    from ...testing import activations

    return activations.activation(op, dtype)


def _channels(dtype: DType) -> Any:
    from ...testing import activations

    return activations.prelu(dtype)


@composed(reference=exact.elu, samples=partial(examples, "elu"))
def elu(x: Operand, alpha: float = 1.0) -> Array:
    """x where x is above 0, else alpha (e**x - 1), for each element.

    x: floating. Source: Clevert, Unterthiner and Hochreiter 2016, arXiv:1511.07289.
    Raises DtypeError, ArgumentError.
    """
    return fn.where(x > 0.0, x, fn.expm1(x) * real("elu", "alpha", alpha))


@composed(reference=exact.celu, samples=partial(examples, "celu"))
def celu(x: Operand, alpha: float = 1.0) -> Array:
    """x where x is above 0, else alpha (e**(x / alpha) - 1), for each element.

    x: floating. alpha: not 0. Source: Barron 2017, arXiv:1704.07483. Raises DtypeError, ArgumentError.
    """
    alpha = real("celu", "alpha", alpha)
    if alpha == 0.0:
        raise ArgumentError("celu: alpha: expected a number other than 0, got 0")
    return fn.where(x > 0.0, x, fn.expm1(x / alpha) * alpha)


@composed(reference=exact.leaky_relu, samples=partial(examples, "leaky_relu"))
def leaky_relu(x: Operand, negative_slope: float = 0.01) -> Array:
    """x where x is above 0, else negative_slope x, for each element. x: floating. Raises DtypeError, ArgumentError."""
    return fn.where(x > 0.0, x, x * real("leaky_relu", "negative_slope", negative_slope))


@composed(reference=exact.prelu, samples=_channels)
def prelu(x: Operand, weight: Operand) -> Array:
    """x where x is above 0, else weight x, for each element.

    x: floating. weight: one element, or one for each channel of x, which are its axis 1.
    Source: He and others 2015, arXiv:1502.01852. Raises ShapeError, DtypeError, DeviceError.
    """
    channels = x.shape[1] if x.ndim > 1 else 1
    if weight.shape not in ((), (1,), (channels,)):
        raise ShapeError(f"prelu: weight: expected () or ({channels},) for x of shape {x.shape}, got {weight.shape}")
    slopes = reshape(weight, (weight.size, *(1,) * (x.ndim - 2)) if x.ndim > 1 else (1,) * x.ndim)
    return fn.where(x > 0.0, x, x * slopes)


@composed(reference=exact.rrelu, samples=partial(examples, "rrelu"))
def rrelu(x: Operand, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False) -> Array:
    """x where x is above 0, else (lower + upper) / 2 x, for each element: the leaky ReLU whose slope was random in
    training.

    x: floating. training: True needs random numbers, which are not offered: UnsupportedError.
    Source: Xu and others 2015, arXiv:1505.00853. Raises DtypeError, ArgumentError, UnsupportedError.
    """
    lower, upper = real("rrelu", "lower", lower), real("rrelu", "upper", upper)
    if lower > upper:
        raise ArgumentError(f"rrelu: upper: expected at least lower, which is {lower}, got {upper}")
    if switch("rrelu", "training", training):
        raise UnsupportedError("rrelu: training: random slopes are not offered; training=False has their mean")
    return leaky_relu(x, (lower + upper) / 2)


@composed(reference=exact.hardtanh, samples=partial(examples, "hardtanh"))
def hardtanh(x: Operand, min_val: float = -1.0, max_val: float = 1.0) -> Array:
    """x limited to [min_val, max_val], for each element. x: floating. Raises DtypeError, ArgumentError."""
    low, high = real("hardtanh", "min_val", min_val), real("hardtanh", "max_val", max_val)
    if not low <= high:
        raise ArgumentError(f"hardtanh: max_val: expected at least min_val, which is {low}, got {high}")
    return fn.clip(x, low, high)


@composed(reference=exact.relu6, samples=partial(examples, "relu6"))
def relu6(x: Operand) -> Array:
    """x limited to [0, 6], for each element; -0 gives +0. x: floating. Raises DtypeError."""
    return fn.clip(x, 0.0, 6.0)


@composed(reference=exact.threshold, samples=partial(examples, "threshold"))
def threshold(x: Operand, threshold: float, value: float) -> Array:
    """x where x is above the threshold, else value, for each element. x: floating. Raises DtypeError, ArgumentError."""
    limit, below = real("threshold", "threshold", threshold), real("threshold", "value", value)
    return fn.where(x <= limit, below, x)


@composed(reference=exact.softplus, samples=partial(examples, "softplus"))
def softplus(x: Operand, beta: float = 1.0, threshold: float = 20.0) -> Array:
    """log(1 + e**(beta x)) / beta, for each element; x itself where beta x is above the threshold.

    x: floating. beta: not 0. The relative error grows with |beta x| where beta is no power of two, as beta x is
    rounded. Raises DtypeError, ArgumentError.
    """
    beta, limit = real("softplus", "beta", beta), real("softplus", "threshold", threshold)
    if beta == 0.0:
        raise ArgumentError("softplus: beta: expected a number other than 0, got 0")
    return fn.where(x * beta > limit, x, fn.abs(fn.logsigmoid(x * -beta)) / beta)


@composed(reference=exact.softshrink, samples=partial(examples, "softshrink"))
def softshrink(x: Operand, lambd: float = 0.5) -> Array:
    """x - lambd where x is above lambd, x + lambd where x is below -lambd, else 0, for each element.

    x: floating. lambd: finite, at least 0. Raises DtypeError, ArgumentError.
    """
    limit = real("softshrink", "lambd", lambd)
    if not 0.0 <= limit < math.inf:
        raise ArgumentError(f"softshrink: lambd: expected a finite number of at least 0, got {limit}")
    return x - fn.clip(x, -limit, limit)


@composed(reference=exact.hardshrink, samples=partial(examples, "hardshrink"))
def hardshrink(x: Operand, lambd: float = 0.5) -> Array:
    """x where |x| is above lambd, else 0, for each element. x: floating. Raises DtypeError, ArgumentError."""
    return fn.where(fn.abs(x) <= real("hardshrink", "lambd", lambd), 0.0, x)


@composed(reference=exact.softcap, samples=partial(examples, "softcap"))
def softcap(x: Operand, cap: float) -> Array:
    """cap tanh(x / cap), for each element: x, bent softly to stay between -cap and cap.

    x: floating. cap: above 0. Source: Gemma Team 2024, arXiv:2408.00118. Raises DtypeError, ArgumentError.
    """
    cap = real("softcap", "cap", cap)
    if not 0.0 < cap < math.inf:
        raise ArgumentError(f"softcap: cap: expected a finite number above 0, got {cap}")
    return fn.tanh(x / cap) * cap

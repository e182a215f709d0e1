"""softmax, log_softmax and logsumexp: the maximum, exp(x - maximum), its sum, and a quotient or a logarithm
(docs/numerics.md, rule 4)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...arguments import switch
from ...array import Array
from ...dtypes import FLOAT64, DType, as_dtype
from ...errors import ArgumentError, shown
from ...layout import Shape
from ..compose import Operand, composed
from ..primitive.pointwise import fn
from ..primitive.reduce import Axes, max, normalize_axes, sum
from ..views import squeeze
from .stopping import stop_gradient


def one_axis(op: str, axis: Any, ndim: int) -> Shape:
    """The one axis that an op takes, not negative, as a tuple. Raises ArgumentError, AxisError."""
    if isinstance(axis, (tuple, list)) or axis is None:
        raise ArgumentError(f"{op}: axis: expected an integer, got {shown(axis)}")
    return normalize_axes(op, axis, ndim)


def _samples(dtype: DType) -> Any:
    from ...testing import families

    return families.softmax(dtype)


def _samples_logsumexp(dtype: DType) -> Any:
    from ...testing import families

    return families.logsumexp(dtype)


def _wide(x: np.ndarray) -> np.ndarray:
    return x.astype(np.longdouble if as_dtype(x.dtype) is FLOAT64 else np.float64)


def _exact(log: bool, x: np.ndarray, axis: int = -1, dtype: Any = None) -> np.ndarray:
    wide = _wide(x)
    if x.size == 0:
        return wide
    with np.errstate(all="ignore"):
        distance = wide - wide.max(axis=axis, keepdims=True)
        powers = np.exp(distance)
        total = powers.sum(axis=axis, keepdims=True)
        return distance - np.log(total) if log else powers / total


def _exact_softmax(x: np.ndarray, axis: int = -1, dtype: Any = None) -> np.ndarray:
    return _exact(False, x, axis)


def _exact_log_softmax(x: np.ndarray, axis: int = -1, dtype: Any = None) -> np.ndarray:
    return _exact(True, x, axis)


def _exact_logsumexp(x: np.ndarray, axis: Axes = None, keepdims: bool = False, dtype: Any = None) -> np.ndarray:
    wide, axes = _wide(x), normalize_axes("logsumexp", axis, x.ndim)
    with np.errstate(all="ignore"):
        peak = wide.max(axis=axes, keepdims=True, initial=-np.inf)
        shift = np.where(np.isfinite(peak), peak, 0)
        result = np.log(np.exp(wide - shift).sum(axis=axes, keepdims=True)) + shift
    return result if keepdims else result.squeeze(axes)


@composed(reference=_exact_softmax, samples=_samples)
def softmax(x: Operand, axis: int = -1, *, dtype: Any = None) -> Array:
    """exp(x - max) / sum(exp(x - max)) along an axis.

    x: floating. float16 and bfloat16 are computed in float32 and rounded once. dtype: of the result: x's, or float32
    for 16-bit floats.
    A row whose maximum is infinite, or that holds a NaN, gives NaN. Raises AxisError, DtypeError, ArgumentError.
    """
    axes = one_axis("softmax", axis, x.ndim)
    if x.size == 0:
        return x
    powers = fn.exp(x - stop_gradient(max(x, axis=axes, keepdims=True)))
    return powers / sum(powers, axis=axes, keepdims=True)


@composed(reference=_exact_log_softmax, samples=_samples)
def log_softmax(x: Operand, axis: int = -1, *, dtype: Any = None) -> Array:
    """x - max - log(sum(exp(x - max))) along an axis: the logarithm of softmax, also where softmax underflows.

    x, dtype, special values and errors as in `softmax`.
    """
    axes = one_axis("log_softmax", axis, x.ndim)
    if x.size == 0:
        return x
    distance = x - stop_gradient(max(x, axis=axes, keepdims=True))
    return distance - fn.log(sum(fn.exp(distance), axis=axes, keepdims=True))


@composed(reference=_exact_logsumexp, samples=_samples_logsumexp, namespace="special")
def logsumexp(x: Operand, axis: Axes = None, keepdims: bool = False, *, dtype: Any = None) -> Array:
    """log(sum(exp(x))) over axes (None: all), without overflow: log(sum(exp(x - max))) + max.

    x: floating. float16 and bfloat16 are computed in float32 and rounded once. keepdims: reduced axes stay, with
    length 1. dtype: of the result: x's, or float32 for 16-bit floats.
    Where the maximum is infinite, 0 takes its place: inf gives inf, nothing but -inf gives -inf, as does nothing at
    all; NaN gives NaN. Raises AxisError, DtypeError, ArgumentError.
    """
    axes = normalize_axes("logsumexp", axis, x.ndim)
    if x.size == 0:
        result = fn.log(sum(x, axis=axes, keepdims=True))
    else:
        peak = stop_gradient(max(x, axis=axes, keepdims=True))
        shift = fn.where(fn.isfinite(peak), peak, 0.0)
        result = fn.log(sum(fn.exp(x - shift), axis=axes, keepdims=True)) + shift
    return result if switch("logsumexp", "keepdims", keepdims) else squeeze(result, axis=axes)

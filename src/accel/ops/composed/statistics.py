"""Mean, variance and standard deviation, norms of vectors, and softmin.

Variances are two-pass (docs/numerics.md, rule 4): the mean first, then the squares of differences from it.
"""

from __future__ import annotations

import builtins
from functools import partial
from math import isinf, isnan
from math import prod as product
from typing import Any

from ...arguments import real, switch
from ...array import Array
from ...dtypes import INT64, DType
from ...errors import ArgumentError, ShapeError
from ...layout import Shape
from ..compose import NumericOperand, Operand, composed
from ..primitive.pointwise import astype, fn
from ..primitive.reduce import Axes, max, min, normalize_axes, sum
from ..views import squeeze
from . import exact_normalization as exact
from .softmax import softmax


def examples(family: str, dtype: DType) -> Any:
    """The examples of a family of norms or statistics."""
    from ...testing import normalizations

    return getattr(normalizations, family)(dtype)


def _means(dtype: DType) -> Any:
    from ...testing import families

    return families.reductions("mean", dtype)


@composed(reference=exact.mean, samples=_means, namespace="", widen=False)
def mean(x: NumericOperand, /, *, axis: Axes = None, keepdims: bool = False) -> Array:
    """Arithmetic mean over axes of a floating or complex array: the canonical sum, divided once, rounded once.

    Nothing gives NaN. Raises DtypeError for other dtypes, AxisError, ArgumentError.
    """
    axes = normalize_axes("mean", axis, x.ndim)
    total = sum(x, axis=axes, dtype=x.dtype.accumulator, keepdims=switch("mean", "keepdims", keepdims))
    return astype(total / float(product(x.shape[a] for a in axes)), x.dtype, copy=False)


@composed(reference=exact.var, samples=partial(examples, "statistics"), namespace="")
def var(x: Operand, /, *, axis: Axes = None, correction: float = 0.0, keepdims: bool = False) -> Array:
    """Variance over axes (None: all): the sum of (x - mean) squared, divided by n - correction for n elements.

    x: floating. correction: 0 for the variance of a population, 1 for the unbiased estimate from a sample. Where n is
    not above it, the divisor is 0 and the result NaN or infinite. keepdims: reduced axes stay, with length 1. float16
    and bfloat16 are computed in float32 and rounded once.
    Raises DtypeError for other dtypes, AxisError, ArgumentError.
    """
    axes = normalize_axes("var", axis, x.ndim)
    variance, _ = moments(x, axes, real("var", "correction", correction))
    return variance if switch("var", "keepdims", keepdims) else squeeze(variance, axis=axes)


@composed(reference=exact.std, samples=partial(examples, "statistics"), namespace="")
def std(x: Operand, /, *, axis: Axes = None, correction: float = 0.0, keepdims: bool = False) -> Array:
    """Standard deviation over axes (None: all): the square root of `var`, which says what the arguments are."""
    axes = normalize_axes("std", axis, x.ndim)
    variance, _ = moments(x, axes, real("std", "correction", correction))
    deviation = fn.sqrt(variance)
    return deviation if switch("std", "keepdims", keepdims) else squeeze(deviation, axis=axes)


@composed(reference=exact.var_mean, samples=partial(examples, "statistics"), namespace="")
def var_mean(x: Operand, axis: Axes = None, *, correction: float = 1.0, keepdims: bool = False) -> tuple[Array, Array]:
    """Variance and mean over axes (None: all), with the arguments and the default correction of torch's function.

    Else as `var`, which says what the arguments are.
    """
    axes = normalize_axes("var_mean", axis, x.ndim)
    found = moments(x, axes, real("var_mean", "correction", correction))
    variance, middle = found if switch("var_mean", "keepdims", keepdims) else (squeeze(v, axis=axes) for v in found)
    return variance, middle


def moments(x: Array, axes: Shape, correction: float = 0.0) -> tuple[Array, Array]:
    """Variance and mean over axes, which stay with length 1."""
    divisor = builtins.max(0.0, product(x.shape[a] for a in axes) - correction)
    middle = mean(x, axis=axes, keepdims=True)
    return sum(fn.square(x - middle), axis=axes, keepdims=True) / divisor, middle


@composed(reference=exact.softmin, samples=partial(examples, "softmin"))
def softmin(x: Operand, axis: int = -1, *, dtype: Any = None) -> Array:
    """softmax(-x) along an axis.

    x, dtype, special values and errors as in `softmax`; -inf takes the part of inf.
    """
    return softmax(-x, axis=axis)


@composed(reference=exact.vector_norm, samples=partial(examples, "vector_norm"), namespace="linalg")
def vector_norm(x: NumericOperand, /, *, axis: Axes = None, keepdims: bool = False, ord: float = 2) -> Array:
    """(sum(abs(x) ** ord)) ** (1 / ord) over axes (None: all), of the vector of all their elements.

    ord: any number. inf and -inf: the largest and smallest abs(x); 0: how many elements are not zero; below 0, an
    element of 0 gives 0. x: floating or complex. float16 and bfloat16 are computed in float32 and rounded once.
    Elements are scaled, for ord 2 by a power of two, which rounds nothing, and for other orders by the largest abs(x)
    (the smallest below 0): a norm that is a finite number of the dtype neither overflows nor underflows on the way. The
    norm of nothing is 0 for ord from 0 up. Raises ShapeError for other norms of nothing, DtypeError, AxisError,
    ArgumentError.
    """
    axes = normalize_axes("vector_norm", axis, x.ndim)
    x = fn.abs(x) if x.dtype.kind == "c" else x
    norm = length("vector_norm", x, axes, order("vector_norm", "ord", ord))
    return norm if switch("vector_norm", "keepdims", keepdims) else squeeze(norm, axis=axes)


def order(op: str, argument: str, value: Any) -> float:
    """The order of a norm. Raises ArgumentError for what is no number, and for NaN."""
    found = real(op, argument, value)
    if isnan(found):
        raise ArgumentError(f"{op}: {argument}: expected a number or an infinity, got nan")
    return found


SCALES = {
    "float32": (2.0**44, 2.0**-80, 2.0**-50, 2.0**90),
    "float64": (2.0**480, 2.0**-560, 2.0**-450, 2.0**600),
}
"""By dtype: where the largest element is above the first number, all are multiplied by the second; where it is below
the third, by the fourth. Then 2^31 squares overflow no sum, and the largest of them is a normal number."""


def length(op: str, x: Array, axes: Shape, order: float) -> Array:
    """The norm over axes, which stay with length 1. Raises ShapeError."""
    size = fn.abs(x)
    if order == 0:
        return astype(sum(astype(x != 0.0, INT64), axis=axes, keepdims=True), x.dtype)
    if order == 1:
        return sum(size, axis=axes, keepdims=True)
    if product(x.shape[a] for a in axes) == 0 and order > 0 and not isinf(order):
        return sum(size, axis=axes, keepdims=True)
    if product(x.shape[a] for a in axes) == 0 and product(n for a, n in enumerate(x.shape) if a not in axes):
        raise ShapeError(f"{op}: x: shape {x.shape} has nothing along axes {axes}, of which there is no norm {order}")
    extreme = (max if order > 0 else min)(size, axis=axes, keepdims=True)
    if isinf(order):
        return extreme
    if order == 2:
        high, down, low, up = SCALES[x.dtype.name]
        scale = fn.where(extreme > high, down, fn.where(extreme < low, up, fn.copysign(1.0, extreme)))
        return fn.sqrt(sum(fn.square(x * scale), axis=axes, keepdims=True)) / scale
    scale = fn.where(fn.isfinite(extreme) & (extreme > 0.0), extreme, 1.0)
    total = sum(fn.pow(size / scale, order), axis=axes, keepdims=True)
    return fn.pow(total, 1 / order) * scale

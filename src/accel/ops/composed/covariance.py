"""Weighted averages, covariances and correlations, with NumPy's names."""

from __future__ import annotations

from functools import partial
from math import prod as product
from typing import Any

from ...arguments import integer, switch
from ...array import Array
from ...dtypes import DType
from ...errors import ShapeError
from .. import bounds
from ..compose import Indices, Operand, composed
from ..concatenation import concat
from ..pieces import filled
from ..primitive.matmul import matmul
from ..primitive.pointwise import astype, copy, fn
from ..primitive.reduce import Axes, normalize_axes, sum
from ..rearranging import diagonals
from ..views import broadcast_to, expand_dims, reshape, squeeze
from . import exact_statistics as exact


def examples(name: str, dtype: DType) -> Any:
    """Those of an op of this file."""
    from ...testing import statistics_family

    return statistics_family.FAMILIES[name](dtype)


@composed(reference=exact.average, samples=partial(examples, "average"), namespace="")
def average(
    x: Operand, /, axis: Axes = None, weights: Operand | None = None, returned: bool = False, *, keepdims: bool = False
) -> Any:
    """sum(x * weights) / sum(weights) over axes (None: all); without weights, the mean.

    x: floating. weights: of x's shape, or of the lengths of the axes in their order as x has them. returned: also gives
    the sum of the weights, as a second result. Where the weights sum to zero the result is NaN or infinite. float16 and
    bfloat16 are computed in float32 and rounded once. Raises ShapeError, DtypeError, AxisError, ArgumentError.
    """
    axes = normalize_axes("average", axis, x.ndim)
    keepdims, returned = switch("average", "keepdims", keepdims), switch("average", "returned", returned)
    if weights is None:
        count = float(product(x.shape[a] for a in axes))
        total = sum(x, axis=axes, keepdims=True)
        results = total / count, copy(filled(count, total.shape, x.dtype, x.device))
    else:
        if weights.shape != x.shape:
            lengths = tuple(x.shape[a] for a in axes)
            if weights.shape != lengths:
                raise ShapeError(
                    f"average: weights: expected shape {x.shape}, or {lengths} along the axes, got {weights.shape}"
                )
            weights = broadcast_to(
                reshape(weights, tuple(n if a in axes else 1 for a, n in enumerate(x.shape))), x.shape
            )
        scale = sum(weights, axis=axes, keepdims=True)
        results = sum(x * weights, axis=axes, keepdims=True) / scale, scale
    kept = tuple(each if keepdims else squeeze(each, axis=axes) for each in results)
    return kept if returned else kept[0]


@composed(reference=exact.cov, samples=partial(examples, "cov"), namespace="", bits=bounds.unless_fast)
def cov(
    x: Operand,
    /,
    y: Operand | None = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Indices | None = None,
    aweights: Operand | None = None,
) -> Array:
    """The covariances of variables, as a matrix; of one variable, its variance, without axes.

    x: floating, (variables, observations), or of one variable (observations,). y: further variables of the same form.
    rowvar: False where variables are columns. The sum of the products of differences from the means, a matrix product,
    is divided by n - ddof (ddof: 1, or 0 with bias). fweights, aweights: vectors of how often each observation is
    there, and of its weight; none may be negative. Where the divisor is not above 0, the result is NaN or infinite.
    float16 and bfloat16 are computed in float32 and rounded once. Raises ShapeError, DtypeError, ArgumentError.
    """
    return _covariances("cov", x, y, rowvar, bias, ddof, fweights, aweights)


@composed(reference=exact.corrcoef, samples=partial(examples, "corrcoef"), namespace="", bits=bounds.unless_fast)
def corrcoef(x: Operand, /, y: Operand | None = None, rowvar: bool = True) -> Array:
    """The correlation coefficients of variables: `cov` divided by both standard deviations, limited to [-1, 1].

    x, y, rowvar: as in `cov`. NaN where a variable does not vary. Raises ShapeError, DtypeError, ArgumentError.
    """
    found = _covariances("corrcoef", x, y, rowvar, False, None, None, None)
    if not found.ndim:
        return found / found
    deviation = fn.sqrt(diagonals("corrcoef", found, 0, 0, 1))
    return fn.clip(  # type: ignore[no-any-return]
        found / expand_dims(deviation, 1) / expand_dims(deviation, 0), -1.0, 1.0
    )


def _covariances(
    op: str,
    x: Array,
    y: Array | None,
    rowvar: Any,
    bias: Any,
    ddof: Any,
    fweights: Array | None,
    aweights: Array | None,
) -> Array:
    rowvar, bias = switch(op, "rowvar", rowvar), switch(op, "bias", bias)
    freedom = (0 if bias else 1) if ddof is None else integer(op, "ddof", ddof)
    x = _variables(op, "x", x, rowvar)
    if y is not None:
        y = _variables(op, "y", y, rowvar)
        if y.shape[1] != x.shape[1]:
            raise ShapeError(f"{op}: x, y: {x.shape[1]} and {y.shape[1]} observations")
        x = concat([x, y], axis=0)
    n = x.shape[1]
    weights = None
    for name, its in (("fweights", fweights), ("aweights", aweights)):
        if its is not None:
            if its.shape != (n,):
                raise ShapeError(f"{op}: {name}: expected shape {(n,)}, got {its.shape}")
            its = astype(its, x.dtype, copy=False)
            weights = its if weights is None else weights * its
    if weights is None:
        divisor: Any = max(0.0, float(n - freedom))
        distance = x - sum(x, axis=1, keepdims=True) / float(n)
        right = distance
    else:
        total = sum(weights, axis=0, keepdims=True)
        distance = x - sum(x * weights, axis=1, keepdims=True) / total
        right = distance * weights
        less: Any = 1.0 if aweights is None else sum(weights * aweights, axis=0, keepdims=True) / total
        divisor = fn.maximum(total - less * float(freedom), 0.0)
    found = matmul(distance, right.mT) / divisor
    return reshape(found, ()) if found.size == 1 else found  # type: ignore[no-any-return]


def _variables(op: str, name: str, x: Array, rowvar: bool) -> Array:
    """(variables, observations)."""
    if x.ndim > 2:
        raise ShapeError(f"{op}: {name}: expected one or two axes, got shape {x.shape}")
    if x.ndim < 2:
        return reshape(x, (1, x.size))  # type: ignore[no-any-return]
    return x if rowvar else x.mT

"""linear: a product of matrices, a bias and an activation, which one kernel computes (docs/numerics.md, rule 3)."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ... import registry
from ...array import Array
from ...dtypes import FLOATS, INTEGERS, DType, as_dtype, promote
from ...errors import ArgumentError, DtypeError, ShapeError, shown
from ...layout import reshaped
from ...scalar import FUNCTIONS
from .. import extended
from ..compose import AnyOperand, composed
from ..parameters import accumulator_dtype
from ..primitive.matmul import bits, canonical_matmul, exact_matmul, flops, matmul, result_dtype
from ..primitive.pointwise import astype, fn
from ..views import reshape


def _samples(dtype: DType) -> Any:
    from ...testing import families

    return families.linear(dtype)


def exact_linear(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None, activation: str | None = None, dtype: Any = None
) -> np.ndarray:
    """In float64, or extended precision for float64; NaN for an activation that NumPy has no exact answer of. Of
    integers, which wrap, the canonical product."""
    have = promote(as_dtype(x.dtype), as_dtype(weight.dtype))
    result = exact_matmul(x, weight.T) if have.kind == "f" else canonical_matmul(x, weight.T, dtype)
    with np.errstate(all="ignore"):
        if bias is not None:
            result = result + bias.astype(result.dtype)
    return activated(result, activation)


def activated(result: np.ndarray, activation: str | None) -> np.ndarray:
    """The exact answer of an activation: of float64's results, which are of extended precision, NaN where NumPy has
    none; of others and of integers by the canonical algorithm."""
    if activation is None:
        return result
    with np.errstate(all="ignore"):
        if result.dtype == np.longdouble:
            exact = extended.exact(activation, result)
            return np.full(result.shape, np.nan) if exact is None else exact
        return np.asarray(registry.OPS[activation].canonical(result))


@composed(
    reference=exact_linear,
    samples=_samples,
    dtypes=(*INTEGERS, *FLOATS),
    widen=False,
    bits=bits,
    flops=flops,
)
def linear(
    x: AnyOperand,
    weight: AnyOperand,
    bias: AnyOperand | None = None,
    *,
    activation: str | None = None,
    dtype: Any = None,
) -> Array:
    """activation(x @ weight.T + bias), with one rounding at the end.

    x: (…, in). weight: (out, in), or a `PackedWeight`. bias: (out,) or None. activation: the name of a scalar function
    of one argument ("gelu", "relu", "tanh"…) or None. dtype: of the result, as in `accel.matmul`. The bias and the
    activation are computed in the accumulator's dtype. With a quantised weight x is float32, float16 or bfloat16, and
    the result has the bits of that with the weight dequantised.
    Raises ShapeError, DtypeError, DeviceError, ArgumentError.
    """
    output, accumulator = _dtypes(x, weight, bias, activation, dtype)
    one_run = reshaped(x.layout, flat := (prod(x.shape[:-1]), x.shape[-1]))
    rows = x if one_run is None else x.view(flat, one_run)  # then a weight is not read once per batch
    result = matmul(rows, weight.mT, dtype=accumulator)
    if bias is not None:
        result = result + bias
    if activation is not None:
        result = getattr(fn, activation)(result)
    return reshape(astype(result, output, copy=False), (*x.shape[:-1], weight.shape[0]))


def _dtypes(x: Array, weight: Array, bias: Array | None, activation: Any, dtype: Any) -> tuple[DType, DType]:
    """Of the result and of the accumulator. Raises ShapeError, DtypeError, ArgumentError for what linear does not
    take."""
    if weight.ndim != 2:
        raise ShapeError(f"linear: weight: expected two axes (out, in), got shape {weight.shape}")
    if x.ndim == 0:
        raise ShapeError("linear: x: expected at least one axis, got a 0-d array")
    if x.shape[-1] != weight.shape[1]:
        raise ShapeError(
            f"linear: x has shape {x.shape} and weight has shape {weight.shape}: "
            f"{x.shape[-1]} features meet {weight.shape[1]}"
        )
    common = promote(x.dtype, weight.dtype)
    output = result_dtype("linear", common, None if dtype is None else as_dtype(dtype))
    accumulator = accumulator_dtype(common, output)
    if bias is not None and promote(bias.dtype, accumulator) is not accumulator:
        raise DtypeError(f"linear: bias: {bias.dtype} does not fit the accumulator, {accumulator}")
    if bias is not None and bias.shape != (weight.shape[0],):
        raise ShapeError(f"linear: bias: expected shape ({weight.shape[0]},), got {bias.shape}")
    if activation is not None:
        check_activation(activation, accumulator)
    return output, accumulator


def check_activation(activation: Any, accumulator: DType, op: str = "linear") -> None:
    """Raises ArgumentError, DtypeError for what is no scalar function of one argument of this dtype."""
    if not isinstance(activation, str):
        raise ArgumentError(f"{op}: activation: expected the name of a scalar function, got {shown(activation)}")
    row = FUNCTIONS.get(activation)
    if row is None or row.arity != 1 or row.result != "same":
        known = ", ".join(f.name for f in FUNCTIONS.values() if f.arity == 1 and f.result == "same")
        raise ArgumentError(
            f"{op}: activation: {shown(activation)} is not a scalar function of one argument; there are {known}"
        )
    if accumulator.name not in row.dtypes:
        raise DtypeError(f"{op}: activation: {activation} takes {' and '.join(row.kinds)} dtypes, got {accumulator}")

"""linear: a product of matrices, a bias and an activation, which one kernel computes (docs/numerics.md, rule 3)."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ...array import Array
from ...dtypes import FLOATS, INTEGERS, DType, as_dtype, promote
from ...errors import ArgumentError, DtypeError, ShapeError, shown
from ...layout import reshaped
from ...scalar import FUNCTIONS, Program, ProgramBuilder, program_for
from .. import bounds
from ..compose import AnyOperand, composed
from ..parameters import accumulator_dtype
from ..primitive.matmul import bits, bound_matmul, canonical_matmul, exact_matmul, flops, matmul, result_dtype
from ..primitive.pointwise import astype, fn
from ..views import reshape


def _samples(dtype: DType) -> Any:
    from ...testing import families

    return families.linear(dtype)


def _expected(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None, activation: str | None = None, dtype: Any = None
) -> np.ndarray:
    """The bit contract's answer, which is what results are judged by: the errors of matmul and of the activation have
    tests of their own."""
    from ...scalar.evaluate import evaluate

    operand = promote(as_dtype(x.dtype), as_dtype(weight.dtype))
    output = result_dtype("linear", operand, None if dtype is None else as_dtype(dtype))
    accumulator = accumulator_dtype(operand, output)
    result = canonical_matmul(x, weight.T, dtype=accumulator)

    def then(program: Program, *others: np.ndarray) -> np.ndarray:
        return evaluate(program, result, *(np.broadcast_to(each, result.shape) for each in others))

    if bias is not None:
        result = then(program_for("add", (accumulator.name, as_dtype(bias.dtype).name)), bias)
    if activation is not None:
        result = then(program_for(activation, (accumulator.name,)))
    return then(ProgramBuilder(accumulator.name).finish(0, output.name))


def _bound(expected: np.ndarray, *operands: np.ndarray, activation: str | None = None, dtype: Any = None) -> np.ndarray:
    """Around the canonical answer: nothing where bits are promised; 16-bit matrix units may differ by twice matmul's
    bound."""
    x, weight, *_ = operands
    have = promote(as_dtype(x.dtype), as_dtype(weight.dtype))
    if have.kind != "f" or have.itemsize > 2:
        return np.zeros(np.shape(expected))
    wide = np.asarray(exact_matmul(x, weight.T), np.float64)
    slack = 2 * bound_matmul(wide, x, weight.T, dtype)
    # the activations of the samples change by at most 1.13 times their argument's change (gelu); bias and output round
    # once more
    output = as_dtype(have if dtype is None else dtype)
    rounding = 2 * bounds.unit_roundoff(output) * np.abs(np.asarray(expected, np.float64))
    return 1.13 * slack + rounding + bounds.smallest(output)


@composed(
    reference=_expected,
    samples=_samples,
    dtypes=(*INTEGERS, *FLOATS),
    widen=False,
    bound=_bound,
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

    x: (…, in). weight: (out, in). bias: (out,) or None. activation: the name of a scalar function of one argument
    ("gelu", "relu", "tanh"…) or None. dtype: of the result, as in `accel.matmul`. The bias and the activation are
    computed in the accumulator's dtype.
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
    if not (activation is None or isinstance(activation, str)):
        raise ArgumentError(f"linear: activation: expected the name of a scalar function, got {shown(activation)}")
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
        _check_activation(activation, accumulator)
    return output, accumulator


def _check_activation(activation: str, accumulator: DType) -> None:
    row = FUNCTIONS.get(activation)
    if row is None or row.arity != 1 or row.result != "same":
        known = ", ".join(f.name for f in FUNCTIONS.values() if f.arity == 1 and f.result == "same")
        raise ArgumentError(
            f"linear: activation: {shown(activation)} is not a scalar function of one argument; there are {known}"
        )
    if accumulator.name not in row.dtypes:
        raise DtypeError(f"linear: activation: {activation} takes {' and '.join(row.kinds)} dtypes, got {accumulator}")

"""linear with a quantised weight: its product, a bias and an activation."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ... import dispatch
from ...array import Array
from ...dtypes import FLOAT32, as_dtype
from ...errors import DtypeError, ShapeError
from .. import bounds
from ..compose import AnyOperand, composed
from ..parameters import Quantized
from ..primitive.matmul import result_dtype
from ..primitive.pointwise import astype, fn
from ..primitive.quantized_matmul import QUANTIZED_MATMUL, TAKEN, dequantized
from ..views import reshape
from .linear import check_activation, exact_linear


def _samples(dtype: Any) -> Any:
    from ...testing import quantized_family

    return quantized_family.linears(dtype)


def _exact(
    x: np.ndarray,
    codes: np.ndarray,
    scales: np.ndarray,
    minors: np.ndarray | None = None,
    bias: np.ndarray | None = None,
    *,
    format: str,
    outputs: int,
    group: int,
    activation: str | None = None,
    dtype: Any = None,
) -> np.ndarray:
    """That of linear with the weights in float32."""
    held = (codes, scales) if minors is None else (codes, scales, minors)
    weights = dequantized(Quantized(format, outputs, group, "float32"), x.shape[-1], *held)
    return exact_linear(x.astype(np.float32), weights.T, bias, activation)


@composed(reference=_exact, samples=_samples, namespace="internal", dtypes=TAKEN, widen=False, bits=bounds.unless_fast)
def packed_linear(
    x: AnyOperand,
    codes: AnyOperand,
    scales: AnyOperand,
    minors: AnyOperand | None = None,
    bias: AnyOperand | None = None,
    *,
    format: str,
    outputs: int,
    group: int,
    activation: str | None = None,
    dtype: Any = None,
) -> Array:
    """activation(x @ weights + bias), with one rounding at the end.

    x: (…, in). codes, scales, minors, format, group: as in `Quantized`. outputs: columns of the weights.
    """
    op = "linear"
    if x.ndim == 0:
        raise ShapeError(f"{op}: x: expected at least one axis, got a 0-d array")
    if x.dtype not in TAKEN:
        raise DtypeError(f"{op}: x: a quantised weight takes float32, float16 and bfloat16, got {x.dtype}")
    output = result_dtype(op, x.dtype, None if dtype is None else as_dtype(dtype))
    if bias is not None and (bias.dtype not in TAKEN or bias.shape != (outputs,)):
        raise ShapeError(f"{op}: bias: expected shape ({outputs},) of a dtype that float32 holds, got {bias.layout}")
    if activation is not None:
        check_activation(activation, FLOAT32)
    plain = bias is None and activation is None
    held = (codes, scales) if minors is None else (codes, scales, minors)
    params = Quantized(format, outputs, group, output.name if plain else "float32")
    rows = reshape(x, (prod(x.shape[:-1]), x.shape[-1]))
    result: Array = dispatch.call(QUANTIZED_MATMUL, (rows, *held), params)
    if bias is not None:
        result = result + bias
    if activation is not None:
        result = getattr(fn, activation)(result)
    return reshape(astype(result, output, copy=False), (*x.shape[:-1], outputs))

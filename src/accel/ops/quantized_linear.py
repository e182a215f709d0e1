"""quantized_linear: a linear layer in 8-bit integers, whose activations are quantised as they come."""

from __future__ import annotations

from typing import Any

from ..dtypes import as_dtype
from ..errors import ArgumentError, DtypeError, shown
from .composed.int8_products import TAKEN, int8_linear
from .packed import PackedWeight, rows_of


def quantized_linear(
    x: Any, weight: PackedWeight, bias: Any = None, *, activation: str | None = None, dtype: Any = None
) -> Any:
    """activation(x @ weight.T + bias), with a product of 8-bit integers: each row of x is quantised as by
    `dynamic_quantize`, symmetric, before it.

    x: (…, in) of float32, float16 or bfloat16. weight: a `PackedWeight` (out, in) of 8 bits with one scale for each
    output. bias: (out,) or None. activation, dtype: as in `linear`. The total in int32, from which the row's sum times
    the weight's zero is taken, is rounded to float32, then multiplied by the row's scale, then by the weight's; bias
    and activation follow in float32. A row's result does not depend on other rows.
    Raises ShapeError, DtypeError, DeviceError, ArgumentError.
    """
    op = "quantized_linear"
    if not isinstance(weight, PackedWeight):
        raise ArgumentError(f"{op}: weight: expected a PackedWeight, got {shown(weight)}")
    if weight.format != "int8" or weight.group != weight.shape[1]:
        raise ArgumentError(f"{op}: weight: expected 8 bits with one scale for each output, got {weight!r}")
    array, rest, restore = rows_of(op, x, weight, bias)
    if array.dtype not in TAKEN:
        raise DtypeError(f"{op}: x: takes float32, float16 and bfloat16, got {array.dtype}; cast with astype")
    if not (activation is None or isinstance(activation, str)):
        raise ArgumentError(f"{op}: activation: expected the name of a scalar function, got {shown(activation)}")
    keywords = {"activation": activation, "dtype": None if dtype is None else as_dtype(dtype, f"{op}: dtype")}
    return restore(int8_linear(array, *weight._arrays, *rest, outputs=weight.shape[0], **keywords))

"""Products of 8-bit integers, with zero points and scales, and the codes of activations that they take
(docs/numerics.md, rule 3). The product itself is matmul's; what is around it follows where it lies."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from ...arguments import switch
from ...array import Array
from ...dtypes import FLOAT32, TABLE, DType, as_dtype
from ...errors import DtypeError, ShapeError
from ...layout import Shape, broadcast_shapes
from ..compose import AnyOperand, composed
from ..primitive.matmul import flops, matmul
from ..primitive.pointwise import astype, fn
from ..primitive.reduce import max as largest
from ..primitive.reduce import min as smallest
from ..primitive.reduce import sum
from ..views import reshape
from ..weight_formats import PANEL
from . import exact_int8 as exact
from .linear import check_activation

INT8, UINT8, INT32 = (TABLE[name] for name in ("int8", "uint8", "int32"))
CODES = (INT8, UINT8)
TAKEN = tuple(TABLE[name] for name in ("float16", "bfloat16", "float32"))
"""Dtypes of activations, and of results."""


def examples(name: str) -> Callable[[DType], Any]:
    """The examples of an op of this file."""

    def found(dtype: DType) -> Any:
        from ...testing import int8_family

        return getattr(int8_family, name)(dtype)

    return found


# products


@composed(reference=exact.int8_matmul, samples=examples("products"), dtypes=CODES, exact=True, flops=flops)
def int8_matmul(
    a: AnyOperand,
    b: AnyOperand,
    a_zero_point: AnyOperand | None = None,
    b_zero_point: AnyOperand | None = None,
) -> Array:
    """(a - a_zero_point) @ (b - b_zero_point) of 8-bit integers, added up in int32 (ONNX's MatMulInteger).

    a: (…, m, k), b: (…, k, n), each int8 or uint8; batch axes broadcast. a_zero_point: an integer array of one element,
    or with a number for each row of a, which broadcasts to (…, m, 1). b_zero_point: the same with one for each column,
    which broadcasts to (…, 1, n), such as (n,). None is 0. The result is exact; beyond int32, which takes k above
    33,000, it wraps. Raises ShapeError, DtypeError, DeviceError.
    """
    return _total("int8_matmul", a, b, a_zero_point, b_zero_point)


@composed(reference=exact.scaled_int8_matmul, samples=examples("scaled"), dtypes=CODES, widen=False, flops=flops)
def scaled_int8_matmul(
    a: AnyOperand,
    b: AnyOperand,
    a_scale: AnyOperand,
    b_scale: AnyOperand,
    a_zero_point: AnyOperand | None = None,
    b_zero_point: AnyOperand | None = None,
    bias: AnyOperand | None = None,
    *,
    dtype: Any = None,
) -> Array:
    """((a - a_zero_point) * a_scale) @ ((b - b_zero_point) * b_scale) + bias of 8-bit integers, by their product in
    int32.

    a, b, a_zero_point, b_zero_point: as in `int8_matmul`, whose result is rounded to float32, then multiplied by
    a_scale, then by b_scale; then the bias is added. a_scale, b_scale: float32, with one element, or a number for each
    row of a (…, m, 1) and each column of b (…, 1, n). bias: (n,) or None. dtype: float32, which None is, float16 or
    bfloat16, to which the result is rounded at the end. One launch, and one more for sums of rows and columns that a
    zero point asks for. Raises ShapeError, DtypeError, DeviceError.
    """
    op = "scaled_int8_matmul"
    output = _output(op, FLOAT32 if dtype is None else as_dtype(dtype, f"{op}: dtype"), TAKEN)
    total = astype(_total(op, a, b, a_zero_point, b_zero_point), FLOAT32)
    for name, scale, wanted in (("a_scale", a_scale, "rows"), ("b_scale", b_scale, "columns")):
        if scale.dtype is not FLOAT32:
            raise DtypeError(f"{op}: {name}: takes float32, got {scale.dtype}")
        total = total * _across(op, name, scale, total.shape, wanted)
    if bias is not None:
        total = total + _bias(op, bias, b.shape[-1])
    return astype(total, output, copy=False)


def _total(op: str, a: Array, b: Array, a_zero: Array | None, b_zero: Array | None) -> Array:
    """The product less what the zero points add to it: sums of rows of a and of columns of b. All of it wraps, so that
    only the result itself is to fit int32."""
    for name, x in (("a", a), ("b", b)):
        if x.dtype not in CODES:
            raise DtypeError(f"{op}: {name}: takes int8 and uint8, got {x.dtype}")
        if x.ndim < 2:
            raise ShapeError(f"{op}: {name}: expected at least two axes, got shape {x.shape}")
    k = a.shape[-1]
    if k != b.shape[-2]:
        raise ShapeError(f"{op}: a has shape {a.shape} and b has shape {b.shape}: {k} columns meet {b.shape[-2]} rows")
    batch = broadcast_shapes(a.shape[:-2], b.shape[:-2], what=f"{op}: batch axes of a and b")
    shape = (*batch, a.shape[-2], b.shape[-1])
    a_zero = None if a_zero is None else _zero(op, "a_zero_point", a_zero, shape, "rows")
    b_zero = None if b_zero is None else _zero(op, "b_zero_point", b_zero, shape, "columns")
    if a.dtype is not b.dtype:  # kernels take operands of one dtype
        if a.dtype is UINT8:
            a, a_zero = _signed(a, a_zero)
        else:
            b, b_zero = _signed(b, b_zero)
    total: Array = matmul(a, b, dtype=INT32)
    if b_zero is not None:
        rows = sum(a, axis=-1, keepdims=True, dtype=INT32)
        if a_zero is not None:
            rows = rows - a_zero * k
        total = total - rows * b_zero
    if a_zero is not None:
        total = total - sum(b, axis=-2, keepdims=True, dtype=INT32) * a_zero
    return total


def _signed(x: Array, zero: Array | None) -> tuple[Array, Any]:
    """Bytes of 0 to 255 as int8, which are 128 less, and so is their zero point."""
    return astype(fn.bitwise_xor(x, 128), INT8), -128 if zero is None else zero - 128


def _zero(op: str, name: str, x: Array, shape: Shape, of: str) -> Array:
    if x.dtype.kind not in "iu":
        raise DtypeError(f"{op}: {name}: takes integer dtypes, got {x.dtype}")
    return astype(_across(op, name, x, shape, of), INT32, copy=False)


def _across(op: str, name: str, x: Array, shape: Shape, of: str) -> Array:
    """An operand that has one number, or one for each row or column of a product of this shape."""
    axis = -1 if of == "rows" else -2
    *lead, m, n = shape
    most = (*lead, m, 1) if of == "rows" else (*lead, 1, n)
    fits = x.ndim <= len(shape) and all(have in (1, most[len(most) - x.ndim + i]) for i, have in enumerate(x.shape))
    if not fits or (x.ndim >= -axis and x.shape[axis] != 1):
        raise ShapeError(f"{op}: {name}: expected one number, or one for each of the {of}, {most}, got shape {x.shape}")
    return x


def _bias(op: str, bias: Array, n: int) -> Array:
    if bias.dtype not in TAKEN or bias.shape != (n,):
        raise ShapeError(f"{op}: bias: expected shape ({n},) of a dtype that float32 holds, got {bias.layout}")
    return bias


def _output(op: str, dtype: DType, taken: tuple[DType, ...]) -> DType:
    if dtype not in taken:
        raise DtypeError(f"{op}: dtype: expected {', '.join(map(str, taken))}, got {dtype}")
    return dtype


# activations


@composed(reference=exact.dynamic_quantize, samples=examples("activations"), dtypes=TAKEN, widen=False)
def dynamic_quantize(x: AnyOperand, *, symmetric: bool = True) -> tuple[Array, ...]:
    """Activations as 8-bit codes with a scale for each row along the last axis: (codes, scales), or (codes, scales,
    zero points) where they are not symmetric.

    x: (…, k) of float32, float16 or bfloat16. symmetric: codes are int8, and x is about codes * scales; the scale is
    the largest absolute value over 127. Else codes and zero points are uint8, and x is about (codes - zero points) *
    scales; codes reach from the least value, or 0, to the greatest, or 0 (ONNX's DynamicQuantizeLinear, for each row).
    scales: float32, (…, 1), as are zero points. Rounding is that of `quantize`. A row with a number that is not finite
    has such a scale. One launch. Raises ShapeError, DtypeError, ArgumentError.
    """
    op = "dynamic_quantize"
    if x.dtype not in TAKEN:
        raise DtypeError(f"{op}: x: takes float32, float16 and bfloat16, got {x.dtype}; cast with astype")
    if x.ndim == 0 or x.shape[-1] == 0:
        raise ShapeError(f"{op}: x: expected a last axis of at least one element, got shape {x.shape}")
    return coded(astype(x, FLOAT32, copy=False), switch(op, "symmetric", symmetric))


def coded(x: Array, symmetric: bool) -> tuple[Array, ...]:
    """What `dynamic_quantize` gives, of float32."""
    if symmetric:
        scales = largest(fn.abs(x), axis=-1, keepdims=True) / 127.0
        codes = _between(-127.0, fn.round(x / _divisor(scales)), 127.0)
        return astype(codes, INT8), scales
    least = fn.minimum(smallest(x, axis=-1, keepdims=True), 0.0)
    scales = (fn.maximum(largest(x, axis=-1, keepdims=True), 0.0) - least) / 255.0
    zeros = _between(0.0, fn.round(-(least / _divisor(scales))), 255.0)
    codes = _between(0.0, fn.round(x / _divisor(scales)) + zeros, 255.0)
    return astype(codes, UINT8), scales, astype(zeros, UINT8)


def _divisor(scales: Array) -> Array:
    result: Array = fn.where(scales > 0.0, scales, 1.0)
    return result


def _between(low: float, x: Array, high: float) -> Array:
    result: Array = fn.minimum(fn.maximum(x, low), high)
    return result


# linear


@composed(reference=exact.int8_linear, samples=examples("linears"), namespace="internal", dtypes=TAKEN, widen=False)
def int8_linear(
    x: AnyOperand,
    codes: AnyOperand,
    scales: AnyOperand,
    zeros: AnyOperand,
    bias: AnyOperand | None = None,
    *,
    outputs: int,
    activation: str | None = None,
    dtype: Any = None,
) -> Array:
    """activation(x @ weights + bias), of x as symmetric codes of its rows.

    x: (…, k). codes, scales, zeros: a packed weight's of 8 bits and one group (`Quantized`).
    """
    op = "quantized_linear"
    output = _output(op, x.dtype if dtype is None else as_dtype(dtype, f"{op}: dtype"), (x.dtype, FLOAT32))
    if activation is not None:
        check_activation(activation, FLOAT32)
    m, k = prod(x.shape[:-1]), x.shape[-1]
    rows, row_scales = coded(reshape(astype(x, FLOAT32, copy=False), (m, k)), True)
    total = matmul(rows[None], codes, dtype=INT32)  # (panels, m, PANEL)
    total = total - sum(rows, axis=-1, keepdims=True, dtype=INT32) * astype(zeros, INT32)
    result = astype(total, FLOAT32) * row_scales * scales

    def finished(result: Array, bias: Array | None) -> Array:
        if bias is not None:
            result = result + bias
        if activation is not None:
            result = getattr(fn, activation)(result)
        return astype(result, output, copy=False)

    if bias is not None:
        bias = _bias(op, bias, outputs)
    panels, whole = codes.shape[0], outputs % PANEL == 0
    if whole:  # where the product lies
        result = finished(result, None if bias is None else reshape(bias, (panels, 1, PANEL)))
    result = reshape(result.permute((1, 0, 2)), (m, panels * PANEL))[:, :outputs]
    if not whole:
        result = finished(result, bias)
    return reshape(result, (*x.shape[:-1], outputs))

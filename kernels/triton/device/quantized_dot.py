"""Products with quantised weights on matrix units, for modes that promise a bound: what a code stands for is a number
that x's dtype holds, and a scale multiplies what a part of its group adds up to."""

import triton
import triton.language as tl

from accel.kernels.triton.device.index import instance
from accel.kernels.triton.device.quantized_matmul import of_group, of_panel, weight_of


@triton.jit
def parts_of(scale, WIDE: tl.constexpr):
    """(power, rest), whose product is a scale: what multiplies its codes, and sums.

    WIDE: x has float32's range, so that sums of products with codes may leave it where those with weights do not. Then
    codes take the power of two, with the sign; from 2^-32 down they take that, with which no sum of a part leaves the
    range: smaller terms would only come nearer to subnormal numbers."""
    power, rest = tl.full(scale.shape, 1, tl.float32), scale
    if WIDE:
        bits = scale.to(tl.int32, bitcast=True)
        magnitude, least = bits & 0x7FFFFFFF, tl.full(scale.shape, 95 << 23, tl.int32)
        power = tl.maximum(magnitude & 0x7F800000, least).to(tl.float32, bitcast=True)
        power = tl.where(bits < 0, -power, power)
        rest = ((magnitude & 0x7FFFFF) | 0x3F800000).to(tl.float32, bitcast=True)
        rest = tl.where(magnitude < least, tl.abs(scale) * 4294967296.0, rest)
    return power, rest


@triton.jit
def factor_of(
    code, zero, scale, power, FLOAT: tl.constexpr, SIGN: tl.constexpr, MANTISSA: tl.constexpr, BIAS: tl.constexpr,
    SPECIAL: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    """What a code stands for, times its scale's power, float32; infinite where the weight itself is, and NaN where it
    is."""
    if FLOAT:
        number = weight_of(code, SIGN, MANTISSA, BIAS, SPECIAL)
    else:
        number = (code - zero).to(tl.float32)
    weight = number * scale
    if WIDE:
        factor, other = number * power, weight
    else:
        factor, other = number, number * float("inf")  # as the scale comes with its sign
    return tl.where(tl.abs(weight) < float("inf"), factor, other)


@triton.jit
def quantized_dot(
    out, x, codes, scales, minors, m, n, k, group, tiles_m, x_row, x_column, out_row, out_column,
    FINISH: tl.constexpr, SCALE: tl.constexpr, EXPONENTS: tl.constexpr, STEPS: tl.constexpr, FLOAT: tl.constexpr,
    SIGN: tl.constexpr, MANTISSA: tl.constexpr, BIAS: tl.constexpr, SPECIAL: tl.constexpr, SUPER: tl.constexpr,
    ZEROS: tl.constexpr, ZERO: tl.constexpr, PRECISION: tl.constexpr, BM: tl.constexpr, DEPTH: tl.constexpr,
    PANEL: tl.constexpr, DIES: tl.constexpr, INDEX: tl.constexpr,
):  # fmt: skip
    """A panel and BM rows of out = FINISH(x @ weights). DEPTH: bytes of codes of a column in a step, which divide a
    group's. The others are as in the canonical kernel."""
    WIDE: tl.constexpr = x.dtype.element_ty != tl.float16
    pid = instance(DIES, INDEX)
    panel = pid // tiles_m
    rows = pid % tiles_m * BM + tl.arange(0, BM).to(INDEX)
    lanes, deep = tl.arange(0, PANEL).to(INDEX), tl.arange(0, DEPTH).to(INDEX)
    there = (rows < m)[:, None]
    x += rows[:, None] * x_row + deep[None, :] * (STEPS * x_column)
    codes += panel * (k // STEPS) * PANEL + deep[:, None] * PANEL + lanes[None, :]
    scales, over = of_panel(scales, panel, lanes, k // group, SUPER, 1, PANEL)
    nothing = tl.full([BM, PANEL], 0, tl.float32)
    total = nothing
    for start in range(0, k, STEPS * DEPTH):
        scale, _, zero = of_group(scales, minors, over, start // group, SCALE, EXPONENTS, SUPER, 1, ZEROS, ZERO, PANEL)
        if ZEROS:
            zero = zero[None, :]
        code, scale = tl.load(codes + start // STEPS * PANEL).to(tl.int32), scale[None, :]
        power, rest = parts_of(scale, WIDE)
        left = tl.load(x + start * x_column, mask=there, other=0)
        low = code
        if STEPS == 2:
            low = code & 15
        factor = factor_of(low, zero, scale, power, FLOAT, SIGN, MANTISSA, BIAS, SPECIAL, WIDE).to(left.dtype)
        part = tl.dot(left, factor, nothing, input_precision=PRECISION)
        if STEPS == 2:
            odd = tl.load(x + (start + 1) * x_column, mask=there, other=0)
            factor = factor_of(code >> 4, zero, scale, power, FLOAT, SIGN, MANTISSA, BIAS, SPECIAL, WIDE).to(left.dtype)
            part = tl.dot(odd, factor, part, input_precision=PRECISION)
        total = tl.fma(part, tl.broadcast_to(rest, [BM, PANEL]), total)
    columns = panel * PANEL + lanes
    at = out + (rows[:, None] * out_row + columns[None, :] * out_column)
    tl.store(at, FINISH(total), mask=there & (columns[None, :] < n))

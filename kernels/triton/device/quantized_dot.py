"""Products with quantised weights on matrix units, for modes that promise a bound: what a code stands for is a number
that x's dtype holds, and a scale multiplies what a part of its group adds up to."""

import triton
import triton.language as tl

from accel.kernels.triton.device.quantized_matmul import of_group, of_panel, weight_of


@triton.jit
def factor_of(
    code, zero, scale, FLOAT: tl.constexpr, SIGN: tl.constexpr, MANTISSA: tl.constexpr, BIAS: tl.constexpr,
    SPECIAL: tl.constexpr,
):  # fmt: skip
    """What a code stands for without its scale, float32; infinite where the weight itself is, and NaN where it is."""
    if FLOAT:
        factor = weight_of(code, SIGN, MANTISSA, BIAS, SPECIAL)
    else:
        factor = (code - zero).to(tl.float32)
    return tl.where(tl.abs(factor * scale) < float("inf"), factor, factor * float("inf"))


@triton.jit
def quantized_dot(
    out, x, codes, scales, minors, m, n, k, group, tiles_m, x_row, x_column, out_row, out_column,
    FINISH: tl.constexpr, SCALE: tl.constexpr, EXPONENTS: tl.constexpr, STEPS: tl.constexpr, FLOAT: tl.constexpr,
    SIGN: tl.constexpr, MANTISSA: tl.constexpr, BIAS: tl.constexpr, SPECIAL: tl.constexpr, SUPER: tl.constexpr,
    ZEROS: tl.constexpr, ZERO: tl.constexpr, PRECISION: tl.constexpr, BM: tl.constexpr, DEPTH: tl.constexpr,
    PANEL: tl.constexpr, INDEX: tl.constexpr,
):  # fmt: skip
    """A panel and BM rows of out = FINISH(x @ weights). DEPTH: bytes of codes of a column in a step, which divide a
    group's. The others are as in the canonical kernel."""
    pid = tl.program_id(0).to(INDEX)
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
        left = tl.load(x + start * x_column, mask=there, other=0)
        low = code
        if STEPS == 2:
            low = code & 15
        factor = factor_of(low, zero, scale, FLOAT, SIGN, MANTISSA, BIAS, SPECIAL).to(left.dtype)
        part = tl.dot(left, factor, nothing, input_precision=PRECISION)
        if STEPS == 2:
            odd = tl.load(x + (start + 1) * x_column, mask=there, other=0)
            factor = factor_of(code >> 4, zero, scale, FLOAT, SIGN, MANTISSA, BIAS, SPECIAL).to(left.dtype)
            part = tl.dot(odd, factor, part, input_precision=PRECISION)
        total = tl.fma(part, tl.broadcast_to(scale, [BM, PANEL]), total)
    columns = panel * PANEL + lanes
    at = out + (rows[:, None] * out_row + columns[None, :] * out_column)
    tl.store(at, FINISH(total), mask=there & (columns[None, :] < n))

"""Products with quantised weights on matrix units, for modes that promise a bound: a code less its zero is a whole
number that x's dtype holds, and a scale multiplies what a part of its group adds up to."""

import triton
import triton.language as tl


@triton.jit
def quantized_dot(
    out, x, codes, scales, zeros, m, n, k, group, tiles_m, x_row, x_column, out_row, out_column,
    FINISH: tl.constexpr, STEPS: tl.constexpr, PRECISION: tl.constexpr, BM: tl.constexpr, DEPTH: tl.constexpr,
    PANEL: tl.constexpr, INDEX: tl.constexpr,
):  # fmt: skip
    """A panel and BM rows of out = FINISH(x @ weights). DEPTH: bytes of codes of a column in a step, which divide a
    group's; each holds STEPS of k."""
    pid = tl.program_id(0).to(INDEX)
    panel = pid // tiles_m
    rows = pid % tiles_m * BM + tl.arange(0, BM).to(INDEX)
    lanes, deep = tl.arange(0, PANEL).to(INDEX), tl.arange(0, DEPTH).to(INDEX)
    there = (rows < m)[:, None]
    x += rows[:, None] * x_row + deep[None, :] * (STEPS * x_column)
    codes += panel * (k // STEPS) * PANEL + deep[:, None] * PANEL + lanes[None, :]
    over = panel * (k // group) * PANEL + lanes
    nothing = tl.full([BM, PANEL], 0, tl.float32)
    total = nothing
    for start in range(0, k, STEPS * DEPTH):
        its_group = over + start // group * PANEL
        scale, zero = tl.load(scales + its_group), tl.load(zeros + its_group).to(tl.int32)[None, :]
        code = tl.load(codes + start // STEPS * PANEL).to(tl.int32)
        left = tl.load(x + start * x_column, mask=there, other=0)
        if STEPS == 1:  # by way of float32, which the interpreter knows how to make bfloat16
            part = tl.dot(left, (code - zero).to(tl.float32).to(left.dtype), nothing, input_precision=PRECISION)
        else:
            odd = tl.load(x + (start + 1) * x_column, mask=there, other=0)
            part = tl.dot(left, ((code & 15) - zero).to(tl.float32).to(left.dtype), nothing, input_precision=PRECISION)
            part = tl.dot(odd, ((code >> 4) - zero).to(tl.float32).to(left.dtype), part, input_precision=PRECISION)
        total = tl.fma(part, tl.broadcast_to(scale[None, :], [BM, PANEL]), total)
    columns = panel * PANEL + lanes
    at = out + (rows[:, None] * out_row + columns[None, :] * out_column)
    tl.store(at, FINISH(total), mask=there & (columns[None, :] < n))

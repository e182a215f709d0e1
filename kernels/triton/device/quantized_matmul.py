"""Products with quantised weights in the canonical order (docs/numerics.md, rule 3): each step of k is one outer
product, added by fma. Weights lie in panels (docs/quantization.md)."""

import triton
import triton.language as tl


@triton.jit
def quantized_matmul(
    out, x, codes, scales, zeros, m, n, k, chunks, group, tiles_m, x_row, x_column, out_row, out_column,
    WIDEN: tl.constexpr, FINISH: tl.constexpr, STEPS: tl.constexpr, RUN: tl.constexpr, BM: tl.constexpr,
    PANEL: tl.constexpr, KC: tl.constexpr, INDEX: tl.constexpr,
):  # fmt: skip
    """out = FINISH(x @ weights), a panel and BM rows of it. STEPS: of k in a byte of codes. RUN: steps that share a
    scale, whatever the first, if they begin at a multiple of RUN; it divides k."""
    pid = tl.program_id(0).to(INDEX)
    panel = pid // tiles_m
    rows = pid % tiles_m * BM + tl.arange(0, BM).to(INDEX)
    lanes = tl.arange(0, PANEL).to(INDEX)
    there = rows < m
    x_rows = x + rows * x_row
    codes = codes + panel * (k // STEPS) * PANEL + lanes
    over = panel * (k // group) * PANEL + lanes
    total = tl.full([BM, PANEL], -0.0, tl.float32)
    for chunk in range(chunks):
        part = tl.full([BM, PANEL], 0, tl.float32)
        for start in range(chunk * KC, min(chunk * KC + KC, k), RUN):
            place = over + start // group * PANEL
            scale = tl.load(scales + place)
            zero = tl.load(zeros + place).to(tl.int32)
            for step in tl.static_range(0, RUN, STEPS):
                code = tl.load(codes + (start + step) // STEPS * PANEL).to(tl.int32)
                for s in tl.static_range(STEPS):
                    if STEPS == 1:
                        whole = code
                    elif s == 0:
                        whole = code & 15
                    else:
                        whole = code >> 4
                    weight = (whole - zero).to(tl.float32) * scale
                    left = WIDEN(tl.load(x_rows + (start + step + s) * x_column, mask=there, other=0))
                    left, right = tl.broadcast(left[:, None], weight[None, :])
                    part = tl.fma(left, right, part)
        total = total + part
    columns = panel * PANEL + lanes
    at = out + (rows[:, None] * out_row + columns[None, :] * out_column)
    tl.store(at, FINISH(total), mask=there[:, None] & (columns[None, :] < n))

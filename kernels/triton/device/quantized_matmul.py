"""Products with quantised weights in the canonical order (docs/numerics.md, rule 3): each step of k is one outer
product, added by fma. Weights lie in panels (docs/quantization.md)."""

import triton
import triton.language as tl

from accel.kernels.triton.device.matmul import keep, shared_out


@triton.jit
def weight_of(code, SIGN: tl.constexpr, MANTISSA: tl.constexpr, BIAS: tl.constexpr, SPECIAL: tl.constexpr):
    """The float32 of a small float's code, int32: the bits of a subnormal number are those of a normal one without its
    leading 1. Magnitudes from SPECIAL on are infinity and NaN."""
    magnitude = code & (SIGN - 1)
    shifted = magnitude << (23 - MANTISSA)
    one = (128 - BIAS) << 23
    small = (shifted + one).to(tl.float32, bitcast=True) - tl.full(code.shape, one, tl.int32).to(
        tl.float32, bitcast=True
    )
    bits = shifted + ((127 - BIAS) << 23)
    bits = tl.where(magnitude < (1 << MANTISSA), small.to(tl.int32, bitcast=True), bits)
    bits = tl.where(magnitude >= SPECIAL, shifted | 0x7F800000, bits)
    wide = bits.to(tl.float32, bitcast=True)
    return tl.where((code & SIGN) != 0, -wide, wide)


@triton.jit
def scale_at(p, SCALE: tl.constexpr, EXPONENTS: tl.constexpr):
    """The scale behind a pointer, float32."""
    x = tl.load(p)
    if EXPONENTS:
        bits = x.to(tl.int32)
        bits = tl.where(bits == 0, 0x00400000, tl.where(bits == 255, 0x7FC00000, bits << 23))
        return bits.to(tl.float32, bitcast=True)
    else:
        return SCALE(x)


@triton.jit
def of_panel(scales, panel, lanes, groups, SUPER: tl.constexpr, EACH: tl.constexpr, PANEL: tl.constexpr):
    """(pointers to the scales of the first group, offsets of its minors)."""
    over = panel * groups * EACH * PANEL + lanes
    if SUPER > 0:
        return scales + panel * (groups // SUPER * EACH) * PANEL + lanes, over
    else:
        return scales + panel * groups * PANEL + lanes, over


@triton.jit
def of_group(
    scales, minors, over, its, SCALE: tl.constexpr, EXPONENTS: tl.constexpr, SUPER: tl.constexpr, EACH: tl.constexpr,
    ZEROS: tl.constexpr, ZERO: tl.constexpr, PANEL: tl.constexpr,
):  # fmt: skip
    """(scale, minus the minimum, zero) of a group; the last two where the format has them, or what stands for them."""
    if SUPER > 0:
        major = scales + its // SUPER * EACH * PANEL
        minor = minors[0] + over + its * EACH * PANEL
        scale = scale_at(major, SCALE, EXPONENTS) * tl.load(minor).to(tl.float32)
        if EACH == 2:
            minimum = -(scale_at(major + PANEL, SCALE, EXPONENTS) * tl.load(minor + PANEL).to(tl.float32))
        else:
            minimum = scale
    else:
        scale = scale_at(scales + its * PANEL, SCALE, EXPONENTS)
        minimum = scale
    if ZEROS:
        return scale, minimum, tl.load(minors[0] + over + its * PANEL).to(tl.int32)
    else:
        return scale, minimum, tl.full((), ZERO, tl.int32)


@triton.jit
def weights(
    code, scale, minimum, zero, FLOAT: tl.constexpr, SIGN: tl.constexpr, MANTISSA: tl.constexpr, BIAS: tl.constexpr,
    SPECIAL: tl.constexpr, EACH: tl.constexpr,
):  # fmt: skip
    """The weights of codes, int32, rounded once."""
    if FLOAT:
        return weight_of(code, SIGN, MANTISSA, BIAS, SPECIAL) * scale
    elif EACH == 2:
        scale, minimum = tl.broadcast_to(scale, code.shape), tl.broadcast_to(minimum, code.shape)
        return tl.fma(code.to(tl.float32), scale, minimum)
    else:
        return (code - zero).to(tl.float32) * scale


@triton.jit
def quantized_matmul(
    out, x, codes, scales, minors, m, n, k, chunks, size, group, tiles_m, x_row, x_column, out_row, out_column,
    WIDEN: tl.constexpr, FINISH: tl.constexpr, SCALE: tl.constexpr, EXPONENTS: tl.constexpr, STEPS: tl.constexpr,
    FLOAT: tl.constexpr, SIGN: tl.constexpr, MANTISSA: tl.constexpr, BIAS: tl.constexpr, SPECIAL: tl.constexpr,
    SUPER: tl.constexpr, EACH: tl.constexpr, ZEROS: tl.constexpr, ZERO: tl.constexpr, RUN: tl.constexpr,
    SHARED: tl.constexpr, BM: tl.constexpr, PANELS: tl.constexpr, PANEL: tl.constexpr, KC: tl.constexpr,
    DIES: tl.constexpr, INDEX: tl.constexpr,
):  # fmt: skip
    """PANELS panels and BM rows of out = FINISH(x @ weights). STEPS: of k in a byte of codes. RUN: steps that share a
    scale, whatever the first, if they begin at a multiple of RUN; it divides k. FLOAT: whether codes are floats, of the
    next four. SUPER: groups of a super-block, or 0. EACH: rows of scales and of minors, the second of minima. ZEROS:
    whether minors are zeros; else these are ZERO. SHARED, size: as of the products (matmul.py)."""
    pid, first, last = shared_out(chunks, SHARED, DIES, INDEX)
    rows = pid % tiles_m * BM + tl.arange(0, BM).to(INDEX)
    columns = pid // tiles_m * (PANELS * PANEL) + tl.arange(0, PANELS * PANEL).to(INDEX)
    panel, lanes = columns // PANEL, columns % PANEL
    there = rows < m
    x_rows = x + rows * x_row
    codes = codes + panel * (k // STEPS) * PANEL + lanes
    scales, over = of_panel(scales, panel, lanes, k // group, SUPER, EACH, PANEL)
    total = tl.full([BM, PANELS * PANEL], -0.0, tl.float32)
    for chunk in range(first, last):
        part = tl.full([BM, PANELS * PANEL], 0, tl.float32)
        for start in range(chunk * KC, min(chunk * KC + KC, k), RUN):
            scale, minimum, zero = of_group(
                scales, minors, over, start // group, SCALE, EXPONENTS, SUPER, EACH, ZEROS, ZERO, PANEL
            )
            for step in tl.static_range(0, RUN, STEPS):
                code = tl.load(codes + (start + step) // STEPS * PANEL).to(tl.int32)
                for s in tl.static_range(STEPS):
                    if STEPS == 1:
                        whole = code
                    elif s == 0:
                        whole = code & 15
                    else:
                        whole = code >> 4
                    weight = weights(whole, scale, minimum, zero, FLOAT, SIGN, MANTISSA, BIAS, SPECIAL, EACH)
                    left = WIDEN(tl.load(x_rows + (start + step + s) * x_column, mask=there, other=0))
                    left, right = tl.broadcast(left[:, None], weight[None, :])
                    part = tl.fma(left, right, part)
        if SHARED:
            keep(part, out, chunk, size, pid * 0, rows, columns, m, n)
        else:
            total = total + part
    if not SHARED:
        at = out + (rows[:, None] * out_row + columns[None, :] * out_column)
        tl.store(at, FINISH(total), mask=there[:, None] & (columns[None, :] < n))


@triton.jit
def quantized_tile(
    out, x, codes, scales, minors, m, n, k, chunks, size, group, tiles_m, x_row, x_column, out_row, out_column,
    WIDEN: tl.constexpr, FINISH: tl.constexpr, SCALE: tl.constexpr, EXPONENTS: tl.constexpr, STEPS: tl.constexpr,
    FLOAT: tl.constexpr, SIGN: tl.constexpr, MANTISSA: tl.constexpr, BIAS: tl.constexpr, SPECIAL: tl.constexpr,
    SUPER: tl.constexpr, EACH: tl.constexpr, ZEROS: tl.constexpr, ZERO: tl.constexpr, DEPTH: tl.constexpr,
    SHARED: tl.constexpr, BM: tl.constexpr, PANEL: tl.constexpr, KC: tl.constexpr, DIES: tl.constexpr,
    INDEX: tl.constexpr,
):  # fmt: skip
    """As quantized_matmul, of more rows: a tile of weights is made once for all, and tl.dot multiplies by it in the
    canonical order. DEPTH: steps of k in a tile, which divide a group's."""
    pid, first, last = shared_out(chunks, SHARED, DIES, INDEX)
    panel = pid // tiles_m
    rows = pid % tiles_m * BM + tl.arange(0, BM).to(INDEX)
    lanes = tl.arange(0, PANEL).to(INDEX)
    columns, there = panel * PANEL + lanes, rows < m
    x += rows[:, None] * x_row + tl.arange(0, DEPTH).to(INDEX)[None, :] * x_column
    codes += panel * (k // STEPS) * PANEL + tl.arange(0, DEPTH // STEPS).to(INDEX)[:, None] * PANEL + lanes[None, :]
    scales, over = of_panel(scales, panel, lanes, k // group, SUPER, EACH, PANEL)
    total = tl.full([BM, PANEL], -0.0, tl.float32)
    for chunk in range(first, last):
        part = tl.full([BM, PANEL], 0, tl.float32)
        for start in range(chunk * KC, min(chunk * KC + KC, k), DEPTH):
            scale, minimum, zero = of_group(
                scales, minors, over, start // group, SCALE, EXPONENTS, SUPER, EACH, ZEROS, ZERO, PANEL
            )
            code = tl.load(codes + start // STEPS * PANEL).to(tl.int32)
            if STEPS == 2:
                code = tl.reshape(tl.permute(tl.join(code & 15, code >> 4), [0, 2, 1]), [DEPTH, PANEL])
            if ZEROS:
                zero = zero[None, :]
            right = weights(code, scale[None, :], minimum[None, :], zero, FLOAT, SIGN, MANTISSA, BIAS, SPECIAL, EACH)
            left = WIDEN(tl.load(x + start * x_column, mask=there[:, None], other=0))
            part = tl.dot(left, right, part, input_precision="ieee")
        if SHARED:
            keep(part, out, chunk, size, pid * 0, rows, columns, m, n)
        else:
            total = total + part
    if not SHARED:
        at = out + (rows[:, None] * out_row + columns[None, :] * out_column)
        tl.store(at, FINISH(total), mask=there[:, None] & (columns[None, :] < n))

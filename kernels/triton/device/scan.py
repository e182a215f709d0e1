"""Scans in the canonical order (docs/numerics.md, rule 5), on tiles of rows.

    a tile of [rows, 16 groups]   |  a block of each row, in groups of 16 elements
    a group                       |  for d = 1, 2, 4, 8: of each 2 d elements the upper d take the total of the lower d
    totals of 16 groups           |  are a group again, whose exclusive scan is what comes before each

tl.associative_scan, whose order is not fixed, is not used.
"""

import triton
import triton.language as tl

from accel.kernels.triton.device.index import offset_of


@triton.jit
def tree(x, COMBINE: tl.constexpr, EXCLUSIVE: tl.constexpr, ROWS: tl.constexpr, GROUPS: tl.constexpr):
    """(rows, 16 groups) -> the scan of each group, and its total (rows, groups). EXCLUSIVE: without the own element;
    the first of a group is then left as it is."""
    total = x
    for step in tl.static_range(4):
        lower, upper = tl.split(tl.reshape(total, [ROWS, GROUPS * 8 >> step, 2]))
        paired = tl.reshape(x, [ROWS, GROUPS * 8 >> step, 2, 1 << step])
        low, high = tl.split(tl.permute(paired, [0, 1, 3, 2]))
        first = tl.broadcast_to(lower[:, :, None], [ROWS, GROUPS * 8 >> step, 1 << step])
        after = COMBINE(first, high)
        if EXCLUSIVE:
            after = tl.where(tl.arange(0, 1 << step)[None, None, :] == 0, first, after)
        x = tl.reshape(tl.permute(tl.join(low, after), [0, 1, 3, 2]), [ROWS, GROUPS * 16])
        total = COMBINE(lower, upper)
    return x, tl.reshape(total, [ROWS, GROUPS])


@triton.jit
def joined(some, a, more, b, COMBINE: tl.constexpr):
    """a and b, of which there may be one or none."""
    return tl.where(some & more, COMBINE(a, b), tl.where(some, a, b))


@triton.jit
def spread(x, ROWS: tl.constexpr, GROUPS: tl.constexpr):
    """(rows, groups) -> (rows, 16 groups)"""
    return tl.reshape(tl.broadcast_to(x[:, :, None], [ROWS, GROUPS, 16]), [ROWS, GROUPS * 16])


@triton.jit
def before_groups(totals, some, base, COMBINE: tl.constexpr, ROWS: tl.constexpr, GROUPS: tl.constexpr):
    """What comes before each group of a block of 1, 16 or 256, after base (rows, 1) where there is `some`, and the
    block's total (rows, 1)."""
    if GROUPS == 1:
        return base, totals
    else:
        number = tl.arange(0, GROUPS)[None, :]
        inner, above = tree(totals, COMBINE, True, ROWS, GROUPS // 16)
        if GROUPS == 16:
            first = tl.broadcast_to(base, [ROWS, 16])
            return joined(some & (number >= 0), first, number > 0, inner, COMBINE), above
        else:
            outer, total = tree(above, COMBINE, True, ROWS, 1)
            place = tl.arange(0, 16)[None, :]
            first = tl.broadcast_to(base, [ROWS, 16])
            outer = joined(some & (place >= 0), first, place > 0, outer, COMBINE)
            return joined(some | (number >= 16), spread(outer, ROWS, 16), number % 16 > 0, inner, COMBINE), total


@triton.jit
def chosen(x, place, ROWS: tl.constexpr, GROUPS: tl.constexpr, BITS: tl.constexpr):
    """x[:, place] of (rows, 16 groups), as (rows, 1)."""
    for bit in tl.static_range(BITS):
        even, odd = tl.split(tl.reshape(x, [ROWS, GROUPS * 8 >> bit, 2]))
        x = tl.where((place >> bit) % 2 == 1, odd, even)
    return x


@triton.jit
def scan(
    out, x, before, n, blocks, rows, outer, x_outer, x_row, x_step, out_outer, out_row, out_step, before_outer,
    before_row, before_step,
    WIDEN: tl.constexpr, COMBINE: tl.constexpr, FINISH: tl.constexpr, ACC: tl.constexpr, ROWS: tl.constexpr,
    GROUPS: tl.constexpr, BEFORE: tl.constexpr, BLOCK_GROUPS: tl.constexpr, BITS: tl.constexpr, TOTALS: tl.constexpr,
    EXCLUSIVE: tl.constexpr, INITIAL: tl.constexpr, FIRST: tl.constexpr, INDEX: tl.constexpr,
):  # fmt: skip
    """out[outer, row, i] = FINISH of the scan of WIDEN(x[outer, row, i]) after what comes before the block.

    BEFORE: 0 for one block, 1 where `before` has the blocks' totals, 2 where it has what comes before each. TOTALS:
    out[outer, row, block] is the block's total. EXCLUSIVE, INITIAL, FIRST: as in accel.scan_passes; the bits of the
    identity.
    """
    pid = tl.program_id(0).to(INDEX)
    block, rest = pid % blocks, pid // blocks
    tiles = (rows + ROWS - 1) // ROWS
    row = rest % tiles * ROWS + tl.arange(0, ROWS).to(INDEX)
    at_outer = rest // tiles
    there = (row < rows)[:, None]
    here = tl.arange(0, GROUPS * 16).to(INDEX)[None, :]
    i = block * (GROUPS * 16) + here
    mask = there & (i < n)
    from_row = x + offset_of(at_outer, outer, x_outer) + (row * x_row)[:, None]
    to_row = out + offset_of(at_outer, outer, out_outer) + (row * out_row)[:, None]
    some = block > 0
    base = tl.full([ROWS, 1], 0, ACC)
    if BEFORE:
        blocks_before = before + offset_of(at_outer, outer, before_outer) + (row * before_row)[:, None]
        if BEFORE == 1:
            b = tl.arange(0, BLOCK_GROUPS * 16).to(INDEX)[None, :]
            totals = tl.load(blocks_before + b * before_step, mask=there & (b < block), other=0)
            scanned, groups = tree(totals, COMBINE, True, ROWS, BLOCK_GROUPS)
            earlier, _ = before_groups(groups, False, base, COMBINE, ROWS, BLOCK_GROUPS)
            earlier = spread(earlier, ROWS, BLOCK_GROUPS)
            base = chosen(joined(b >= 16, earlier, b % 16 > 0, scanned, COMBINE), block, ROWS, BLOCK_GROUPS, BITS)
        else:
            base = tl.load(blocks_before + tl.full([1, 1], 0, INDEX) + block * before_step, mask=there & some, other=0)
    value = tl.where(mask, WIDEN(tl.load(from_row + i * x_step, mask=mask, other=0)), tl.full((), 0, ACC))
    scanned, groups = tree(value, COMBINE, EXCLUSIVE, ROWS, GROUPS)
    earlier, total = before_groups(groups, some, base, COMBINE, ROWS, GROUPS)
    if TOTALS:
        tl.store(to_row + tl.full([1, 1], 0, INDEX) + block * out_step, FINISH(total), mask=there)
    else:
        earlier = spread(earlier, ROWS, GROUPS)
        if EXCLUSIVE:
            result = joined(some | (here >= 16), earlier, here % 16 > 0, scanned, COMBINE)
        else:
            result = joined(some | (here >= 16), earlier, here >= 0, scanned, COMBINE)
        if INITIAL:
            start = tl.full([ROWS, 1], FIRST, to_row.dtype.element_ty)
            tl.store(to_row, start, mask=there & (block == 0))
            i += 1
        tl.store(to_row + i * out_step, FINISH(result), mask=mask)

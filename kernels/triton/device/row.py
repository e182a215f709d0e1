"""Folds of row kernels in the canonical order (docs/numerics.md, rule 2), on tiles of rows.

    a tile of [rows, width]   |  column i is an element; width is a power of two, of at most a block
    lanes                     |  columns l, l + 64, l + 128, … go to lane l, in this order
    then                      |  l with l + 32, then l + 16, … until lane 0 is left

Scalar programs run on whole tiles, so that loads are wide and code is short; only additions take the tile apart.
COMBINE is a function of two values, REDUCE tl.reduce with it along axis 1. That has no order of its own: it is used
over two values, which commute, and where the order does not matter.
"""

import triton
import triton.language as tl


@triton.jit
def halves(tile, ROWS: tl.constexpr, HALF: tl.constexpr):
    """(rows, 2 half) -> its left and its right half, as two (rows, half)."""
    return tl.split(tl.permute(tl.reshape(tile, [ROWS, 2, HALF]), [0, 2, 1]))


@triton.jit
def gathered(
    acc, tile, COMBINE: tl.constexpr, REDUCE: tl.constexpr, ORDERED: tl.constexpr, ROWS: tl.constexpr,
    WIDTH: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    """What acc holds, (rows, lanes) if ORDERED and else (rows,), combined with the columns of a tile."""
    if ORDERED:
        parts = (tile,)
        for level in tl.static_range(6):
            if (LANES << level) < WIDTH:
                after = ()
                for p in tl.static_range(len(parts)):
                    left, right = halves(parts[p], ROWS, WIDTH >> (level + 1))
                    after = after + (left, right)  # noqa: RUF005
                parts = after
        for p in tl.static_range(len(parts)):
            acc = COMBINE(acc, parts[p])
        return acc
    else:
        return COMBINE(acc, REDUCE(tile))


@triton.jit
def joined(acc, REDUCE: tl.constexpr, ORDERED: tl.constexpr, ROWS: tl.constexpr, LANES: tl.constexpr):
    """The lanes folded in halves: (rows,)."""
    if ORDERED:
        for fold in tl.static_range(6):
            if (LANES >> fold) > 1:
                acc = REDUCE(tl.reshape(acc, [ROWS, 2, LANES >> (fold + 1)]))
        return tl.reshape(acc, [ROWS])
    else:
        return acc


@triton.jit
def placed(acc, value, block, COMBINE: tl.constexpr, ORDERED: tl.constexpr, ROWS: tl.constexpr):
    """The results of a block (rows,) combined with what lane block mod 64 of acc (rows, 64) holds."""
    if ORDERED:
        value = tl.broadcast_to(value[:, None], [ROWS, 64])
        return tl.where(tl.arange(0, 64)[None, :] == block % 64, COMBINE(acc, value), acc)
    else:
        return COMBINE(acc, value)

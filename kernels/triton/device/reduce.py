"""Reductions in the canonical order (docs/numerics.md, rule 2).

    reduced elements of one row   |  block 0: 0 … 4095  |  block 1: 4096 … 8191  | …
    in a block                    |  lane l accumulates l, l + 64, l + 128, … in this order
    then                          |  l with l + 32, then l + 16, … until lane 0 is left

A program instance reduces a tile of rows in one block, or a tile of blocks of one row. tl.sum and tl.reduce, whose
order is not fixed, are not used. The last instance of a row, or of a tile of rows, reduces the block results.
"""

import triton
import triton.language as tl

from accel.kernels.triton.device.arrive import last, put, taken
from accel.kernels.triton.device.index import offset_of


@triton.jit
def halves(acc, ROWS: tl.constexpr, HALF: tl.constexpr):
    """(rows, 2 half) -> lanes l and l + half, as two (rows, half)."""
    return tl.split(tl.permute(tl.reshape(acc, [ROWS, 2, HALF]), [0, 2, 1]))


@triton.jit
def place(rows, blocks, tiles, BY_BLOCK: tl.constexpr, ROWS: tl.constexpr, INDEX: tl.constexpr):
    """(outer index, row, block, which are there) of a program instance; row or block is the vector that it tiles."""
    pid = tl.program_id(0).to(INDEX)
    along = pid % tiles * ROWS + tl.arange(0, ROWS).to(INDEX)
    rest = pid // tiles
    if BY_BLOCK:
        return rest // rows, rest % rows, along, along < blocks
    else:
        return rest // blocks, along, rest % blocks, along < rows


@triton.jit
def last_of_row(counters, blocks, tiles, BY_BLOCK: tl.constexpr, INDEX: tl.constexpr):
    """Whether all blocks of an instance's row, or rows, have been put."""
    pid = tl.program_id(0).to(INDEX)
    rest = pid // tiles
    if BY_BLOCK:
        done = last(counters + rest, tiles)
    else:
        done = last(counters + rest // blocks * tiles + pid % tiles, blocks)
    return done


@triton.jit
def rows_of_results(at_outer, row, rows, blocks, there, BY_BLOCK: tl.constexpr, INDEX: tl.constexpr):
    """(first block results of rows in scratch, which rows are there), as vectors; in scratch, rows lie in order."""
    first = (at_outer * rows + row) * blocks
    if BY_BLOCK:
        result = first + tl.full([1], 0, INDEX), tl.full([1], 1, tl.int1)
    else:
        result = first + tl.full([1], 0, INDEX), there
    return result


@triton.jit
def folded(acc, COMBINE: tl.constexpr, ROWS: tl.constexpr, LANES: tl.constexpr):
    """(rows, lanes) -> (rows,), in halves."""
    for fold in tl.static_range(6):
        if (LANES >> fold) > 1:
            low, high = halves(acc, ROWS, LANES >> (fold + 1))
            acc = COMBINE(low, high)
    return tl.reshape(acc, [ROWS])


@triton.jit
def total_of(
    partial, results, here, blocks, COMBINE: tl.constexpr, IDENTITY: tl.constexpr, ACC: tl.constexpr,
    ROWS: tl.constexpr, LANES: tl.constexpr, UNROLL: tl.constexpr, INDEX: tl.constexpr,
):  # fmt: skip
    """The reduction of rows of block results, (rows,)."""
    lane = tl.arange(0, LANES)[None, :].to(INDEX)
    identity = tl.full((), IDENTITY, ACC)
    acc = tl.full([ROWS, LANES], IDENTITY, ACC)
    for start in range(0, blocks, LANES * UNROLL):
        for step in tl.static_range(UNROLL):
            i = lane + (start + step * LANES)
            mask = here[:, None] & (i < blocks)
            acc = COMBINE(acc, tl.where(mask, taken(partial + results[:, None] + i, mask), identity))
    return folded(acc, COMBINE, ROWS, LANES)


@triton.jit
def accumulate(
    out, x, partial, counters, n, width, blocks, rows, tiles, outer, x_outer, x_row, reduced, x_reduced,
    out_outer, out_row, out_block,
    WIDEN: tl.constexpr, COMBINE: tl.constexpr, FINISH: tl.constexpr, IDENTITY: tl.constexpr, ACC: tl.constexpr,
    BY_BLOCK: tl.constexpr, ROWS: tl.constexpr, LANES: tl.constexpr, UNROLL: tl.constexpr,
    JOINED: tl.constexpr, INDEX: tl.constexpr,
):  # fmt: skip
    """out[outer, row, block] = FINISH of the canonical reduction of WIDEN(x[outer, row, elements of the block]).

    n: reduced elements of a row; width: of a block. outer, reduced: lengths of axes; the rest are strides.
    JOINED: 0, or in how many lanes the last instance reduces the block results, which are put in partial:
    out[outer, row] = FINISH of that.
    """
    at_outer, row, block, there = place(rows, blocks, tiles, BY_BLOCK, ROWS, INDEX)
    base = x + offset_of(at_outer, outer, x_outer) + row * x_row + tl.full([ROWS], 0, INDEX)
    first = block * width + tl.full([ROWS], 0, INDEX) if BY_BLOCK else block * width + tl.full([1], 0, INDEX)
    lane = first[:, None] + tl.arange(0, LANES)[None, :].to(INDEX)
    identity = tl.full((), IDENTITY, ACC)
    acc = tl.full([ROWS, LANES], IDENTITY, ACC)
    for start in range(0, width, LANES * UNROLL):
        for step in tl.static_range(UNROLL):
            i = lane + (start + step * LANES)
            mask = there[:, None] & (i < n)
            value = tl.load(base[:, None] + offset_of(i, reduced, x_reduced), mask=mask, other=0)
            acc = COMBINE(acc, tl.where(mask, WIDEN(value), identity))
    found = folded(acc, COMBINE, ROWS, LANES)
    if JOINED == 0:
        at = out + offset_of(at_outer, outer, out_outer) + row * out_row + block * out_block
        tl.store(at, FINISH(found), mask=there)
    else:
        put(partial + (at_outer * rows + row) * blocks + block, found, there)
        if last_of_row(counters, blocks, tiles, BY_BLOCK, INDEX):
            KEPT: tl.constexpr = 1 if BY_BLOCK else ROWS
            results, here = rows_of_results(at_outer, row, rows, blocks, there, BY_BLOCK, INDEX)
            total = total_of(partial, results, here, blocks, COMBINE, IDENTITY, ACC, KEPT, JOINED, UNROLL, INDEX)
            to = out + offset_of(at_outer, outer, out_outer) + row * out_row + tl.full([KEPT], 0, INDEX)
            tl.store(to, FINISH(total), mask=here)


@triton.jit
def better(a, i, b, j, MAXIMUM: tl.constexpr):
    """Whether b, at index j, wins over a, at i: NaN, then the extreme value, then the lower index; −0 equals +0."""
    nan_a, nan_b = a != a, b != b
    beyond = b > a if MAXIMUM else b < a
    return (beyond & (nan_a == 0)) | (nan_b & (nan_a == 0)) | (((a == b) | (nan_a & nan_b)) & (j < i))


@triton.jit
def best_of(best, where, MAXIMUM: tl.constexpr, ROWS: tl.constexpr, LANES: tl.constexpr):
    """The winners of rows among lanes, (rows, lanes), and their indices: two (rows,)."""
    for fold in tl.static_range(6):
        if (LANES >> fold) > 1:
            best, value = halves(best, ROWS, LANES >> (fold + 1))
            where, index = halves(where, ROWS, LANES >> (fold + 1))
            take = better(best, where, value, index, MAXIMUM)
            best, where = tl.where(take, value, best), tl.where(take, index, where)
    return tl.reshape(best, [ROWS]), tl.reshape(where, [ROWS])


@triton.jit
def winner_of(
    partial, places, results, here, blocks, MAXIMUM: tl.constexpr, IDENTITY: tl.constexpr, ACC: tl.constexpr,
    ROWS: tl.constexpr, LANES: tl.constexpr, INDEX: tl.constexpr,
):  # fmt: skip
    """The indices that win in rows of block results, (rows,)."""
    lane = tl.arange(0, LANES)[None, :].to(INDEX)
    identity = tl.full((), IDENTITY, ACC)
    nowhere = tl.full((), 0x7FFFFFFFFFFFFFFF, tl.int64)
    best = tl.full([ROWS, LANES], IDENTITY, ACC)
    where = tl.full([ROWS, LANES], 0x7FFFFFFFFFFFFFFF, tl.int64)
    for start in range(0, blocks, LANES):
        i = lane + start
        mask = here[:, None] & (i < blocks)
        value = tl.where(mask, taken(partial + results[:, None] + i, mask), identity)
        index = tl.where(mask, taken(places + results[:, None] + i, mask), nowhere)
        take = better(best, where, value, index, MAXIMUM)
        best, where = tl.where(take, value, best), tl.where(take, index, where)
    _, found = best_of(best, where, MAXIMUM, ROWS, LANES)
    return found


@triton.jit
def locate(
    values, indices, x, known, partial, places, counters, n, width, blocks, rows, tiles, outer, x_outer, x_row,
    reduced, x_reduced, out_outer, out_row, out_block,
    WIDEN: tl.constexpr, MAXIMUM: tl.constexpr, IDENTITY: tl.constexpr, ACC: tl.constexpr, FIRST: tl.constexpr,
    LAST: tl.constexpr, BY_BLOCK: tl.constexpr, ROWS: tl.constexpr, LANES: tl.constexpr, JOINED: tl.constexpr,
    INDEX: tl.constexpr,
):  # fmt: skip
    """Like accumulate, for argmax and argmin: the value that wins and its index among the row's reduced elements.

    known: the indices of x, where x is scratch of an earlier pass and not FIRST. LAST: the values are not wanted.
    partial, places: the block results, where these are JOINED.
    """
    at_outer, row, block, there = place(rows, blocks, tiles, BY_BLOCK, ROWS, INDEX)
    base = offset_of(at_outer, outer, x_outer) + row * x_row + tl.full([ROWS], 0, INDEX)
    first = block * width + tl.full([ROWS], 0, INDEX) if BY_BLOCK else block * width + tl.full([1], 0, INDEX)
    lane = first[:, None] + tl.arange(0, LANES)[None, :].to(INDEX)
    identity = tl.full((), IDENTITY, ACC)
    nowhere = tl.full((), 0x7FFFFFFFFFFFFFFF, tl.int64)
    best = tl.full([ROWS, LANES], IDENTITY, ACC)
    where = tl.full([ROWS, LANES], 0x7FFFFFFFFFFFFFFF, tl.int64)
    for start in range(0, width, LANES):
        i = lane + start
        mask = there[:, None] & (i < n)
        at = base[:, None] + offset_of(i, reduced, x_reduced)
        value = tl.where(mask, WIDEN(tl.load(x + at, mask=mask, other=0)), identity)
        if FIRST:
            index = tl.where(mask, i.to(tl.int64), nowhere)
        else:
            index = tl.where(mask, tl.load(known + at, mask=mask, other=0), nowhere)
        take = better(best, where, value, index, MAXIMUM)
        best, where = tl.where(take, value, best), tl.where(take, index, where)
    found, found_at = best_of(best, where, MAXIMUM, ROWS, LANES)
    if JOINED == 0:
        at = offset_of(at_outer, outer, out_outer) + row * out_row + block * out_block
        tl.store(indices + at, found_at, mask=there)
        if not LAST:
            tl.store(values + at, found, mask=there)
    else:
        its = (at_outer * rows + row) * blocks + block
        put(partial + its, found, there)
        put(places + its, found_at, there)
        if last_of_row(counters, blocks, tiles, BY_BLOCK, INDEX):
            KEPT: tl.constexpr = 1 if BY_BLOCK else ROWS
            results, here = rows_of_results(at_outer, row, rows, blocks, there, BY_BLOCK, INDEX)
            winner = winner_of(partial, places, results, here, blocks, MAXIMUM, IDENTITY, ACC, KEPT, JOINED, INDEX)
            to = offset_of(at_outer, outer, out_outer) + row * out_row + tl.full([KEPT], 0, INDEX)
            tl.store(indices + to, winner, mask=here)

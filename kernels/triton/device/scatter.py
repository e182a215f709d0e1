"""Rows of values stored, or folded by rule 2 of docs/numerics.md, where numbers of cells say. Element `flat` is one of
row flat // columns, in the order of the cells where there is one. ORDERED: whether there is; SORTED: that, or the cells
are in order. SOURCED: row i is that of the values at source i, from the end for one below 0; zeros where there is
none."""

import triton
import triton.language as tl

from accel.kernels.triton.device.index import offset_of
from accel.kernels.triton.device.reduce import halves
from accel.kernels.triton.device.sort import key_of


@triton.jit
def place_of(order, i, there, ORDERED: tl.constexpr):
    """The place of the i-th row in the order of the cells."""
    if ORDERED:
        i = tl.load(order + i, mask=there, other=0)
    return i


@triton.jit
def cell_of(cells, order, cell_step, i, there, ORDERED: tl.constexpr):
    """The place of row i, and its cell, -1 where there is none."""
    place = place_of(order, i, there, ORDERED)
    return place, tl.load(cells + place * cell_step, mask=there, other=-1)


@triton.jit
def source_of(sources, source_step, held, place, there, SOURCED: tl.constexpr):
    """Which of the values a row is, and whether it is one of them; it is zeros else."""
    if SOURCED:
        at = tl.load(sources + place * source_step, mask=there, other=-1)
        at = tl.where(there & (at < 0), at + held, at)
        there = there & (at >= 0) & (at < held)
        place = tl.where(there, at, 0)
    return place, there


@triton.jit
def target(cell, column, lengths, steps, rows, out_rows, INDEX: tl.constexpr):
    """The offset of an element of a cell, and whether there is such a cell."""
    at = offset_of(column, rows, out_rows)
    rest = cell
    for a in tl.static_range(len(lengths) - 1):
        at += (rest % lengths[len(lengths) - 1 - a]).to(INDEX) * steps[len(lengths) - 1 - a]
        rest = rest // lengths[len(lengths) - 1 - a]
    return at + rest.to(INDEX) * steps[0], (cell >= 0) & (rest < lengths[0])


@triton.jit
def store_rows(
    out, values, cells, order, sources, count, columns, lengths, steps, rows, out_rows, value_rows, value_step,
    cell_step, source_step, held,
    ORDERED: tl.constexpr, SORTED: tl.constexpr, SOURCED: tl.constexpr, BLOCK: tl.constexpr, INDEX: tl.constexpr,
):  # fmt: skip
    """The last row of each cell."""
    flat = tl.program_id(0).to(INDEX) * BLOCK + tl.arange(0, BLOCK).to(INDEX)
    i, column = flat // columns, flat % columns
    place, cell = cell_of(cells, order, cell_step, i, i < count, ORDERED)
    at, good = target(cell, column, lengths, steps, rows, out_rows, INDEX)
    good = good & (i < count)
    if SORTED:
        _, after = cell_of(cells, order, cell_step, i + 1, good & (i + 1 < count), ORDERED)
        good = good & (after != cell)
    place, there = source_of(sources, source_step, held, place, good, SOURCED)
    value = tl.load(values + place.to(INDEX) * value_step + offset_of(column, rows, value_rows), mask=there, other=0)
    tl.store(out + at, value, mask=good)


@triton.jit
def runs(
    cells, order, cell_step, i, cell, good, start, columns, count, search, ORDERED: tl.constexpr, BLOCK: tl.constexpr
):  # fmt: skip
    """For the first rows of cells, how many rows their cells have, 0 for others; and a bound of these numbers for the
    instance. search: steps of a binary search among all rows."""
    low, high = i + 1, i * 0 + count
    for _ in range(search):
        probe = (low + high) // 2
        active = good & (low < high)
        _, found = cell_of(cells, order, cell_step, probe, active, ORDERED)
        low = tl.where(active & (found == cell), probe + 1, low)
        high = tl.where(active & (found != cell), probe, high)

    # all rows of this instance's cells end where those of its last one do
    last = (start + BLOCK - 1) // columns
    last = tl.where(last < count, last, last * 0 + count - 1)
    _, edge = cell_of(cells, order, cell_step, last, last >= 0, ORDERED)
    end, most = last + 1, last * 0 + count
    for _ in range(search):
        middle = (end + most) // 2
        open = end < most
        _, found = cell_of(cells, order, cell_step, tl.where(open, middle, last), last >= 0, ORDERED)
        alike = found == edge
        end = tl.where(open & alike, middle + 1, end)
        most = tl.where(open & (alike == 0), middle, most)
    first = start // columns
    _, ago = cell_of(cells, order, cell_step, tl.where(first > 0, first - 1, first), first >= 0, ORDERED)
    longest = tl.where((first > 0) & (ago == edge), first * 0, end - first)  # 0: of all cells rows come before
    return tl.where(good, low - i, i * 0), longest


@triton.jit
def keep_extremes(
    out, values, cells, order, sources, count, columns, lengths, steps, rows, out_rows, value_rows, value_step,
    cell_step, source_step, held, search,
    SIGN: tl.constexpr, INFINITE: tl.constexpr, ALL: tl.constexpr, KEY: tl.constexpr, MAX: tl.constexpr,
    FIRST: tl.constexpr, ORDERED: tl.constexpr, SORTED: tl.constexpr, SOURCED: tl.constexpr, BLOCK: tl.constexpr,
    INDEX: tl.constexpr,
):  # fmt: skip
    """The greatest, or the smallest, of a cell's rows and of what there is. FIRST: 1 makes the last key, a NaN's, the
    first one."""
    start = tl.program_id(0).to(INDEX) * BLOCK
    flat = start + tl.arange(0, BLOCK).to(INDEX)
    i, column = flat // columns, flat % columns
    _, cell = cell_of(cells, order, cell_step, i, i < count, ORDERED)
    at, good = target(cell, column, lengths, steps, rows, out_rows, INDEX)
    good = good & (i < count)
    if SORTED:
        _, before = cell_of(cells, order, cell_step, i - 1, (i > 0) & (i < count), ORDERED)
        good = good & ((i == 0) | (before != cell))
        n, longest = runs(cells, order, cell_step, i, cell, good, start, columns, count, search, ORDERED, BLOCK)
    else:
        n, longest = good.to(INDEX), 1
    source = values + offset_of(column, rows, value_rows)
    best = tl.load(out + at, mask=good, other=0)
    every = tl.full((), ALL, KEY)
    its = (key_of(best, SIGN, INFINITE, ALL, 0, KEY) + FIRST) & every
    for k in range(longest):
        mask = k < n
        place = place_of(order, i + k, mask, ORDERED)
        place, there = source_of(sources, source_step, held, place, mask, SOURCED)
        value = tl.load(source + place.to(INDEX) * value_step, mask=there, other=0)
        key = (key_of(value, SIGN, INFINITE, ALL, 0, KEY) + FIRST) & every
        better = mask & (key > its if MAX else key < its)
        best = tl.where(better, value, best)
        its = tl.where(better, key, its)
    tl.store(out + at, best, mask=good)


@triton.jit
def combined(a, b, MULTIPLY: tl.constexpr):
    """Of two elements."""
    if MULTIPLY:
        result = a * b
    else:
        result = a + b
    return result


@triton.jit
def folded(acc, MULTIPLY: tl.constexpr, BLOCK: tl.constexpr, FOLDS: tl.constexpr):
    """(BLOCK, lanes) -> lanes l and l + half combined, until one is left."""
    for fold in tl.static_range(FOLDS):
        low, high = halves(acc, BLOCK, 1 << (FOLDS - 1 - fold))
        acc = combined(low, high, MULTIPLY)
    return tl.reshape(acc, [BLOCK])


@triton.jit
def fold_rows(
    out, values, cells, order, sources, count, columns, lengths, steps, rows, out_rows, value_rows, value_step,
    cell_step, source_step, held, search,
    NOTHING: tl.constexpr, ACC: tl.constexpr, MULTIPLY: tl.constexpr, LANES: tl.constexpr,
    FOLDS: tl.constexpr, WIDTH: tl.constexpr, ORDERED: tl.constexpr, SOURCED: tl.constexpr, BLOCK: tl.constexpr,
    INDEX: tl.constexpr,
):  # fmt: skip
    """What there is, combined with the fold of a cell's rows: by its first row, from which its others follow. WIDTH:
    of a block of a fold."""
    start = tl.program_id(0).to(INDEX) * BLOCK
    flat = start + tl.arange(0, BLOCK).to(INDEX)
    i, column = flat // columns, flat % columns
    _, cell = cell_of(cells, order, cell_step, i, i < count, ORDERED)
    _, before = cell_of(cells, order, cell_step, i - 1, (i > 0) & (i < count), ORDERED)
    at, good = target(cell, column, lengths, steps, rows, out_rows, INDEX)
    good = good & (i < count) & ((i == 0) | (before != cell))

    n, longest = runs(cells, order, cell_step, i, cell, good, start, columns, count, search, ORDERED, BLOCK)

    lane = tl.arange(0, LANES)[None, :].to(INDEX)
    source = values + offset_of(column, rows, value_rows)
    nothing = tl.full((), NOTHING, ACC)
    of_all = tl.full([BLOCK, LANES], NOTHING, ACC)
    for c in range(0, longest, WIDTH * WIDTH):
        c_end = tl.where(c + WIDTH * WIDTH < longest, c + WIDTH * WIDTH, longest)
        of_blocks = tl.full([BLOCK, LANES], NOTHING, ACC)
        for b in range(c, c_end, WIDTH):
            b_end = tl.where(b + WIDTH < longest, b + WIDTH, longest)
            of_rows = tl.full([BLOCK, LANES], NOTHING, ACC)
            for k in range(b, b_end, LANES):
                mask = lane + k < n[:, None]
                place = place_of(order, i[:, None] + lane + k, mask, ORDERED)
                place, there = source_of(sources, source_step, held, place, mask, SOURCED)
                value = tl.load(source[:, None] + place.to(INDEX) * value_step, mask=there, other=0)
                of_rows = combined(of_rows, tl.where(mask, value, nothing), MULTIPLY)
            made = folded(of_rows, MULTIPLY, BLOCK, FOLDS)[:, None]
            of_blocks = tl.where(lane == b // WIDTH % LANES, combined(of_blocks, made, MULTIPLY), of_blocks)
        made = folded(of_blocks, MULTIPLY, BLOCK, FOLDS)[:, None]
        of_all = tl.where(lane == c // (WIDTH * WIDTH) % LANES, combined(of_all, made, MULTIPLY), of_all)
    held = tl.load(out + at, mask=good, other=0)
    tl.store(out + at, combined(held, folded(of_all, MULTIPLY, BLOCK, FOLDS), MULTIPLY), mask=good)

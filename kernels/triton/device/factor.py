"""Factorisations of blocks (docs/numerics.md): every element is one chain of fma over ascending k, and then a quotient
or a root.

One element of a row or column of a tile is taken out as bits among zeros, so that -0 and NaN stay what they are.
Factors change their sign by a multiplication by -1: Triton's minus is a subtraction from 0, which loses the sign of 0.
"""

import triton
import triton.language as tl

from accel.kernels.triton.device.reduce import halves


@triton.jit
def either(a, b):
    """Bits of which at most one operand has some."""
    return a | b


@triton.jit
def larger(a, b):
    return tl.where(a > b, a, b)


@triton.jit
def smaller(a, b):
    return tl.where(a < b, a, b)


@triton.jit
def cholesky(
    out, a, n, out_matrix, out_row, out_column, a_matrix, a_row, a_column,
    DIVIDE: tl.constexpr, ROOT: tl.constexpr, T: tl.constexpr, BITS: tl.constexpr, SIZE: tl.constexpr,
    INDEX: tl.constexpr,
):  # fmt: skip
    """A program instance has a block, of which it keeps both halves: rows are columns, bit by bit."""
    matrix = tl.program_id(0).to(INDEX)
    place = tl.arange(0, SIZE)
    i, j = place[:, None], place[None, :]
    there = (i < n) & (j < n)
    high, low = tl.where(i > j, i, j).to(INDEX), tl.where(i > j, j, i).to(INDEX)
    x = tl.load(a + matrix * a_matrix + high * a_row + low * a_column, mask=there, other=0)
    result = tl.full([SIZE, SIZE], 0, T)
    nothing = tl.full((), 0, BITS)
    for k in range(n):
        bits = x.to(BITS, bitcast=True)
        column = tl.reduce(tl.where(j == k, bits, nothing), 1, either)
        row = tl.reduce(tl.where(i == k, bits, nothing), 0, either)
        root = ROOT(tl.reduce(tl.where(place == k, column, nothing), 0, either).to(T, bitcast=True))
        left = DIVIDE(column.to(T, bitcast=True), root)[:, None]
        right = DIVIDE(row.to(T, bitcast=True), root)[None, :]
        result = tl.where((j == k) & (i > k), left, tl.where((j == k) & (i == k), root, result))
        x = tl.where((i > k) & (j > k), tl.fma(left * -1.0, right, x), x)
    at = out + matrix * out_matrix + i.to(INDEX) * out_row + j.to(INDEX) * out_column
    tl.store(at, result, mask=there)


@triton.jit
def lu(
    out, order, a, m, n, steps, out_matrix, out_row, out_column, order_matrix, order_row, a_matrix, a_row, a_column,
    DIVIDE: tl.constexpr, BITS: tl.constexpr, MAGNITUDE: tl.constexpr, SIZE: tl.constexpr, ROWS: tl.constexpr,
    INDEX: tl.constexpr,
):  # fmt: skip
    """A program instance has a block of any number of rows, which it keeps in the output. Barriers are between what
    threads write there and others read."""
    matrix = tl.program_id(0).to(INDEX)
    out += matrix * out_matrix
    order += matrix * order_matrix
    a += matrix * a_matrix
    rows, j = tl.arange(0, ROWS).to(INDEX), tl.arange(0, SIZE).to(INDEX)
    across, within = j[None, :], (j < n)[None, :]
    magnitude, none = tl.full((), MAGNITUDE, BITS), tl.full((), -1, BITS)
    for start in range(0, m, ROWS):
        i = start + rows
        mask = (i < m)[:, None] & within
        tile = tl.load(a + i[:, None] * a_row + across * a_column, mask=mask, other=0)
        tl.store(out + i[:, None] * out_row + across * out_column, tile, mask=mask)
        tl.store(order + i * order_row, i.to(tl.int64), mask=i < m)
    tl.debug_barrier()
    for k in range(steps):
        best, where = tl.full([ROWS], -1, BITS), rows
        for start in range(0, m, ROWS):
            i = start + rows
            mask = (i >= k) & (i < m)
            value = tl.load(out + i * out_row + k * out_column, mask=mask, other=0)
            mine = tl.where(mask, value.to(BITS, bitcast=True) & magnitude, none)
            more = mine > best
            best, where = tl.where(more, mine, best), tl.where(more, i, where)
        most = tl.reduce(best, 0, larger)
        pivot = tl.reduce(tl.where(best == most, where, rows * 0 + m), 0, smaller)
        to, source = out + k * out_row + j * out_column, out + pivot * out_row + j * out_column
        kept, row = tl.load(to, mask=j < n, other=0), tl.load(source, mask=j < n, other=0)
        first, second = tl.load(order + k * order_row), tl.load(order + pivot * order_row)
        tl.debug_barrier()
        tl.store(to, row, mask=j < n)
        tl.store(source, kept, mask=j < n)
        tl.store(order + k * order_row, second)
        tl.store(order + pivot * order_row, first)
        tl.debug_barrier()
        divisor = tl.load(out + k * out_row + k * out_column)
        for start in range(0, m, ROWS):
            i = start + rows
            below = (i > k) & (i < m)
            mask = below[:, None] & within
            at = out + i[:, None] * out_row + across * out_column
            column = tl.load(out + i * out_row + k * out_column, mask=below, other=0)
            tile = tl.load(at, mask=mask, other=0)
            column = tl.where(divisor != 0, DIVIDE(column, divisor), column)[:, None]
            changed = tl.fma(column * -1.0, row[None, :], tile)
            tile = tl.where(across > k, changed, tl.where(across == k, column, tile))
            tl.debug_barrier()
            tl.store(at, tile, mask=mask)
        tl.debug_barrier()


@triton.jit
def qr(
    out, beside, a, m, n, out_matrix, out_row, out_column, beside_matrix, beside_row, a_matrix, a_row, a_column,
    DIVIDE: tl.constexpr, ROOT: tl.constexpr, T: tl.constexpr, SIZE: tl.constexpr, LANES: tl.constexpr,
    FOLDS: tl.constexpr, INDEX: tl.constexpr,
):  # fmt: skip
    """A program instance has a block of any number of rows, which it keeps in the output, LANES rows at a time. Rows
    beyond m are zeros. Barriers are between what threads write there and others read."""
    matrix = tl.program_id(0).to(INDEX)
    out += matrix * out_matrix
    beside += matrix * beside_matrix
    a += matrix * a_matrix
    lanes, j = tl.arange(0, LANES)[None, :].to(INDEX), tl.arange(0, SIZE)[:, None].to(INDEX)
    zero, one = tl.full((), 0, T), tl.full((), 1, T)
    for start in range(0, m, LANES):
        i = start + lanes
        mask = (i < m) & (j < n)
        tl.store(
            out + i * out_row + j * out_column, tl.load(a + i * a_row + j * a_column, mask=mask, other=0), mask=mask
        )
    tl.debug_barrier()
    for k in range(n):
        head = tl.load(out + k * out_row + k * out_column)
        squares = tl.full([1, LANES], 0, T)
        for start in range(0, m, LANES):
            i = start + lanes
            v = tl.load(out + i * out_row + k * out_column, mask=(i > k) & (i < m), other=0)
            squares = tl.fma(v, v, squares)
        for fold in tl.static_range(FOLDS):
            low, high = halves(squares, 1, LANES >> (fold + 1))
            squares = low + high
        size = tl.reduce(tl.reshape(squares, [1]), 0, larger)
        norm = ROOT(tl.fma(head, head, size))
        top = tl.where(head < 0, norm, norm * -1.0)
        divisor = head - top
        tau = tl.where(size == 0, zero, DIVIDE(divisor, top * -1.0))
        tl.debug_barrier()
        for start in range(0, m, LANES):
            i = start + lanes
            at, mask = out + i * out_row + k * out_column, (i > k) & (i < m)
            v = tl.load(at, mask=mask, other=0)
            tl.store(at, tl.where(size == 0, zero, DIVIDE(v, divisor)), mask=mask)
        tl.store(out + k * out_row + k * out_column, tl.where(size == 0, head, top))
        tl.store(beside + k * beside_row, tau)
        tl.debug_barrier()
        sums = tl.full([SIZE, LANES], 0, T)
        for start in range(0, m, LANES):
            i = start + lanes
            v = tl.load(out + i * out_row + k * out_column, mask=(i > k) & (i < m), other=0)
            v = tl.where(i == k, one, v)
            tile = tl.load(out + i * out_row + j * out_column, mask=(i < m) & (j < n), other=0)
            sums = tl.fma(v, tile, sums)
        for fold in tl.static_range(FOLDS):
            low, high = halves(sums, SIZE, LANES >> (fold + 1))
            sums = low + high
        factor = tau * sums * -1.0
        tl.debug_barrier()
        for start in range(0, m, LANES):
            i = start + lanes
            v = tl.load(out + i * out_row + k * out_column, mask=(i > k) & (i < m), other=0)
            v = tl.where(i == k, one, v)
            at, mask = out + i * out_row + j * out_column, (i >= k) & (i < m) & (j > k) & (j < n) & (size != 0)
            tile = tl.load(at, mask=mask, other=0)
            tl.store(at, tl.fma(v, factor, tile), mask=mask)
        tl.debug_barrier()


@triton.jit
def solve(
    out, a, b, n, columns, tiles, out_matrix, out_row, out_column, a_matrix, a_row, a_column,
    b_matrix, b_row, b_column,
    DIVIDE: tl.constexpr, UNIT: tl.constexpr, T: tl.constexpr, BITS: tl.constexpr, SIZE: tl.constexpr,
    WIDTH: tl.constexpr, INDEX: tl.constexpr,
):  # fmt: skip
    """A program instance has WIDTH right-hand sides."""
    group = tl.program_id(0).to(INDEX)
    matrix = group // tiles
    place = tl.arange(0, SIZE)
    i = place[:, None]
    column = group % tiles * WIDTH + tl.arange(0, WIDTH)[None, :].to(INDEX)
    there = (i < n) & (column < columns)
    x = tl.load(b + matrix * b_matrix + i.to(INDEX) * b_row + column * b_column, mask=there, other=0)
    triangle = a + matrix * a_matrix
    nothing = tl.full((), 0, BITS)
    for k in range(n):
        row = tl.reduce(tl.where(i == k, x.to(BITS, bitcast=True), nothing), 0, either).to(T, bitcast=True)
        if not UNIT:
            row = DIVIDE(row, tl.load(triangle + k * a_row + k * a_column))
        row = row[None, :]
        at = triangle + i.to(INDEX) * a_row + k * a_column
        factor = tl.load(at, mask=(i > k) & (i < n), other=0)
        x = tl.where(i > k, tl.fma(factor * -1.0, row, x), tl.where(i == k, row, x))
    tl.store(out + matrix * out_matrix + i.to(INDEX) * out_row + column * out_column, x, mask=there)

"""Factorisations of blocks of complex numbers, whose parts are matrices of their own: factor.py in pairs. What is one
fma of real numbers is four (docs/numerics.md, rule 7)."""

import triton
import triton.language as tl

from accel.kernels.triton.device.factor import either, larger, smaller
from accel.kernels.triton.device.reduce import halves


@triton.jit
def plus(a, b, c, d, e, f):
    """e + fi plus the product of a + bi, as [[a, -b], [b, a]], and c + di."""
    return tl.fma(b * -1.0, d, tl.fma(a, c, e)), tl.fma(a, d, tl.fma(b, c, f))


@triton.jit
def over(a, b, c, d, DIVIDE: tl.constexpr):
    """(a + bi) / (c + di), both turned by -i where d is the larger one, so that the quotient of c and d is small."""
    turned = tl.abs(d) > tl.abs(c)
    first, second = tl.where(turned, d, c), tl.where(turned, c * -1.0, d)
    re, im = tl.where(turned, b, a), tl.where(turned, a * -1.0, b)
    ratio = DIVIDE(second, first)
    size = tl.fma(second, ratio, first)
    return DIVIDE(tl.fma(im, ratio, re), size), DIVIDE(tl.fma(re * -1.0, ratio, im), size)


@triton.jit
def taken(x, mask, AXIS: tl.constexpr, T: tl.constexpr, BITS: tl.constexpr):
    """The one element along an axis where the mask is, as it is to the bit."""
    nothing = tl.full((), 0, BITS)
    return tl.reduce(tl.where(mask, x.to(BITS, bitcast=True), nothing), AXIS, either).to(T, bitcast=True)


@triton.jit
def cholesky(
    out, out_im, a, a_im, n, out_matrix, out_row, out_column, out_im_matrix, out_im_row, out_im_column,
    a_matrix, a_row, a_column, a_im_matrix, a_im_row, a_im_column,
    DIVIDE: tl.constexpr, ROOT: tl.constexpr, T: tl.constexpr, BITS: tl.constexpr, SIZE: tl.constexpr,
    INDEX: tl.constexpr,
):  # fmt: skip
    """A program instance has a block, of which the lower triangle is what counts."""
    matrix = tl.program_id(0).to(INDEX)
    place = tl.arange(0, SIZE)
    i, j = place[:, None], place[None, :]
    low = (i < n) & (j <= i)
    row, column = i.to(INDEX), j.to(INDEX)
    x = tl.load(a + matrix * a_matrix + row * a_row + column * a_column, mask=low, other=0)
    y = tl.load(a_im + matrix * a_im_matrix + row * a_im_row + column * a_im_column, mask=low, other=0)
    result, result_im = tl.full([SIZE, SIZE], 0, T), tl.full([SIZE, SIZE], 0, T)
    for k in range(n):
        re, im = taken(x, j == k, 1, T, BITS), taken(y, j == k, 1, T, BITS)
        root = ROOT(taken(re, place == k, 0, T, BITS))
        re, im = DIVIDE(re, root)[:, None], DIVIDE(im, root)[:, None]
        across, across_im = taken(re, i == j, 0, T, BITS)[None, :], taken(im, i == j, 0, T, BITS)[None, :]
        below = (j == k) & (i > k)
        result = tl.where(below, re, tl.where((j == k) & (i == k), root, result))
        result_im = tl.where(below, im, result_im)
        made, made_im = plus(re, im, across * -1.0, across_im, x, y)
        rest = (i > k) & (j > k)
        x, y = tl.where(rest, made, x), tl.where(rest, made_im, y)
    there = (i < n) & (j < n)
    tl.store(out + matrix * out_matrix + row * out_row + column * out_column, result, mask=there)
    at = out_im + matrix * out_im_matrix + row * out_im_row + column * out_im_column
    tl.store(at, result_im, mask=there)


@triton.jit
def lu(
    out, out_im, order, a, a_im, m, n, steps, out_matrix, out_row, out_column, out_im_matrix, out_im_row,
    out_im_column, order_matrix, order_row, a_matrix, a_row, a_column, a_im_matrix, a_im_row, a_im_column,
    DIVIDE: tl.constexpr, BITS: tl.constexpr, MAGNITUDE: tl.constexpr, SIZE: tl.constexpr, ROWS: tl.constexpr,
    INDEX: tl.constexpr,
):  # fmt: skip
    """A program instance has a block of any number of rows, which it keeps in the output. Barriers are between what
    threads write there and others read."""
    matrix = tl.program_id(0).to(INDEX)
    out += matrix * out_matrix
    out_im += matrix * out_im_matrix
    order += matrix * order_matrix
    a += matrix * a_matrix
    a_im += matrix * a_im_matrix
    rows, j = tl.arange(0, ROWS).to(INDEX), tl.arange(0, SIZE).to(INDEX)
    across, within = j[None, :], (j < n)[None, :]
    nan, none = tl.full((), MAGNITUDE, BITS), tl.full((), -1, BITS)
    for start in range(0, m, ROWS):
        i = start + rows
        mask = (i < m)[:, None] & within
        tile = tl.load(a + i[:, None] * a_row + across * a_column, mask=mask, other=0)
        tl.store(out + i[:, None] * out_row + across * out_column, tile, mask=mask)
        tile = tl.load(a_im + i[:, None] * a_im_row + across * a_im_column, mask=mask, other=0)
        tl.store(out_im + i[:, None] * out_im_row + across * out_im_column, tile, mask=mask)
        tl.store(order + i * order_row, i.to(tl.int64), mask=i < m)
    tl.debug_barrier()
    for k in range(steps):
        best, where = tl.full([ROWS], -1, BITS), rows
        for start in range(0, m, ROWS):
            i = start + rows
            mask = (i >= k) & (i < m)
            re = tl.load(out + i * out_row + k * out_column, mask=mask, other=0)
            im = tl.load(out_im + i * out_im_row + k * out_im_column, mask=mask, other=0)
            size = tl.abs(re) + tl.abs(im)
            mine = tl.where(size == size, size.to(BITS, bitcast=True), nan)
            mine = tl.where(mask, mine, none)
            more = mine > best
            best, where = tl.where(more, mine, best), tl.where(more, i, where)
        most = tl.reduce(best, 0, larger)
        pivot = tl.reduce(tl.where(best == most, where, rows * 0 + m), 0, smaller)
        to, source = out + k * out_row + j * out_column, out + pivot * out_row + j * out_column
        kept, row = tl.load(to, mask=j < n, other=0), tl.load(source, mask=j < n, other=0)
        to_im = out_im + k * out_im_row + j * out_im_column
        source_im = out_im + pivot * out_im_row + j * out_im_column
        kept_im, row_im = tl.load(to_im, mask=j < n, other=0), tl.load(source_im, mask=j < n, other=0)
        first, second = tl.load(order + k * order_row), tl.load(order + pivot * order_row)
        tl.debug_barrier()
        tl.store(to, row, mask=j < n)
        tl.store(source, kept, mask=j < n)
        tl.store(to_im, row_im, mask=j < n)
        tl.store(source_im, kept_im, mask=j < n)
        tl.store(order + k * order_row, second)
        tl.store(order + pivot * order_row, first)
        tl.debug_barrier()
        c, d = tl.load(out + k * out_row + k * out_column), tl.load(out_im + k * out_im_row + k * out_im_column)
        some = (c != 0) | (d != 0)
        for start in range(0, m, ROWS):
            i = start + rows
            below = (i > k) & (i < m)
            mask = below[:, None] & within
            at = out + i[:, None] * out_row + across * out_column
            at_im = out_im + i[:, None] * out_im_row + across * out_im_column
            re = tl.load(out + i * out_row + k * out_column, mask=below, other=0)
            im = tl.load(out_im + i * out_im_row + k * out_im_column, mask=below, other=0)
            tile, tile_im = tl.load(at, mask=mask, other=0), tl.load(at_im, mask=mask, other=0)
            divided, divided_im = over(re, im, c, d, DIVIDE)
            re, im = tl.where(some, divided, re)[:, None], tl.where(some, divided_im, im)[:, None]
            made, made_im = plus(re, im, row[None, :] * -1.0, row_im[None, :] * -1.0, tile, tile_im)
            tile = tl.where(across > k, made, tl.where(across == k, re, tile))
            tile_im = tl.where(across > k, made_im, tl.where(across == k, im, tile_im))
            tl.debug_barrier()
            tl.store(at, tile, mask=mask)
            tl.store(at_im, tile_im, mask=mask)
        tl.debug_barrier()


@triton.jit
def qr(
    out, out_im, beside, a, a_im, m, n, out_matrix, out_row, out_column, out_im_matrix, out_im_row, out_im_column,
    beside_matrix, beside_row, a_matrix, a_row, a_column, a_im_matrix, a_im_row, a_im_column,
    DIVIDE: tl.constexpr, ROOT: tl.constexpr, T: tl.constexpr, SIZE: tl.constexpr, LANES: tl.constexpr,
    FOLDS: tl.constexpr, INDEX: tl.constexpr,
):  # fmt: skip
    """A program instance has a block of any number of rows, which it keeps in the output, LANES rows at a time. Rows
    beyond m are zeros. Barriers are between what threads write there and others read."""
    matrix = tl.program_id(0).to(INDEX)
    out += matrix * out_matrix
    out_im += matrix * out_im_matrix
    beside += matrix * beside_matrix
    a += matrix * a_matrix
    a_im += matrix * a_im_matrix
    lanes, j = tl.arange(0, LANES)[None, :].to(INDEX), tl.arange(0, SIZE)[:, None].to(INDEX)
    zero, one = tl.full((), 0, T), tl.full((), 1, T)
    for start in range(0, m, LANES):
        i = start + lanes
        mask = (i < m) & (j < n)
        tile = tl.load(a + i * a_row + j * a_column, mask=mask, other=0)
        tl.store(out + i * out_row + j * out_column, tile, mask=mask)
        tile = tl.load(a_im + i * a_im_row + j * a_im_column, mask=mask, other=0)
        tl.store(out_im + i * out_im_row + j * out_im_column, tile, mask=mask)
    tl.debug_barrier()
    for k in range(n):
        re = tl.load(out + k * out_row + k * out_column)
        im = tl.load(out_im + k * out_im_row + k * out_im_column)
        squares = tl.full([1, LANES], 0, T)
        for start in range(0, m, LANES):
            i = start + lanes
            mask = (i > k) & (i < m)
            v = tl.load(out + i * out_row + k * out_column, mask=mask, other=0)
            w = tl.load(out_im + i * out_im_row + k * out_im_column, mask=mask, other=0)
            squares = tl.fma(w, w, tl.fma(v, v, squares))
        for fold in tl.static_range(FOLDS):
            low, high = halves(squares, 1, LANES >> (fold + 1))
            squares = low + high
        total = tl.reduce(tl.reshape(squares, [1]), 0, larger)
        square = tl.fma(im, im, re * re)
        head, norm = ROOT(square), ROOT(square + total)
        size = head + norm
        e = tl.where(head == 0, one, DIVIDE(re, head))
        f = tl.where(head == 0, zero, DIVIDE(im, head))
        tau = tl.where(total == 0, zero, DIVIDE(size, norm))
        tl.debug_barrier()
        for start in range(0, m, LANES):
            i = start + lanes
            mask = (i > k) & (i < m)
            at, at_im = out + i * out_row + k * out_column, out_im + i * out_im_row + k * out_im_column
            v, w = tl.load(at, mask=mask, other=0), tl.load(at_im, mask=mask, other=0)
            turned, turned_im = tl.fma(w, f, v * e), tl.fma(v * -1.0, f, w * e)
            tl.store(at, tl.where(total == 0, zero, DIVIDE(turned, size)), mask=mask)
            tl.store(at_im, tl.where(total == 0, zero, DIVIDE(turned_im, size)), mask=mask)
        tl.store(out + k * out_row + k * out_column, tl.where(total == 0, re, e * norm * -1.0))
        tl.store(out_im + k * out_im_row + k * out_im_column, tl.where(total == 0, im, f * norm * -1.0))
        tl.store(beside + k * beside_row, tau)
        tl.debug_barrier()
        sums, sums_im = tl.full([SIZE, LANES], 0, T), tl.full([SIZE, LANES], 0, T)
        for start in range(0, m, LANES):
            i = start + lanes
            mask, within = (i > k) & (i < m), (i < m) & (j < n)
            v = tl.load(out + i * out_row + k * out_column, mask=mask, other=0)
            v = tl.where(i == k, one, v)
            w = tl.load(out_im + i * out_im_row + k * out_im_column, mask=mask, other=0)
            x = tl.load(out + i * out_row + j * out_column, mask=within, other=0)
            y = tl.load(out_im + i * out_im_row + j * out_im_column, mask=within, other=0)
            sums, sums_im = plus(v, w * -1.0, x, y, sums, sums_im)
        for fold in tl.static_range(FOLDS):
            low, high = halves(sums, SIZE, LANES >> (fold + 1))
            sums = low + high
            low, high = halves(sums_im, SIZE, LANES >> (fold + 1))
            sums_im = low + high
        factor, factor_im = tau * sums * -1.0, tau * sums_im * -1.0
        tl.debug_barrier()
        for start in range(0, m, LANES):
            i = start + lanes
            v = tl.load(out + i * out_row + k * out_column, mask=(i > k) & (i < m), other=0)
            v = tl.where(i == k, one, v)
            w = tl.load(out_im + i * out_im_row + k * out_im_column, mask=(i > k) & (i < m), other=0)
            mask = (i >= k) & (i < m) & (j > k) & (j < n) & (total != 0)
            at, at_im = out + i * out_row + j * out_column, out_im + i * out_im_row + j * out_im_column
            x, y = tl.load(at, mask=mask, other=0), tl.load(at_im, mask=mask, other=0)
            x, y = plus(v, w, factor, factor_im, x, y)
            tl.store(at, x, mask=mask)
            tl.store(at_im, y, mask=mask)
        tl.debug_barrier()


@triton.jit
def solve(
    out, out_im, a, a_im, b, b_im, n, columns, tiles, out_matrix, out_row, out_column, out_im_matrix, out_im_row,
    out_im_column, a_matrix, a_row, a_column, a_im_matrix, a_im_row, a_im_column, b_matrix, b_row, b_column,
    b_im_matrix, b_im_row, b_im_column,
    DIVIDE: tl.constexpr, UNIT: tl.constexpr, T: tl.constexpr, BITS: tl.constexpr, SIZE: tl.constexpr,
    WIDTH: tl.constexpr, INDEX: tl.constexpr,
):  # fmt: skip
    """A program instance has WIDTH right-hand sides."""
    group = tl.program_id(0).to(INDEX)
    matrix = group // tiles
    place = tl.arange(0, SIZE)
    i = place[:, None]
    row = i.to(INDEX)
    column = group % tiles * WIDTH + tl.arange(0, WIDTH)[None, :].to(INDEX)
    there = (i < n) & (column < columns)
    x = tl.load(b + matrix * b_matrix + row * b_row + column * b_column, mask=there, other=0)
    y = tl.load(b_im + matrix * b_im_matrix + row * b_im_row + column * b_im_column, mask=there, other=0)
    triangle, triangle_im = a + matrix * a_matrix, a_im + matrix * a_im_matrix
    for k in range(n):
        re, im = taken(x, i == k, 0, T, BITS), taken(y, i == k, 0, T, BITS)
        if not UNIT:
            c, d = tl.load(triangle + k * a_row + k * a_column), tl.load(triangle_im + k * a_im_row + k * a_im_column)
            re, im = over(re, im, c, d, DIVIDE)
        re, im = re[None, :], im[None, :]
        below = (i > k) & (i < n)
        below_re = tl.load(triangle + row * a_row + k * a_column, mask=below, other=0)
        below_im = tl.load(triangle_im + row * a_im_row + k * a_im_column, mask=below, other=0)
        made, made_im = plus(below_re * -1.0, below_im * -1.0, re, im, x, y)
        x = tl.where(i > k, made, tl.where(i == k, re, x))
        y = tl.where(i > k, made_im, tl.where(i == k, im, y))
    tl.store(out + matrix * out_matrix + row * out_row + column * out_column, x, mask=there)
    at = out_im + matrix * out_im_matrix + row * out_im_row + column * out_im_column
    tl.store(at, y, mask=there)

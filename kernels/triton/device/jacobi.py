"""Rows made orthogonal by Jacobi's rotations (docs/numerics.md): a program instance has one matrix, whose rows it keeps
in the output, and turns SIZE pairs of rows at a time, LANES elements of each. Barriers are between what threads write
there and others read.

A pair that is not turned has its own elements stored again. Signs change by a multiplication by -1, as in factor.py.
"""

import triton
import triton.language as tl

from accel.kernels.triton.device.reduce import halves


@triton.jit
def larger(a, b):
    """NaN before all numbers."""
    return tl.where((a != a) | (a > b), a, b)


@triton.jit
def four(a, b, c, d, SIZE: tl.constexpr, LANES: tl.constexpr):
    """(SIZE, LANES) each as (4 SIZE, LANES), so that a fold holds one tile in registers."""
    both = tl.join(tl.join(a, b), tl.join(c, d))
    return tl.reshape(tl.permute(both, [3, 2, 0, 1]), [4 * SIZE, LANES])


@triton.jit
def apart(x, SIZE: tl.constexpr):
    """Of (4 SIZE, 1) the four (SIZE, 1)."""
    left, right = tl.split(tl.permute(tl.reshape(x, [2, 2, SIZE, 1]), [2, 3, 1, 0]))
    a, b = tl.split(left)
    c, d = tl.split(right)
    return a, b, c, d


@triton.jit
def folded(x, SIZE: tl.constexpr, LANES: tl.constexpr, FOLDS: tl.constexpr):
    """(4 SIZE, 1) of (4 SIZE, LANES)."""
    for fold in tl.static_range(FOLDS):
        low, high = halves(x, 4 * SIZE, LANES >> (fold + 1))
        x = low + high
    return x


@triton.jit
def ring(place, number, pairs):
    """The row at a place of the ring that all rows but the first go round in."""
    first = tl.where(place < number, place - number + 2 * pairs - 1, place - number)
    return tl.where(first < pairs - 1, first + 1, 3 * pairs - 2 - first)


@triton.jit
def angle(a, b, product, magnitude, tolerance, least, DIVIDE: tl.constexpr, ROOT: tl.constexpr):
    """(cosine, which are turned, sine, tau) of squares of norms and products."""
    one = magnitude * 0 + 1
    none = (a < least) | (b < least)
    cosine = tl.where(none, magnitude * 0, DIVIDE(magnitude, ROOT(a) * ROOT(b)))
    turned = cosine > tolerance
    slope = DIVIDE(b - a, product + product)
    far = tl.abs(slope)
    tangent = DIVIDE(one, far + tl.where(far > 1152921504606846976.0, far, ROOT(slope * slope + 1.0)))  # 2^60
    tangent = tl.where(slope < 0, tangent * -1.0, tangent)
    c = DIVIDE(one, ROOT(tangent * tangent + 1.0))
    s = tangent * c
    return cosine, turned, s, DIVIDE(s, c + 1.0)


@triton.jit
def jacobi(
    out, beside, a, n, pairs, length, out_matrix, out_row, out_column, beside_matrix, beside_row,
    a_matrix, a_row, a_column,
    DIVIDE: tl.constexpr, ROOT: tl.constexpr, T: tl.constexpr, TOLERANCE: tl.constexpr, LEAST: tl.constexpr,
    SWEEPS: tl.constexpr, SIZE: tl.constexpr, LANES: tl.constexpr, BLOCK: tl.constexpr,
    FOLDS: tl.constexpr, INDEX: tl.constexpr,
):  # fmt: skip
    matrix = tl.program_id(0).to(INDEX)
    out += matrix * out_matrix
    a += matrix * a_matrix
    lanes, places = tl.arange(0, LANES)[None, :].to(INDEX), tl.arange(0, SIZE)[:, None].to(INDEX)
    for begin in range(0, 2 * pairs, SIZE):
        i = begin + places
        for start in range(0, n, LANES):
            j = start + lanes
            there = (i < 2 * pairs) & (j < n)
            x = tl.load(a + i * a_row + j * a_column, mask=there, other=0)
            tl.store(out + i * out_row + j * out_column, x, mask=there)
    tolerance, negligible = tl.full((), TOLERANCE, T), tl.full((), LEAST, T)
    least = ROOT(tl.full((), 0, T) + length) * tolerance
    worst = tl.full([SIZE, 1], 0, T)
    left = tl.full((), SWEEPS, tl.int32)
    while left > 0:
        worst = tl.full([SIZE, 1], 0, T)
        for number in range(2 * pairs - 1):
            tl.debug_barrier()
            for begin in range(0, pairs, SIZE):
                pair = begin + places
                mine = pair < pairs
                p = tl.where(pair == 0, 0, ring(pair - 1, number, pairs)) * out_row
                q = ring(2 * pairs - 2 - pair, number, pairs) * out_row
                sums, above = tl.full([4 * SIZE, 1], 0, T), tl.full([4 * SIZE, LANES], 0, T)
                for block in range(0, length, BLOCK):
                    nothing = tl.full([SIZE, LANES], 0, T)
                    squares, others, products = nothing, nothing, nothing
                    for start in range(block, tl.minimum(block + BLOCK, length), LANES):
                        j = start + lanes
                        there = mine & (j < length)
                        x = tl.load(out + p + j * out_column, mask=there, other=0)
                        y = tl.load(out + q + j * out_column, mask=there, other=0)
                        squares, others, products = squares + x * x, others + y * y, products + x * y
                    sums = folded(four(squares, others, products, nothing, SIZE, LANES), SIZE, LANES, FOLDS)
                    above = tl.where(lanes == block // BLOCK % LANES, above + sums, above)
                if length > BLOCK:
                    sums = folded(above, SIZE, LANES, FOLDS)
                aa, bb, ab, _ = apart(sums, SIZE)
                cosine, turned, s, tau = angle(aa, bb, ab, tl.abs(ab), tolerance, negligible, DIVIDE, ROOT)
                worst = tl.where(mine, larger(cosine, worst), worst)
                tl.debug_barrier()
                for start in range(0, n, LANES):
                    j = start + lanes
                    there = mine & turned & (j < n)
                    x = tl.load(out + p + j * out_column, mask=there, other=0)
                    y = tl.load(out + q + j * out_column, mask=there, other=0)
                    tl.store(out + p + j * out_column, x - s * (y + tau * x), mask=there)
                    tl.store(out + q + j * out_column, y + s * (x - tau * y), mask=there)
        most = tl.reduce(tl.reshape(worst, [SIZE]), 0, larger)
        tl.store(beside + matrix * beside_matrix, most)
        left = tl.where(most > least, left - 1, 0)


@triton.jit
def jacobi_pairs(
    out, out_im, beside, a, a_im, n, pairs, length, out_matrix, out_row, out_column, out_im_matrix, out_im_row,
    out_im_column, beside_matrix, beside_row, a_matrix, a_row, a_column, a_im_matrix, a_im_row, a_im_column,
    DIVIDE: tl.constexpr, ROOT: tl.constexpr, HYPOT: tl.constexpr, T: tl.constexpr, TOLERANCE: tl.constexpr,
    LEAST: tl.constexpr, HIGH: tl.constexpr, LOW: tl.constexpr, DOWN: tl.constexpr, UP: tl.constexpr,
    SWEEPS: tl.constexpr, SIZE: tl.constexpr, LANES: tl.constexpr, BLOCK: tl.constexpr,
    FOLDS: tl.constexpr, INDEX: tl.constexpr,
):  # fmt: skip
    """Of complex numbers. The lower rows are turned first, so that the products are real."""
    matrix = tl.program_id(0).to(INDEX)
    out += matrix * out_matrix
    out_im += matrix * out_im_matrix
    a += matrix * a_matrix
    a_im += matrix * a_im_matrix
    lanes, places = tl.arange(0, LANES)[None, :].to(INDEX), tl.arange(0, SIZE)[:, None].to(INDEX)
    for begin in range(0, 2 * pairs, SIZE):
        i = begin + places
        for start in range(0, n, LANES):
            j = start + lanes
            there = (i < 2 * pairs) & (j < n)
            x = tl.load(a + i * a_row + j * a_column, mask=there, other=0)
            y = tl.load(a_im + i * a_im_row + j * a_im_column, mask=there, other=0)
            tl.store(out + i * out_row + j * out_column, x, mask=there)
            tl.store(out_im + i * out_im_row + j * out_im_column, y, mask=there)
    tolerance, negligible = tl.full((), TOLERANCE, T), tl.full((), LEAST, T)
    least = ROOT(tl.full((), 0, T) + length) * tolerance
    worst = tl.full([SIZE, 1], 0, T)
    left = tl.full((), SWEEPS, tl.int32)
    while left > 0:
        worst = tl.full([SIZE, 1], 0, T)
        for number in range(2 * pairs - 1):
            tl.debug_barrier()
            for begin in range(0, pairs, SIZE):
                pair = begin + places
                mine = pair < pairs
                p = tl.where(pair == 0, 0, ring(pair - 1, number, pairs))
                q = ring(2 * pairs - 2 - pair, number, pairs)
                sums, above = tl.full([4 * SIZE, 1], 0, T), tl.full([4 * SIZE, LANES], 0, T)
                for block in range(0, length, BLOCK):
                    squares = tl.full([SIZE, LANES], 0, T)
                    others, reals, turns = squares, squares, squares
                    for start in range(block, tl.minimum(block + BLOCK, length), LANES):
                        j = start + lanes
                        there = mine & (j < length)
                        x = tl.load(out + p * out_row + j * out_column, mask=there, other=0)
                        v = tl.load(out_im + p * out_im_row + j * out_im_column, mask=there, other=0)
                        y = tl.load(out + q * out_row + j * out_column, mask=there, other=0)
                        w = tl.load(out_im + q * out_im_row + j * out_im_column, mask=there, other=0)
                        squares, others = squares + (x * x + v * v), others + (y * y + w * w)
                        reals, turns = reals + (x * y + v * w), turns + (v * y - x * w)
                    sums = folded(four(squares, others, reals, turns, SIZE, LANES), SIZE, LANES, FOLDS)
                    above = tl.where(lanes == block // BLOCK % LANES, above + sums, above)
                if length > BLOCK:
                    sums = folded(above, SIZE, LANES, FOLDS)
                aa, bb, re, im = apart(sums, SIZE)
                product = HYPOT(re, im)
                cosine, turned, s, tau = angle(aa, bb, product, product, tolerance, negligible, DIVIDE, ROOT)
                worst = tl.where(mine, larger(cosine, worst), worst)
                high, low = tl.maximum(tl.abs(re), tl.abs(im)), tl.full((), LOW, T)
                scale = tl.where(high < low, tl.full((), UP, T), tl.full((), 1, T))
                scale = tl.where(high > tl.full((), HIGH, T), tl.full((), DOWN, T), scale)
                re, im = re * scale * scale, im * scale * scale
                norm = HYPOT(re, im)
                e, f = DIVIDE(re, norm), DIVIDE(im, norm)
                tl.debug_barrier()
                for start in range(0, n, LANES):
                    j = start + lanes
                    there = mine & turned & (j < n)
                    x = tl.load(out + p * out_row + j * out_column, mask=there, other=0)
                    v = tl.load(out_im + p * out_im_row + j * out_im_column, mask=there, other=0)
                    y = tl.load(out + q * out_row + j * out_column, mask=there, other=0)
                    w = tl.load(out_im + q * out_im_row + j * out_im_column, mask=there, other=0)
                    y, w = y * e - w * f, y * f + w * e
                    tl.store(out + p * out_row + j * out_column, x - s * (y + tau * x), mask=there)
                    tl.store(out + q * out_row + j * out_column, y + s * (x - tau * y), mask=there)
                    tl.store(out_im + p * out_im_row + j * out_im_column, v - s * (w + tau * v), mask=there)
                    tl.store(out_im + q * out_im_row + j * out_im_column, w + s * (v - tau * w), mask=there)
        most = tl.reduce(tl.reshape(worst, [SIZE]), 0, larger)
        tl.store(beside + matrix * beside_matrix, most)
        left = tl.where(most > least, left - 1, 0)

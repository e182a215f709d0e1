"""Attention by an online softmax (docs/numerics.md, rule 8): a program instance has a tile of queries of one sequence
and head, and goes through the keys in blocks of LANES and chunks of CHUNK.

A column of probabilities is taken out as bits among zeros; the sign bit says that a query does not see the key.
"""

import triton
import triton.language as tl

from accel.kernels.triton.device.factor import either
from accel.kernels.triton.device.nan import no_nan
from accel.kernels.triton.device.reduce import halves


@triton.jit
def larger(a, b):
    """The larger one; NaN before every number."""
    return tl.where((b > a) | (b != b), b, a)


@triton.jit
def score(
    query, key, there, keys, beyond, d, query_column, key_row, key_column, distance, mask, mask_column, slope,
    WIDEN: tl.constexpr, LOAD_MASK: tl.constexpr, DIVIDE: tl.constexpr, TANH: tl.constexpr, MASK: tl.constexpr,
    SLOPES: tl.constexpr, SCALE: tl.constexpr, CAP: tl.constexpr, NOTHING: tl.constexpr, T: tl.constexpr,
    ROWS: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    """Scores (ROWS, LANES) of a block; keys: which of them there are."""
    s = tl.full([ROWS, LANES], 0, T)
    for c in range(d):
        q = WIDEN(tl.load(query + c * query_column, mask=there, other=0))
        k = WIDEN(tl.load(key + c * key_column, mask=beyond, other=0))
        s = tl.fma(q[:, None], k[None, :], s)
    s = s * tl.full((), SCALE, T)
    if CAP != 0:
        cap = tl.full([ROWS, LANES], CAP, T)
        s = TANH(DIVIDE(s, cap)) * cap
    if SLOPES:
        far = tl.where(distance < 0, distance, distance * -1).to(T)
        s = tl.fma(tl.full([ROWS, LANES], 0, T) + slope, far, s)
    if MASK == 1:
        seen = tl.load(mask + keys[None, :] * mask_column, mask=there[:, None] & beyond[None, :], other=0)
        s = tl.where(seen != 0, s, tl.full((), NOTHING, T))
    if MASK == 2:
        more = tl.load(mask + keys[None, :] * mask_column, mask=there[:, None] & beyond[None, :], other=0)
        s = s + LOAD_MASK(more)
    return s


@triton.jit
def attention(
    out, query, key, value, others, queries, keys, d, dv, heads, shared, tiles, out_strides, query_strides,
    key_strides, value_strides, mask_strides, steps, before, after,
    WIDEN: tl.constexpr, NARROW: tl.constexpr, LOAD_MASK: tl.constexpr, DIVIDE: tl.constexpr, EXP: tl.constexpr,
    TANH: tl.constexpr, MASK: tl.constexpr, SINKS: tl.constexpr, SLOPES: tl.constexpr, STARTS: tl.constexpr,
    LENGTHS: tl.constexpr, FROM_END: tl.constexpr, BEFORE: tl.constexpr, AFTER: tl.constexpr, SCALE: tl.constexpr,
    CAP: tl.constexpr, NOTHING: tl.constexpr, T: tl.constexpr, BITS: tl.constexpr, ROWS: tl.constexpr,
    WIDTH: tl.constexpr, LANES: tl.constexpr, FOLDS: tl.constexpr, CHUNK: tl.constexpr, INDEX: tl.constexpr,
    REPAIR: tl.constexpr,
):  # fmt: skip
    """SINKS, SLOPES, STARTS, LENGTHS: places among the other operands, of which a mask is the first; -1: none. steps:
    their strides. BEFORE, AFTER: whether the window ends there. REPAIR: only tiles in which the output holds a NaN."""
    group = tl.program_id(0).to(INDEX)
    tile, group = group % tiles, group // tiles
    h, b = group % heads, group // heads
    start, length = tl.full((), 0, INDEX), tl.full((), 0, INDEX) + keys
    if STARTS >= 0:
        first = tl.load(others[STARTS] + b * steps[0])
        first = tl.where(first < 0, first * 0, first)
        start = tl.where(first > keys, first * 0 + keys, first).to(INDEX)
        length = length - start
    if LENGTHS >= 0:
        count = tl.load(others[LENGTHS] + b * steps[1])
        count = tl.where(count < 0, count * 0, count)
        length = tl.where(count > length, count * 0 + length, count).to(INDEX)
    origin = start * 0
    if FROM_END:
        origin = length - queries
    row = tile * ROWS + tl.arange(0, ROWS).to(INDEX)
    there = row < queries
    place = row + origin
    earliest, latest = (
        tile * ROWS + origin,
        tl.where(tile * ROWS + ROWS < queries, tile * ROWS + ROWS, queries) + origin,
    )
    low, high = origin * 0, length
    if BEFORE:
        low = tl.where(earliest > before, earliest - before, low)
    if AFTER:
        high = tl.where(latest + after < length, latest + after, length)
    lanes, column = tl.arange(0, LANES).to(INDEX), tl.arange(0, WIDTH).to(INDEX)
    its = h // shared
    query += b * query_strides[0] + h * query_strides[1] + row * query_strides[2]
    out += b * out_strides[0] + h * out_strides[1] + row[:, None] * out_strides[2] + column[None, :] * out_strides[3]
    if REPAIR:
        found = WIDEN(tl.load(out, mask=there[:, None] & (column < dv)[None, :], other=0))
        if no_nan(found, ROWS * WIDTH):
            return
    key += b * key_strides[0] + its * key_strides[1] + start * key_strides[2]
    value += b * value_strides[0] + its * value_strides[1] + start * value_strides[2] + column * value_strides[3]
    mask = query
    if MASK:
        mask = others[0] + (b * mask_strides[0] + h * mask_strides[1] + row[:, None] * mask_strides[2])
        mask += start * mask_strides[3]
    slope = tl.full((), 0, T)
    if SLOPES >= 0:
        slope = tl.load(others[SLOPES] + h * steps[3])
    nothing, nil, minus = tl.full((), NOTHING, T), tl.full((), 0, T), tl.full((), -0.0, T)
    most, total = tl.full([ROWS], NOTHING, T), tl.full([ROWS], 0, T)
    acc = tl.full([ROWS, WIDTH], 0, T)
    for chunk in range(low // CHUNK * CHUNK, high, CHUNK):
        its_most, its_total = tl.full([ROWS], NOTHING, T), tl.full([ROWS], 0, T)
        part = tl.full([ROWS, WIDTH], 0, T)
        end = tl.where(chunk + CHUNK < high, chunk + CHUNK, high)
        begin = tl.where(chunk < low, low // LANES * LANES, chunk)
        for at in range(begin, end, LANES):
            k = at + lanes
            beyond = k < length
            distance = k[None, :] - place[:, None]
            s = score(
                query, key + k * key_strides[2], there, k, beyond, d, query_strides[3], key_strides[2], key_strides[3],
                distance, mask, mask_strides[3], slope, WIDEN, LOAD_MASK, DIVIDE, TANH, MASK, SLOPES >= 0, SCALE, CAP,
                NOTHING, T, ROWS, LANES,
            )  # fmt: skip
            seen = there[:, None] & beyond[None, :]
            if BEFORE:
                seen = seen & (distance + before >= 0)
            if AFTER:
                seen = seen & (distance <= after)
            s = tl.where(seen, s, nothing)
            top = larger(its_most, tl.reduce(s, 1, larger))
            shift = tl.where(top == nothing, nil, top)
            p = tl.where(s == nothing, minus, EXP(s - shift[:, None]))
            factor = tl.where(top == its_most, nil + 1.0, EXP(its_most - shift))
            bits = p.to(BITS, bitcast=True)
            for fold in tl.static_range(FOLDS):
                left, right = halves(p, ROWS, LANES >> (fold + 1))
                p = left + right
            its_total = tl.fma(its_total, factor, tl.reshape(p, [ROWS]))
            its_most = top
            part = part * factor[:, None]
            for j in range(tl.where(at + LANES < end, LANES, end - at)):
                mine = tl.reduce(tl.where(lanes[None, :] == j, bits, tl.full((), 0, BITS)), 1, either)
                v = WIDEN(tl.load(value + (at + j) * value_strides[2], mask=column < dv, other=0))
                more = tl.fma(mine.to(T, bitcast=True)[:, None], v[None, :], part)
                part = tl.where((mine >= 0)[:, None], more, part)
        top = larger(most, its_most)
        some = its_most != nothing
        old, now = tl.where(some, EXP(most - top), nil + 1.0), tl.where(some, EXP(its_most - top), nil)
        total = tl.fma(total, old, its_total * now)
        acc = tl.fma(acc, old[:, None], part * now[:, None])
        most = top
    if SINKS >= 0:
        sink = tl.full([ROWS], 0, T) + tl.load(others[SINKS] + h * steps[2])
        top = larger(most, sink)
        some = sink != nothing
        factor = tl.where(some, EXP(most - top), nil + 1.0)
        total = tl.where(some, tl.fma(total, factor, EXP(sink - top)), total)
        acc = acc * factor[:, None]
        most = top
    result = DIVIDE(acc, tl.broadcast_to(total[:, None], [ROWS, WIDTH]))
    result = tl.where((most == nothing)[:, None] | (result == 0), nil, result)
    tl.store(out, NARROW(result), mask=there[:, None] & (column < dv)[None, :])

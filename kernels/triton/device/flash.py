"""Attention on matrix units, for modes that promise a bound: a program instance has a tile of rows, which are queries
of all heads that share keys, and goes through their keys once, or through one chunk of them, as the canonical kernel
does (accel.kernels.triton.device.attention). Exponentials are of base 2, by hardware.

A key that a query does not see has the weight 0. Where its value is no number, that makes the result none; then the
canonical kernel, which skips it, is to follow (`repaired` in accel.kernels.triton.device.attention).
"""

import triton
import triton.language as tl

from accel.kernels.triton.device.attention import larger
from accel.kernels.triton.device.index import instance


@triton.jit
def plus(a, b):
    return a + b


@triton.jit
def flash(
    out, query, key, value, others, states, queries, keys, d, dv, few, shared, tiles, splits, out_strides,
    query_strides, key_strides, value_strides, mask_strides, steps, before, after,
    NARROW: tl.constexpr, LOAD_MASK: tl.constexpr, TANH: tl.constexpr, MASK: tl.constexpr, SINKS: tl.constexpr,
    SLOPES: tl.constexpr, STARTS: tl.constexpr, LENGTHS: tl.constexpr, FROM_END: tl.constexpr, BEFORE: tl.constexpr,
    AFTER: tl.constexpr, SCALE: tl.constexpr, CAP: tl.constexpr, NOTHING: tl.constexpr, LOG2E: tl.constexpr,
    PRECISION: tl.constexpr, ROWS: tl.constexpr, KEYS: tl.constexpr, D: tl.constexpr, WIDTH: tl.constexpr,
    CHUNK: tl.constexpr, SPLIT: tl.constexpr, DIES: tl.constexpr, INDEX: tl.constexpr,
):  # fmt: skip
    """SINKS, SLOPES, STARTS, LENGTHS, BEFORE, AFTER, SPLIT: as in the canonical kernel. few, shared: heads of keys,
    and of queries to each. Row r of a head of keys is query r // shared of its head r % shared. SCALE: with LOG2E where
    nothing stands between the product and the exponential."""
    group = instance(DIES, INDEX)
    turn = group * 0
    if SPLIT:
        turn, group = group % splits, group // splits
    tile, group = group % tiles, group // tiles
    its, b = group % few, group // few
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
    number = tile * ROWS + tl.arange(0, ROWS).to(INDEX)
    row, h = number // shared, its * shared + number % shared
    there = row < queries
    place = row + origin
    low, high = origin * 0, length
    if BEFORE:
        earliest = tile * ROWS // shared + origin - before
        low = tl.where(earliest > 0, earliest // KEYS * KEYS, low)
    if AFTER:
        latest = (tile * ROWS + ROWS - 1) // shared + 1
        latest = tl.where(latest < queries, latest, queries) + origin + after
        high = tl.where(latest < length, latest, length)
    depth, column, lanes = tl.arange(0, D).to(INDEX), tl.arange(0, WIDTH).to(INDEX), tl.arange(0, KEYS).to(INDEX)
    query += b * query_strides[0] + h[:, None] * query_strides[1] + row[:, None] * query_strides[2]
    q = tl.load(query + depth[None, :] * query_strides[3], mask=there[:, None] & (depth < d)[None, :], other=0)
    key += b * key_strides[0] + its * key_strides[1] + start * key_strides[2] + depth[:, None] * key_strides[3]
    value += (
        b * value_strides[0] + its * value_strides[1] + start * value_strides[2] + column[None, :] * value_strides[3]
    )
    if MASK:
        mask = others[0] + (b * mask_strides[0] + start * mask_strides[3])
        mask += h[:, None] * mask_strides[1] + row[:, None] * mask_strides[2]
    nothing, nil = tl.full((), NOTHING, tl.float32), tl.full((), 0, tl.float32)
    most, total = tl.full([ROWS], NOTHING, tl.float32), tl.full([ROWS], 0, tl.float32)
    acc = tl.full([ROWS, WIDTH], 0, tl.float32)
    if SPLIT:
        chunk = low // CHUNK * CHUNK + turn * CHUNK
        low = tl.where(chunk > low, chunk, low)
        high = tl.where(chunk + CHUNK < high, chunk + CHUNK, high)
    for at in range(low, high, KEYS):
        k = at + lanes
        beyond = k < length
        right = tl.load(key + k[None, :] * key_strides[2], mask=(depth < d)[:, None] & beyond[None, :], other=0)
        s = tl.full([ROWS, KEYS], 0, tl.float32)
        s = tl.dot(q, right, s, input_precision=PRECISION) * SCALE
        distance = k[None, :] - place[:, None]
        if CAP != 0:
            s = TANH(s / CAP) * CAP
        if SLOPES >= 0:
            slope = tl.load(others[SLOPES] + h * steps[3], mask=there, other=0)
            s = s - slope[:, None] * tl.where(distance < 0, distance * -1, distance).to(tl.float32)
        seen = there[:, None] & beyond[None, :]
        if MASK == 1:
            seen = seen & (tl.load(mask + k[None, :] * mask_strides[3], mask=seen, other=0) != 0)
        if MASK == 2:
            s = s + LOAD_MASK(tl.load(mask + k[None, :] * mask_strides[3], mask=seen, other=0))
        if CAP != 0 or SLOPES >= 0 or MASK == 2:
            s = s * LOG2E
        if BEFORE:
            seen = seen & (distance + before >= 0)
        if AFTER:
            seen = seen & (distance <= after)
        s = tl.where(seen, s, nothing)
        top = larger(most, tl.reduce(s, 1, larger))
        shift = tl.where(top == nothing, nil, top)
        p = tl.exp2(s - shift[:, None])
        factor = tl.exp2(most - shift)
        total = total * factor + tl.reduce(p, 1, plus)
        more = tl.load(value + k[:, None] * value_strides[2], mask=beyond[:, None] & (column < dv)[None, :], other=0)
        acc = tl.dot(p.to(more.dtype), more, acc * factor[:, None], input_precision=PRECISION)
        most = top
    line = b * out_strides[0] + h * out_strides[1] + row * out_strides[2]
    within = there[:, None] & (column < dv)[None, :]
    if SPLIT:
        line += turn
        tl.store(states[0] + line * 2, most, mask=there)
        tl.store(states[0] + line * 2 + 1, total, mask=there)
        tl.store(out + (line * dv)[:, None] + column[None, :], acc, mask=within & (most != nothing)[:, None])
    else:
        if SINKS >= 0:
            sink = tl.load(others[SINKS] + h * steps[2], mask=there, other=0) * LOG2E
            top = larger(most, sink)
            shift = tl.where(top == nothing, nil, top)
            factor = tl.exp2(most - shift)
            total = total * factor + tl.exp2(sink - shift)
            acc = acc * factor[:, None]
            most = top
        result = acc / total[:, None]
        result = tl.where((most == nothing)[:, None] | (result == 0), nil, result)
        tl.store(out + line[:, None] + column[None, :] * out_strides[3], NARROW(result), mask=within)

"""Attention by an online softmax (docs/numerics.md, rule 8): a program instance has a tile of rows, which are queries
of all heads of a sequence that share keys, and goes through the keys in blocks of LANES and chunks of CHUNK.

Or through one chunk of them: then its state, which joining with nothing leaves as it is, goes into scratch, and `merge`
joins the chunks of a row in order.

A column of probabilities is taken out as bits among zeros; the sign bit says that a query does not see the key.
"""

import triton
import triton.language as tl

from accel.kernels.triton.device.factor import either
from accel.kernels.triton.device.index import instance
from accel.kernels.triton.device.nan import no_nan
from accel.kernels.triton.device.reduce import halves


@triton.jit
def larger(a, b):
    """The larger one; NaN before every number."""
    return tl.where((b > a) | (b != b), b, a)


@triton.jit
def score(
    query, key, there, keys, beyond, d, query_column, key_column, distance, mask, mask_column, slope,
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
        s = tl.fma(tl.full([ROWS, LANES], 0, T) + slope[:, None], far, s)
    if MASK == 1:
        seen = tl.load(mask + keys[None, :] * mask_column, mask=there[:, None] & beyond[None, :], other=0)
        s = tl.where(seen != 0, s, tl.full((), NOTHING, T))
    if MASK == 2:
        more = tl.load(mask + keys[None, :] * mask_column, mask=there[:, None] & beyond[None, :], other=0)
        s = s + LOAD_MASK(more)
    return s


@triton.jit
def apart(place, there, table, step, pages, page, first, row, PAGES: tl.constexpr):
    """How far keys, or one, are from the first one of a head. place: in the sequence, or the page; first, row: strides
    of pages and keys."""
    if PAGES:
        number = tl.load(table + place // page * step, mask=there, other=0)
        number = tl.where(number < 0, number * 0, number)
        number = tl.where(number >= pages, number * 0 + (pages - 1), number).to(place.dtype)
        return number * first + place % page * row
    return place * row


@triton.jit
def joined(most, total, acc, its_most, its_total, part, EXP: tl.constexpr, NOTHING: tl.constexpr):
    """The state of rows after a chunk: maximum, sum and accumulator."""
    top = larger(most, its_most)
    some = its_most != NOTHING
    old = tl.where(some, EXP(most - top), tl.full((), 1, most.dtype))
    now = tl.where(some, EXP(its_most - top), tl.full((), 0, most.dtype))
    return top, tl.fma(total, old, its_total * now), tl.fma(acc, old[:, None], part * now[:, None])


@triton.jit
def finished(
    most, total, acc, sink,
    DIVIDE: tl.constexpr, EXP: tl.constexpr, SINKS: tl.constexpr, DROPOUT: tl.constexpr, KEPT: tl.constexpr,
    NOTHING: tl.constexpr, T: tl.constexpr, ROWS: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """The results of rows, of their state after all chunks. sink: of each row, where there are SINKS."""
    nil = tl.full((), 0, T)
    if SINKS:
        top = larger(most, sink)
        some = sink != NOTHING
        factor = tl.where(some, EXP(most - top), nil + 1.0)
        total = tl.where(some, tl.fma(total, factor, EXP(sink - top)), total)
        acc = acc * factor[:, None]
        most = top
    result = DIVIDE(acc, tl.broadcast_to(total[:, None], [ROWS, WIDTH]))
    if DROPOUT:
        result = result * tl.full((), KEPT, T)
    return tl.where((most == NOTHING)[:, None] | (result == 0), nil, result)


@triton.jit
def merge(
    out, parts, states, sinks, queries, heads, splits, dv, sink_step, out_strides,
    NARROW: tl.constexpr, DIVIDE: tl.constexpr, EXP: tl.constexpr, SINKS: tl.constexpr, UNIT: tl.constexpr,
    DROPOUT: tl.constexpr, KEPT: tl.constexpr, NOTHING: tl.constexpr, T: tl.constexpr, WIDTH: tl.constexpr,
    INDEX: tl.constexpr,
):  # fmt: skip
    """A program instance has a row, whose chunks it joins in ascending order. parts: accumulators (rows, splits, dv);
    states: maxima and sums (rows, splits, 2). Where a maximum is NOTHING its accumulator was not written. UNIT: what a
    sink is to be multiplied by to be such a maximum."""
    number = tl.program_id(0).to(INDEX) + tl.arange(0, 1).to(INDEX)
    q, h, b = number % queries, number // queries % heads, number // queries // heads
    column = tl.arange(0, WIDTH).to(INDEX)
    within = (column < dv)[None, :]
    most, total, acc = tl.full([1], NOTHING, T), tl.full([1], 0, T), tl.full([1, WIDTH], 0, T)
    for c in range(splits):
        its = number * splits + c
        its_most = tl.load(states + its * 2)
        its_total = tl.load(states + its * 2 + 1)
        some = (its_most != NOTHING)[:, None]
        part = tl.load(parts + (its * dv)[:, None] + column[None, :], mask=some & within, other=0)
        most, total, acc = joined(most, total, acc, its_most, its_total, part, EXP, NOTHING)
    sink = most
    if SINKS:
        sink = tl.load(sinks[0] + h * sink_step) * tl.full((), UNIT, T)
    result = finished(most, total, acc, sink, DIVIDE, EXP, SINKS, DROPOUT, KEPT, NOTHING, T, 1, WIDTH)
    out += (b * out_strides[0] + h * out_strides[1] + q * out_strides[2])[:, None] + column[None, :] * out_strides[3]
    tl.store(out, NARROW(result), mask=within)


@triton.jit
def attention(
    out, query, key, value, others, states, queries, keys, d, dv, few, shared, tiles, splits, sequences, pages, page,
    dropped,
    out_strides, query_strides, key_strides, value_strides, mask_strides, steps, before, after,
    WIDEN: tl.constexpr, NARROW: tl.constexpr, LOAD_MASK: tl.constexpr, DIVIDE: tl.constexpr, EXP: tl.constexpr,
    TANH: tl.constexpr, MASK: tl.constexpr, SINKS: tl.constexpr, SLOPES: tl.constexpr, STARTS: tl.constexpr,
    LENGTHS: tl.constexpr, OFFSETS: tl.constexpr, PAGES: tl.constexpr, DROPOUT: tl.constexpr, RANDOM: tl.constexpr,
    FROM_END: tl.constexpr, BEFORE: tl.constexpr, AFTER: tl.constexpr, SCALE: tl.constexpr, CAP: tl.constexpr,
    KEPT: tl.constexpr, NOTHING: tl.constexpr, T: tl.constexpr, BITS: tl.constexpr, ROWS: tl.constexpr,
    WIDTH: tl.constexpr, LANES: tl.constexpr, FOLDS: tl.constexpr, CHUNK: tl.constexpr, DIES: tl.constexpr,
    INDEX: tl.constexpr, SPLIT: tl.constexpr, REPAIR: tl.constexpr,
):  # fmt: skip
    """Row r of a head of keys is query r // shared of its head r % shared. SINKS, SLOPES, STARTS, LENGTHS, OFFSETS,
    PAGES, DROPOUT: places among the other operands, of which a mask is the first; -1: none. steps: their strides.
    BEFORE, AFTER: whether the window ends there. SPLIT: one chunk of the splits that a tile may see, whose state goes
    to out, the accumulators as `merge` takes them, and to states, by out_strides in units of a row's chunk. REPAIR:
    only tiles in which the output holds a NaN."""
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
    first = start * 0
    if OFFSETS >= 0:  # queries: from here on those of this sequence
        begins = tl.load(others[OFFSETS] + b * steps[4])
        ends = tl.load(others[OFFSETS] + (b + 1) * steps[4])
        begins = tl.where((b == 0) | (begins < 0), begins * 0, begins)
        begins = tl.where(begins > queries, begins * 0 + queries, begins)
        ends = tl.where((b == sequences - 1) | (ends > queries), ends * 0 + queries, ends)
        ends = tl.where(ends < begins, begins, ends)
        first, queries = begins.to(INDEX), (ends - begins).to(INDEX)
    origin = start * 0
    if FROM_END:
        origin = length - queries
    number = tile * ROWS + tl.arange(0, ROWS).to(INDEX)
    row, h = number // shared, its * shared + number % shared
    there = row < queries
    place = row + origin
    latest = (tile * ROWS + ROWS - 1) // shared + 1
    earliest, latest = tile * ROWS // shared + origin, tl.where(latest < queries, latest, queries) + origin
    low, high = origin * 0, length
    if BEFORE:
        low = tl.where(earliest > before, earliest - before, low)
    if AFTER:
        high = tl.where(latest + after < length, latest + after, length)
    high = tl.where(tile * ROWS // shared < queries, high, origin * 0)
    lanes, column = tl.arange(0, LANES).to(INDEX), tl.arange(0, WIDTH).to(INDEX)
    query += b * query_strides[0] + h * query_strides[1] + (first + row) * query_strides[2]
    line = b * out_strides[0] + h * out_strides[1] + (first + row) * out_strides[2]
    if SPLIT:
        line += turn
        out += (line * dv)[:, None] + column[None, :]
    else:
        out += line[:, None] + column[None, :] * out_strides[3]
    if REPAIR:
        found = WIDEN(tl.load(out, mask=there[:, None] & (column < dv)[None, :], other=0))
        if no_nan(found, ROWS * WIDTH):
            return
    key += its * key_strides[1]
    value += its * value_strides[1] + column * value_strides[3]
    table, lead, chance = query, start, tl.full([ROWS], 0, tl.uint64)
    if PAGES >= 0:
        table = others[PAGES] + b * steps[5]
    else:
        key += b * key_strides[0] + start * key_strides[2]
        value += b * value_strides[0] + start * value_strides[2]
        lead = start * 0
    if DROPOUT >= 0:
        chance = tl.load(others[DROPOUT] + b * steps[7] + h * steps[8])
    mask = query
    if MASK:
        mask = others[0] + (b * mask_strides[0] + start * mask_strides[3])
        mask += h[:, None] * mask_strides[1] + row[:, None] * mask_strides[2]
    slope = tl.full([ROWS], 0, T)
    if SLOPES >= 0:
        slope = tl.load(others[SLOPES] + h * steps[3])
    nothing, nil, minus = tl.full((), NOTHING, T), tl.full((), 0, T), tl.full((), -0.0, T)
    most, total = tl.full([ROWS], NOTHING, T), tl.full([ROWS], 0, T)
    acc = tl.full([ROWS, WIDTH], 0, T)
    opening = low // CHUNK * CHUNK + turn * CHUNK
    if SPLIT:
        high = tl.where(opening + CHUNK < high, opening + CHUNK, high)
    for chunk in range(opening, high, CHUNK):
        its_most, its_total = tl.full([ROWS], NOTHING, T), tl.full([ROWS], 0, T)
        part = tl.full([ROWS, WIDTH], 0, T)
        end = tl.where(chunk + CHUNK < high, chunk + CHUNK, high)
        begin = tl.where(chunk < low, low // LANES * LANES, chunk)
        for at in range(begin, end, LANES):
            k = at + lanes
            beyond = k < length
            distance = k[None, :] - place[:, None]
            far = apart(lead + k, beyond, table, steps[6], pages, page, key_strides[0], key_strides[2], PAGES >= 0)
            s = score(
                query, key + far, there, k, beyond, d, query_strides[3], key_strides[3], distance, mask,
                mask_strides[3], slope, WIDEN, LOAD_MASK, DIVIDE, TANH, MASK, SLOPES >= 0, SCALE, CAP,
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
            if DROPOUT >= 0:
                places = place.to(tl.uint64)[:, None] << 32 | k.to(tl.uint64)[None, :]
                other = tl.full([ROWS, LANES], 0, tl.uint64)
                word = RANDOM(places, other, other + chance[:, None]).to(tl.uint32)
                bits = tl.where(word >> 8 < dropped, minus.to(BITS, bitcast=True), bits)
            for fold in tl.static_range(FOLDS):
                left, right = halves(p, ROWS, LANES >> (fold + 1))
                p = left + right
            its_total = tl.fma(its_total, factor, tl.reshape(p, [ROWS]))
            its_most = top
            part = part * factor[:, None]
            for j in range(tl.where(at + LANES < end, LANES, end - at)):
                mine = tl.reduce(tl.where(lanes[None, :] == j, bits, tl.full((), 0, BITS)), 1, either)
                step = apart(
                    lead + at + j, at + j < length, table, steps[6], pages, page, value_strides[0], value_strides[2],
                    PAGES >= 0,
                )  # fmt: skip
                v = WIDEN(tl.load(value + step, mask=column < dv, other=0))
                more = tl.fma(mine.to(T, bitcast=True)[:, None], v[None, :], part)
                part = tl.where((mine >= 0)[:, None], more, part)
        most, total, acc = joined(most, total, acc, its_most, its_total, part, EXP, NOTHING)
    within = there[:, None] & (column < dv)[None, :]
    if SPLIT:
        tl.store(states[0] + line * 2, most, mask=there)
        tl.store(states[0] + line * 2 + 1, total, mask=there)
        tl.store(out, acc, mask=within & (most != nothing)[:, None])
    else:
        sink = most
        if SINKS >= 0:
            sink = tl.load(others[SINKS] + h * steps[2])
        result = finished(
            most, total, acc, sink, DIVIDE, EXP, SINKS >= 0, DROPOUT >= 0, KEPT, NOTHING, T, ROWS, WIDTH
        )  # fmt: skip
        tl.store(out, NARROW(result), mask=within)

"""Stable sorting of rows by unsigned keys: blocks in registers by a bitonic network, then runs merged in memory, where
each element finds its place by a binary search in the neighbouring run."""

import triton
import triton.language as tl

from accel.kernels.triton.device.index import offset_of


@triton.jit
def key_of(bits, SIGN: tl.constexpr, INFINITE: tl.constexpr, ALL: tl.constexpr, FLIP: tl.constexpr, KEY: tl.constexpr):
    """The key of an element's bits; ALL: all bits of an element."""
    bits = bits.to(KEY)
    sign = tl.full((), SIGN, KEY)
    whole = tl.full((), ALL, KEY)
    key = bits ^ sign
    if INFINITE:
        key = tl.where((bits & sign) != 0, bits ^ whole, key)
        key = tl.where((bits & (whole ^ sign)) > tl.full((), INFINITE, KEY), whole, key)
    return key ^ tl.full((), FLIP, KEY)


@triton.jit
def bits_of(key, SIGN: tl.constexpr, INFINITE: tl.constexpr, ALL: tl.constexpr, FLIP: tl.constexpr, KEY: tl.constexpr):
    """The bits of a key's element."""
    key = key ^ tl.full((), FLIP, KEY)
    sign = tl.full((), SIGN, KEY)
    bits = key ^ sign
    if INFINITE:
        bits = tl.where((key & sign) == 0, key ^ tl.full((), ALL, KEY), bits)
    return bits


@triton.jit
def pairs(x, SIZE: tl.constexpr, APART: tl.constexpr):
    """Elements that are APART from one another, as two (SIZE / (2 APART), APART)."""
    return tl.split(tl.permute(tl.reshape(x, [SIZE // (2 * APART), 2, APART]), [0, 2, 1]))


@triton.jit
def unpaired(a, b, SIZE: tl.constexpr):
    """What `pairs` took apart."""
    return tl.reshape(tl.permute(tl.join(a, b), [0, 2, 1]), [SIZE])


@triton.jit
def sort_blocks(
    out, places, x, n, count, blocks, groups, outer, x_outer, x_step, out_outer, out_step,
    SIGN: tl.constexpr, INFINITE: tl.constexpr, ALL: tl.constexpr, FLIP: tl.constexpr, KEY: tl.constexpr,
    INDICES: tl.constexpr, LAST: tl.constexpr, SIZE: tl.constexpr, BITS: tl.constexpr, INDEX: tl.constexpr,
):  # fmt: skip
    """Sorts blocks of 2^BITS elements, of which a program instance takes SIZE elements; there are `groups` blocks in
    all. LAST: the first `count` of a row to the output, else keys and places to scratch, row after row."""
    flat = tl.arange(0, SIZE)
    group = tl.program_id(0).to(INDEX) * (SIZE >> BITS) + (flat >> BITS).to(INDEX)
    row, block = group // blocks, group % blocks
    start = block * (1 << BITS)
    index = (flat & ((1 << BITS) - 1)).to(tl.int32)
    there = (group < groups) & (start + index < n)
    at = x + offset_of(row, outer, x_outer) + (start + index) * x_step
    key = key_of(tl.load(at, mask=there, other=0), SIGN, INFINITE, ALL, FLIP, KEY)
    key = tl.where(start + index < n, key, tl.full((), ALL, KEY))
    for stage in tl.static_range(BITS):
        for step in tl.static_range(stage + 1):
            a, b = pairs(key, SIZE, 1 << (stage - step))
            c, d = pairs(index, SIZE, 1 << (stage - step))
            pair = tl.arange(0, SIZE >> (stage - step + 1))
            if stage + 1 < BITS:
                back = ((pair >> step) & 1)[:, None] != 0
            else:
                back = (pair < 0)[:, None]
            swap = ((a > b) | ((a == b) & (c > d))) != back
            key = unpaired(tl.where(swap, b, a), tl.where(swap, a, b), SIZE)
            index = unpaired(tl.where(swap, d, c), tl.where(swap, c, d), SIZE)
    place = start + (flat & ((1 << BITS) - 1)).to(INDEX)
    there = (group < groups) & (place < n)
    if LAST:
        there = there & (place < count)
        to = offset_of(row, outer, out_outer) + place * out_step
        if INDICES:
            tl.store(out + to, (start + index).to(tl.int64), mask=there)
        else:
            tl.store(out + to, bits_of(key, SIGN, INFINITE, ALL, FLIP, KEY), mask=there)
    else:
        tl.store(out + row * n + place, key, mask=there)
        if INDICES:
            tl.store(places + row * n + place, start + index, mask=there)


@triton.jit
def merge_runs(
    out, places, keys, order, n, count, run, steps, total, outer, out_outer, out_step,
    SIGN: tl.constexpr, INFINITE: tl.constexpr, ALL: tl.constexpr, FLIP: tl.constexpr, KEY: tl.constexpr,
    INDICES: tl.constexpr, LAST: tl.constexpr, SIZE: tl.constexpr, INDEX: tl.constexpr,
):  # fmt: skip
    """Merges neighbouring runs of every row: an element's place is its place in its run, plus that in the other, where
    it goes before its equals if its own run is the first. steps: of a search among `run` elements."""
    flat = tl.program_id(0).to(INDEX) * SIZE + tl.arange(0, SIZE).to(INDEX)
    there = flat < total
    row, i = flat // n, flat % n
    mine = i // run
    second = mine % 2
    other = (mine + 1 - 2 * second) * run
    key = tl.load(keys + flat, mask=there, other=0)
    low = i * 0
    high = tl.where(other >= n, low, tl.where(other + run > n, n - other, low + run))
    for _ in range(steps):
        half = (low + high) // 2
        active = there & (low < high)
        found = tl.load(keys + row * n + other + half, mask=active, other=0)
        after = (found < key) | ((found == key) & (second == 1))
        low = tl.where(active & after, half + 1, low)
        high = tl.where(active & (after == 0), half, high)
    place = (mine - second) * run + (i - mine * run) + low
    if LAST:
        there = there & (place < count)
        to = offset_of(row, outer, out_outer) + place * out_step
        if INDICES:
            tl.store(out + to, tl.load(order + flat, mask=there, other=0).to(tl.int64), mask=there)
        else:
            tl.store(out + to, bits_of(key, SIGN, INFINITE, ALL, FLIP, KEY), mask=there)
    else:
        tl.store(out + row * n + place, key, mask=there)
        if INDICES:
            tl.store(places + row * n + place, tl.load(order + flat, mask=there, other=0), mask=there)

"""Places of values in a sorted vector by halving, always with the same lengths (docs/numerics.md)."""

import triton
import triton.language as tl

from accel.kernels.triton.device.index import offset_of
from accel.kernels.triton.device.sort import key_of


@triton.jit
def search_key(bits, SIGN: tl.constexpr, INFINITE: tl.constexpr, ALL: tl.constexpr, KEY: tl.constexpr):
    """A key by which -0 and +0 are equal."""
    bits = bits.to(KEY)
    if INFINITE:
        bits = tl.where(bits == tl.full((), SIGN, KEY), tl.full((), 0, KEY), bits)
    return key_of(bits, SIGN, INFINITE, ALL, 0, KEY)


@triton.jit
def search(
    out, x, values, size, shape, out_strides, value_strides, length, step, halvings,
    SIGN: tl.constexpr, INFINITE: tl.constexpr, ALL: tl.constexpr, KEY: tl.constexpr, RIGHT: tl.constexpr,
    BLOCK: tl.constexpr, INDEX: tl.constexpr,
):  # fmt: skip
    """How many of `length` elements come before each value, or are equal to it where RIGHT. halvings: until one
    element is left."""
    o = tl.program_id(0).to(INDEX) * BLOCK + tl.arange(0, BLOCK).to(INDEX)
    mask = o < size
    from_values = values + offset_of(o, shape, value_strides)
    value = search_key(tl.load(from_values, mask=mask, other=0), SIGN, INFINITE, ALL, KEY)
    low = o * 0
    left = tl.full((), 0, INDEX) + length
    for _ in range(halvings):
        half = left // 2
        its = search_key(tl.load(x + (low + half - 1) * step, mask=mask, other=0), SIGN, INFINITE, ALL, KEY)
        if RIGHT:
            low = tl.where(its <= value, low + half, low)
        else:
            low = tl.where(its < value, low + half, low)
        left -= half
    its = search_key(tl.load(x + low * step, mask=mask & (left > 0), other=0), SIGN, INFINITE, ALL, KEY)
    if RIGHT:
        low = tl.where((left > 0) & (its <= value), low + 1, low)
    else:
        low = tl.where((left > 0) & (its < value), low + 1, low)
    tl.store(out + offset_of(o, shape, out_strides), low.to(tl.int64), mask=mask)

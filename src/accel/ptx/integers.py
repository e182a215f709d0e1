"""Integer operations of PTX that NumPy has no one function for, on arrays of its fixed-width types."""

import numpy as np
import numpy.typing as npt

from .formats import UINT

Integers = npt.NDArray[np.integer]


def multiply_high(a: Integers, b: Integers) -> Integers:
    """Upper half of the product of two arrays of one integer type."""
    if a.itemsize < 8:
        wide = np.int64 if a.itemsize < 4 or a.dtype.kind == "i" else np.uint64
        return (a.astype(wide) * b.astype(wide) >> wide(8 * a.itemsize)).astype(a.dtype)
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    x, y = a.view(np.uint64), b.view(np.uint64)
    x0, x1, y0, y1 = x & low, x >> half, y & low, y >> half
    middle = x1 * y0 + (x0 * y0 >> half)
    high = x1 * y1 + (middle >> half) + (x0 * y1 + (middle & low) >> half)
    if a.dtype.kind == "i":
        high = high - np.where(a < 0, y, np.uint64(0)) - np.where(b < 0, x, np.uint64(0))
    return high.view(a.dtype)


def divide(op: str, a: Integers, b: Integers) -> Integers:
    """Truncated quotient ("div") or remainder ("rem"); by zero as the hardware does: all ones, and the dividend."""
    signed = a.dtype.kind == "i"
    safe = np.where(b == 0, b.dtype.type(1), b)
    if signed:
        safe = np.where(safe == -1, b.dtype.type(1), safe)  # the smallest integer / -1 traps on some hosts
    rem = np.fmod(a, safe)
    if op == "rem":
        return np.where(b == 0, a, rem)
    quotient = (a - rem) // safe
    if signed:
        quotient = np.where(b == -1, (0 - a.view(UINT[a.itemsize])).view(a.dtype), quotient)
    return np.where(b == 0, ~b.dtype.type(0), quotient)


def bit_length(x: Integers) -> npt.NDArray[np.int64]:
    """64 - leading zeros of unsigned values."""
    n = np.zeros(np.shape(x), np.int64)
    x = x.astype(np.uint64)
    for s in (32, 16, 8, 4, 2, 1):
        big = x >> np.uint64(s) != 0
        n += big * s
        x = np.where(big, x >> np.uint64(s), x)
    return n + (x != 0)


def bit_count(x: Integers) -> npt.NDArray[np.uint64]:
    """Ones of unsigned values, added up in fields of 2, 4, 8, ... 64 bits."""
    x = x.astype(np.uint64)
    for width in (1, 2, 4, 8, 16, 32):
        mask = np.uint64((1 << 64) // (1 << width | 1))  # alternately width ones and width zeros
        x = (x & mask) + (x >> np.uint64(width) & mask)
    return x


def shift(a: Integers, by: Integers, left: bool) -> Integers:
    """PTX shifts: amounts past the width give zeros, or copies of the sign."""
    width = 8 * a.itemsize
    by = np.minimum(by, width).astype(np.int64)
    inside = np.minimum(by, width - 1).astype(a.dtype)
    if left:
        return np.where(by < width, a << inside, a.dtype.type(0))
    return a >> inside if a.dtype.kind == "i" else np.where(by < width, a >> inside, a.dtype.type(0))


FOLD = {
    "add": np.add,
    "min": np.minimum,
    "max": np.maximum,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
}

"""cos and sin of 2 pi j / n, rounded once: the tables of Fourier transforms.

They are computed on the host by integers and IEEE additions and products alone, as the library functions of two
machines differ. The angle is reduced exactly, to a whole number of 1 / (4 n) turns in the first eighth. Of that number
the high and the low digits have tables of their own, made of integers with 128 fractional bits; the sum of the two
angles is taken in pairs of float64 (Dekker 1971), whose error is some 2^-100.
"""

from __future__ import annotations

from functools import cache
from math import isqrt

import numpy as np

from ..._core import FloatEnvironment

BITS = 128
"""Fractional bits of the integers."""

Pair = tuple[np.ndarray, np.ndarray]
"""A number as the sum of two float64, the second of which is below half a unit of the first."""


def roots(n: int) -> Pair:
    """cos and sin of 2 pi j / n in float64, for j from 0 to n - 1."""
    with FloatEnvironment():
        quarters = 4 * np.arange(n, dtype=np.int64)
        quadrant, left = quarters // n, quarters % n
        beyond = left > n // 2  # half a quadrant, where sine and cosine change places
        cos, sin = _first_eighth(n)
        place = np.where(beyond, n - left, left)
        c, s = cos[place], sin[place]
        c, s = np.where(beyond, s, c), np.where(beyond, c, s)
        odd = quadrant % 2 == 1
        c, s = np.where(odd, s, c), np.where(odd, c, s)
        c = np.where((quadrant == 1) | (quadrant == 2), -c, c)
        return c + 0.0, np.where(quadrant >= 2, -s, s) + 0.0  # + 0.0: no negative zero


def _first_eighth(n: int) -> Pair:
    """cos and sin of j quarters of 2 pi / n, for j up to n / 2."""
    count = n // 2 + 1
    step = isqrt(count) + 1
    high = [_turned(i * step, 4 * n) for i in range(-(-count // step))]
    low = [_turned(i, 4 * n) for i in range(step)]

    def split(part: int, numbers: list[tuple[int, int]]) -> Pair:
        first = np.array([float(x[part]) for x in numbers])
        rest = np.array([float(x[part] - int(f)) for x, f in zip(numbers, first, strict=True)])
        return first * 2.0**-BITS, rest * 2.0**-BITS

    (ca, sa), (cb, sb) = ((split(0, x), split(1, x)) for x in (high, low))
    ca, sa = ((x[:, None], y[:, None]) for x, y in (ca, sa))
    cos = _difference(_product(ca, cb), _product(sa, sb))
    sin = _difference(_product(sa, cb), tuple(-x for x in _product(ca, sb)))
    return cos.reshape(-1)[:count], sin.reshape(-1)[:count]


def _product(a: Pair, b: Pair) -> Pair:
    (ah, al), (bh, bl) = a, b
    high = ah * bh
    (a1, a2), (b1, b2) = _halves(ah), _halves(bh)
    low = ((a1 * b1 - high) + a1 * b2 + a2 * b1) + a2 * b2  # the product less its rounding, exactly
    return high, low + (ah * bl + al * bh)


def _halves(x: np.ndarray) -> Pair:
    """A number as the sum of two of half as many digits (Veltkamp)."""
    scaled = x * 134217729.0  # 2^27 + 1
    first = scaled - (scaled - x)
    return first, x - first


def _difference(a: Pair, b: Pair) -> np.ndarray:
    """The difference of two pairs, rounded once."""
    high = a[0] - b[0]
    back = high - a[0]
    low = (a[0] - (high - back)) - (b[0] + back)
    return high + (low + (a[1] - b[1]))


def _turned(numerator: int, denominator: int) -> tuple[int, int]:
    """cos and sin of a part of a full turn, at most an eighth, times 2^BITS."""
    extra = 16
    one = 1 << (BITS + extra)
    angle = 2 * _pi(BITS + extra) * numerator // denominator
    square = angle * angle >> (BITS + extra)
    cos = sin = 0
    c, s, k = one, angle, 0
    while c or s:
        cos, sin = (cos - c, sin - s) if k % 2 else (cos + c, sin + s)
        c = (c * square >> (BITS + extra)) // ((2 * k + 1) * (2 * k + 2))
        s = (s * square >> (BITS + extra)) // ((2 * k + 2) * (2 * k + 3))
        k += 1
    return cos >> extra, sin >> extra


@cache
def _pi(bits: int) -> int:
    """pi times 2^bits, by Machin's formula."""
    guard = 16

    def arctan_of_inverse(x: int) -> int:
        term = (1 << (bits + guard)) // x
        total, k = 0, 0
        while term:
            total += (-1) ** k * (term // (2 * k + 1))
            term //= x * x
            k += 1
        return total

    return (16 * arctan_of_inverse(5) - 4 * arctan_of_inverse(239)) >> guard

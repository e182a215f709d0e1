"""Reduction of an argument to the nearest multiple of pi / 2, exact over the whole range of the dtype.

Up to REDUCTION_END: W. J. Cody and W. Waite (1980), with pi / 2 as three floats. Beyond: M. H. Payne and R. N. Hanek
("Radian reduction for trigonometric functions", 1983): x = M 2**E with an integer M, of 1 / (2 pi) only those bits
count that E leaves between M's multiples of a turn and what rounding forgets, and M times them is a fraction of a turn
with two words behind the point.
"""

from __future__ import annotations

from .binary_format import FORMATS, format_of, infinity, nan, nearest_integer, raw
from .coefficients_trigonometric import HALF_PI, TURNS_32, TURNS_64, TWO_OVER_PI
from .expr import WIDTH, Expr, bitcast, const, fma, ne, rarely, select
from .extended import fast_two_sum

REDUCTION_END = {"float32": 2.0**17, "float64": 2.0**30}
"""Where the fourth float of pi / 2 would begin to count."""


def quadrant(a: Expr) -> tuple[Expr, Expr, Expr]:
    """(r, low, q) with a = k pi / 2 + r + low and |r| <= pi / 4 (a little more by rounding), for a >= 0: q are bits
    that end in k. NaN for infinity and NaN."""
    r, low, q = _by_subtraction(a)
    far, far_low, far_q = _by_bits(a)
    large = ~(a < REDUCTION_END[a.dtype])
    far = select(a < infinity(a.dtype), far, nan(a.dtype))
    return rarely(large, far, r), rarely(large, far_low, low), rarely(large, far_q, q)


def _by_subtraction(a: Expr) -> tuple[Expr, Expr, Expr]:
    first, second, third = HALF_PI[a.dtype]
    k, bits = nearest_integer(a, TWO_OVER_PI[a.dtype][0])
    exact = fma(k, -first, a)  # a multiple of the last place of pi / 2 and below 1
    # The second product is a pair, as the difference may cancel all but its rounding error.
    product = k * second
    r = exact - product
    lost = (exact - r) - product
    return r, fma(k, -third, lost - fma(k, second, -product)), bits


def _by_bits(a: Expr) -> tuple[Expr, Expr, Expr]:
    f = format_of(a)
    width = WIDTH[a.dtype]
    bits = raw(a)
    mantissa = (bits & ((1 << f.fraction) - 1)) | (1 << f.fraction)
    words = _words(bits, width, f.fraction)
    # mantissa * words modulo one turn, of which two words are kept
    low = mantissa * words[1]
    total = low + _high_product(mantissa, words[2], width)
    carry = select(total < low, const(1, f.bits), 0)
    top = mantissa * words[0] + _high_product(mantissa, words[1], width) + carry
    q = (top + (1 << (width - 3))) >> (width - 2)
    rest = top - (q << (width - 2))
    # The nearest quarter turn leaves width - 3 bits and a sign, which bits in ones' complement follow.
    mask = bitcast(bitcast(rest, f.bits[1:]) >> (width - 1), f.bits)
    r, low = _pair(rest ^ mask, total ^ mask, width, a.dtype)
    sign = mask & f.sign_mask
    high, second, _ = HALF_PI[a.dtype]
    product = r * high
    product_low = fma(r, second, fma(low, high, fma(r, high, -product)))
    return _flip(product, sign), _flip(product_low, sign), q


def _words(bits: Expr, width: int, fraction: int) -> list[Expr]:
    """Three words of 1 / (2 pi) from the bit on that the exponent names."""
    stream = [const(word, bits.dtype) for word in (TURNS_32 if width == 32 else TURNS_64)]
    index = fraction + (5 if width == 32 else 6)  # the bit of the exponent from which on it counts words
    for step in reversed(range((len(stream) - 3).bit_length() - 1)):
        chosen = ne(bits & (1 << (index + step)), 0)
        stream = [select(chosen, stream[i + (1 << step)], stream[i]) for i in range(3 + (1 << step))]
    shift = (bits >> fraction) & (width - 1)
    back = shift ^ (width - 1)
    return [(stream[i] << shift) | ((stream[i + 1] >> 1) >> back) for i in range(3)]


def _high_product(m: Expr, word: Expr, width: int) -> Expr:
    """The high word of a product of unsigned integers, m of so few bits that no sum of half products overflows."""
    half, mask = width // 2, (1 << (width // 2)) - 1
    m_low, m_high = m & mask, m >> half
    low, high = word & mask, word >> half
    middle = m_high * low + ((m_low * low) >> half)
    lower = m_low * high + (middle & mask)
    return m_high * high + (middle >> half) + (lower >> half)


def _pair(rest: Expr, more: Expr, width: int, dtype: str) -> tuple[Expr, Expr]:
    """Two words, the first with three leading zeros, as a pair of floats: 2**(2 - width) is the first's last place."""
    fraction = FORMATS[dtype].fraction
    drop = width - 3 - fraction
    first = _float(rest >> drop, 2 - width + drop, dtype)
    middle = ((rest & ((1 << drop) - 1)) << (fraction - drop)) | (more >> (width - fraction + drop))
    second = _float(middle, 2 - width + drop - fraction, dtype)
    third = _float(more & ((1 << (width - fraction + drop)) - 1), 2 - 2 * width, dtype)
    high, low = fast_two_sum(first, second)
    return high, low + third


def _float(bits: Expr, unit: int, dtype: str) -> Expr:
    """An integer of as many bits as a fraction has, times 2**unit."""
    f = FORMATS[dtype]
    return bitcast(bits | ((f.bias + f.fraction + unit) << f.fraction), dtype) - 2.0 ** (f.fraction + unit)


def _flip(x: Expr, sign: Expr) -> Expr:
    return bitcast(raw(x) ^ sign, x.dtype)

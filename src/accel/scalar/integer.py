"""Quotients, powers, shifts and bitwise functions of integers; nothing traps."""

from __future__ import annotations

from .expr import SIGNED, UNSIGNED, WIDTH, Expr, bitcast, const, convert, eq, idiv, ne, select
from .scalar_function import ScalarFunction


def _unsigned(dtype: str) -> str:
    return dtype if dtype in UNSIGNED else "u" + dtype


def _magnitude(x: Expr) -> Expr:
    """|x| as an unsigned integer, which holds the magnitude of the smallest integer too."""
    return x if x.dtype in UNSIGNED else bitcast(select(x < 0, -x, x), _unsigned(x.dtype))


def _quotient(a: Expr, b: Expr) -> Expr:
    """Truncated quotient of unsigned integers, b not zero. Below 2**16 a rounded float32 quotient, which vectorises,
    never reaches the next integer: a / b is at least 1 / b below it, and half a unit in the last place is less."""
    if WIDTH[a.dtype] >= 32:
        return idiv(a, b)
    return convert(convert(convert(a, "float32") / convert(b, "float32"), "int32"), a.dtype)


def floor_divide(x: Expr, y: Expr) -> Expr:
    """Python's //, from the quotient of the magnitudes; 0 where y is 0."""
    zero = eq(y, 0)
    a, b = _magnitude(x), _magnitude(y)
    quotient = _quotient(a, select(zero, const(1, b.dtype), b))
    if x.dtype in UNSIGNED:
        return select(zero, const(0, x.dtype), quotient)
    negative = (x ^ y) < 0
    inexact = ne(a, quotient * b)
    down = bitcast(~quotient, x.dtype)  # -quotient - 1
    toward_zero = bitcast(quotient, x.dtype)
    result = select(negative, select(inexact, down, -toward_zero), toward_zero)
    return select(zero, const(0, x.dtype), result)


def remainder(x: Expr, y: Expr) -> Expr:
    """Python's %; 0 where y is 0."""
    return select(eq(y, 0), const(0, x.dtype), x - floor_divide(x, y) * y)


def fmod(x: Expr, y: Expr) -> Expr:
    """C's %; 0 where y is 0."""
    zero = eq(y, 0)
    a, b = _magnitude(x), _magnitude(y)
    divisor = select(zero, const(1, b.dtype), b)
    rest = a - _quotient(a, divisor) * divisor
    rest = select(zero, const(0, rest.dtype), rest)
    return rest if x.dtype in UNSIGNED else _signed(rest, x < 0, x.dtype)


def _signed(magnitude: Expr, negative: Expr, dtype: str) -> Expr:
    value = bitcast(magnitude, dtype)
    return select(negative, -value, value)


def bit_count(x: Expr) -> Expr:
    """Sums of neighbouring bits, of pairs, of nibbles and of bytes (H. S. Warren, Hacker's Delight, 5-1)."""
    bits = _magnitude(x)
    width = WIDTH[x.dtype]

    def alternating(size: int) -> int:
        """The low half set of each group of 2 * size bits."""
        return sum(((1 << size) - 1) << at for at in range(0, width, 2 * size))

    size = 1
    while size < width:
        mask = alternating(size)
        bits = (bits & mask) + ((bits >> size) & mask)
        size *= 2
    return bitcast(bits, x.dtype)


def gcd(x: Expr, y: Expr) -> Expr:
    """The binary algorithm (J. Stein, 1967) of the magnitudes, without removing the twos that both have: the lowest bit
    that is set in either stands for one. Each step drops a bit at least of the two together."""
    a, b = _magnitude(x), _magnitude(y)
    either = a | b
    low = either & (~either + 1)
    even = eq(b & low, 0)
    a, b = select(even, b, a), select(even, a, b)  # b is an odd multiple of low
    for _ in range(2 * WIDTH[x.dtype]):
        odd, less = ne(a & low, 0), a < b
        rest = select(less, b - a, a - b)
        b = select(odd & less, a, b)
        a = select(odd, rest, a) >> 1
    return bitcast(b, x.dtype)


def power(base: Expr, exponent: Expr) -> Expr:
    """Square and multiply over every bit of the exponent. A negative exponent gives the exact power truncated: 0, but
    1 for the base 1 and the exponent's parity for -1; 0 for the base 0."""
    signed = base.dtype in SIGNED
    bits = bitcast(exponent, _unsigned(exponent.dtype))
    result = const(1, base.dtype)
    square = base
    for i in range(WIDTH[base.dtype] - signed):
        result = select(ne(bits & (1 << i), 0), result * square, result)
        square = square * square
    if not signed:
        return result
    parity = select(ne(bits & 1, 0), const(-1, base.dtype), 1)
    inverse = select(eq(base, 1), base, select(eq(base, -1), parity, const(0, base.dtype)))
    return select(exponent < 0, inverse, result)


def left_shift(x: Expr, by: Expr) -> Expr:
    width = WIDTH[x.dtype]
    amount = bitcast(by, _unsigned(by.dtype))
    inside = amount < width
    moved = x << bitcast(select(inside, amount, 0), x.dtype)
    return select(inside, moved, const(0, x.dtype))


def right_shift(x: Expr, by: Expr) -> Expr:
    width = WIDTH[x.dtype]
    amount = bitcast(by, _unsigned(by.dtype))
    inside = amount < width
    if x.dtype in SIGNED:
        return x >> bitcast(select(inside, amount, width - 1), x.dtype)
    return select(inside, x >> select(inside, amount, 0), const(0, x.dtype))


BITS = ("bool", "int")
SHIFT = ("int",)

ROWS = (
    ScalarFunction("bitwise_and", 2, BITS, lambda a, b: a & b, "Gives the bits that are set in both x1 and x2."),
    ScalarFunction("bitwise_or", 2, BITS, lambda a, b: a | b, "Gives the bits that are set in x1, in x2 or in both."),
    ScalarFunction("bitwise_xor", 2, BITS, lambda a, b: a ^ b, "Gives the bits that are set in one of x1 and x2 only."),
    ScalarFunction(
        "bitwise_invert", 1, BITS, lambda a: ~a, "Changes every bit of each element; of bool it is the logical not.",
    ),
    ScalarFunction(
        "bitwise_left_shift", 2, SHIFT, left_shift,
        "Moves the bits of x1 up by x2; an amount of the width or more (or negative) gives 0.",
    ),
    ScalarFunction(
        "bit_count", 1, SHIFT, bit_count, "Gives the number of bits that are set in the magnitude of each element.",
    ),
    ScalarFunction(
        "gcd", 2, SHIFT, gcd,
        "Gives the greatest common divisor of |x1| and |x2|; gcd(x, 0) is |x|. Where it is 2**(width - 1) "
        "it wraps.",
    ),
    ScalarFunction(
        "bitwise_right_shift", 2, SHIFT, right_shift,
        "Moves the bits of x1 down by x2; an amount of the width or more (or negative) gives 0 (-1 for x1 < 0).",
    ),
)  # fmt: skip

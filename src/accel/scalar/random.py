"""Random words by a counter, and the high half of a product: of uint64 only."""

from __future__ import annotations

from .expr import Expr
from .scalar_function import ScalarFunction

LOW = (1 << 32) - 1
ROUNDS = 10
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)


def philox(counter: Expr, stream: Expr, key: Expr) -> Expr:
    """Words of 32 bits are held in uint64, so that each product is whole."""
    c0, c1, c2, c3 = counter & LOW, counter >> 32, stream & LOW, stream >> 32
    k0, k1 = key & LOW, key >> 32
    for _ in range(ROUNDS):
        p0, p1 = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & LOW, (p0 >> 32) ^ c3 ^ k1, p0 & LOW
        k0, k1 = (k0 + WEYL[0]) & LOW, (k1 + WEYL[1]) & LOW
    return (c1 << 32) | c0


def multiply_high(a: Expr, b: Expr) -> Expr:
    a0, a1, b0, b1 = a & LOW, a >> 32, b & LOW, b >> 32
    middle = a1 * b0 + ((a0 * b0) >> 32)  # at most (2^32 - 1)^2 + 2^32 - 2: no carry is lost
    other = a0 * b1 + (middle & LOW)
    return a1 * b1 + (middle >> 32) + (other >> 32)


ROWS = (
    ScalarFunction(
        "philox", 3, ("uint64",), philox,
        "Gives the first two words of Philox 4x32-10 at the counter (x1, x2) under the key x3, as one of 64 bits.",
        source="Salmon, Moraes, Dror and Shaw 2011, Parallel random numbers: as easy as 1, 2, 3",
    ),
    ScalarFunction(
        "multiply_high", 2, ("uint64",), multiply_high, "Gives the upper 64 of the 128 bits of a product.",
    ),
)  # fmt: skip

"""Operands drawn by chance: shapes with zeros, ones and primes, every memory layout, and values from every regime.

What draws is a function of two integers, so that the kit (a seeded generator) and the tests (hypothesis, which shrinks)
draw from the same rules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, TypeVar

import numpy as np

from ..dtypes import DType
from .values import REGIMES, values

T = TypeVar("T")

LENGTHS = (0, 1, 2, 3, 5, 7, 13, 16, 17, 33)
STEPS = (1, 1, 1, 1, 2, 3, -1, -1, -2)
MARGINS = (0, 0, 1, 3)


class Draw:
    """Choices. integer(low, high): any integer of the range, both ends included."""

    def __init__(self, integer: Callable[[int, int], int]) -> None:
        self.integer = integer

    @classmethod
    def seeded(cls, *seed: int) -> Draw:
        """The same choices for the same seed."""
        rng = np.random.default_rng(seed)
        return cls(lambda low, high: int(rng.integers(low, high, endpoint=True)))

    def choice(self, options: Sequence[T]) -> T:
        return options[self.integer(0, len(options) - 1)]

    def once_in(self, n: int) -> bool:
        """True with a chance of one in n."""
        return self.integer(0, n - 1) == 0

    def permutation(self, options: Sequence[T]) -> list[T]:
        left = list(options)
        return [left.pop(self.integer(0, len(left) - 1)) for _ in options]

    def some(self, options: Sequence[T]) -> list[T]:
        """Any of them, in any order."""
        return self.permutation(options)[: self.integer(0, len(options))]


def array(draw: Draw, dtype: DType, shape: tuple[int, ...], regimes: Sequence[str] = REGIMES) -> np.ndarray:
    """An array of a shape, laid in memory by chance, and at times stretched along some axes."""
    rng = np.random.default_rng(draw.integer(0, 2**32 - 1))
    regime, stretched = draw.choice(regimes), draw.once_in(5)
    kept = tuple(1 if stretched and draw.once_in(2) and n else n for n in shape)
    return np.broadcast_to(laid(draw, values(rng, dtype, kept, regime)), shape)


def laid(draw: Draw, x: np.ndarray) -> np.ndarray:
    """The same elements, row-major or with the axes in any order in memory and each with a step of its own, between
    elements that are NaN or -1. Axes that are stretched stay so."""
    if draw.once_in(5) or not x.ndim:
        return np.ascontiguousarray(x).reshape(x.shape)
    wide = [step == 0 and n > 1 for n, step in zip(x.shape, x.strides, strict=True)]
    x, shape = x[tuple(slice(1) if its else slice(None) for its in wide)], x.shape
    order = draw.permutation(range(x.ndim)) if draw.once_in(2) else list(range(x.ndim))
    steps = [1] * x.ndim if draw.once_in(3) else [draw.choice(STEPS) for _ in shape]
    starts, ends = ([draw.choice(MARGINS) for _ in shape] for _ in range(2))
    reach = [max(0, n - 1) * abs(step) + min(n, 1) for n, step in zip(x.shape, steps, strict=True)]
    memory = np.empty([starts[a] + reach[a] + ends[a] for a in order], x.dtype)
    memory.view(np.uint8)[...] = 0xFF
    whole = memory.transpose(np.argsort(order))
    part = whole[tuple(slice(start, start + n) for start, n in zip(starts, reach, strict=True))]
    made = part[tuple(slice(None, None, step) for step in steps)]
    made[...] = x
    return np.broadcast_to(made, shape)


def shape(draw: Draw, most: int = 4, least: int = 0, elements: int = 2000) -> tuple[int, ...]:
    """A shape of LENGTHS with at most a number of elements; at times one axis far longer than the others."""
    found: list[int] = []
    for _ in range(draw.integer(least, most)):
        n = draw.choice(LENGTHS)
        found.append(n if prod(found) * n <= elements else 1)
    if found and prod(found) and draw.once_in(6):
        axis = draw.integer(0, len(found) - 1)
        rest = prod(found) // found[axis]
        found[axis] = max(1, elements // rest) + draw.integer(0, 3)
    return tuple(found)


def broadcast(draw: Draw, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape that broadcasts to another: some axes of length 1, some leading ones absent."""
    kept = [1 if draw.once_in(5) else n for n in shape]
    return tuple(kept[draw.integer(0, len(kept)) :]) if draw.once_in(4) else tuple(kept)


def product_dtype(draw: Draw, dtype: DType) -> dict[str, Any]:
    """At times, the dtype extension of products."""
    if draw.integer(0, 2):
        return {}
    if dtype.kind == "f":
        return {"dtype": dtype.accumulator}
    return {"dtype": draw.choice(("int32", "int64", "uint16", dtype.name))}

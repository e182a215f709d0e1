"""Operands from counters: the same bits on every machine and with every version of NumPy.

Element i of operand j is a function of (seed, j, i) alone: the 64-bit finaliser of SplitMix64 (Steele, Lea and Flood,
Fast Splittable Pseudorandom Number Generators, 2014) of a counter, and an exact conversion of its bits. NumPy's own
distributions may change between its versions. float16 and bfloat16 are the float32 values, rounded half to even.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from ...dtypes import TABLE, DType
from ...errors import ArgumentError
from .case import Operand, Workload

BLOCK = (1 << 22) + 3
"""Elements that are drawn; a larger operand repeats them, as billions would take longer to draw than what is timed. The
period is odd, so that no row of a matrix equals the next."""

CHUNK = 1 << 15
"""Elements drawn at once, so that the integers stay in a cache."""

LOWER, UPPER = -0.5, 0.5
"""The limits of clip for floats; a hundred times that for integers, whose values are so many times larger."""

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def arrays(workload: Workload, seed: int) -> list[np.ndarray]:
    """The operands of a case: fresh memory each time, strided views where the layout is ``transposed``.

    Raises ArgumentError for values that there are none of, or that the dtype does not have.
    """
    return [array(operand, seed, stream) for stream, operand in enumerate(workload.operands)]


def array(operand: Operand, seed: int, stream: int) -> np.ndarray:
    """One operand. Another stream gives other elements."""
    dtype = TABLE[operand.dtype]
    draw = _draw(operand, dtype)
    shape = operand.shape
    if operand.layout == "transposed":
        shape = (*shape[:-2], shape[-1], shape[-2])
    made = np.empty(prod(shape), dtype.numpy)
    origin = _mixed(np.array([seed + (stream + 1) * int(_GAMMA) & (2**64 - 1)], np.uint64))
    drawn = min(made.size, BLOCK)
    for start in range(0, drawn, CHUNK):
        part = made[start : min(start + CHUNK, drawn)]
        counters = origin + np.arange(start + 1, start + 1 + part.size, dtype=np.uint64) * _GAMMA
        part[...] = draw(_mixed(counters))
    for start in range(drawn, made.size, BLOCK):
        part = made[start : start + BLOCK]
        part[...] = made[: part.size]
    if operand.values == "ascending":
        made.sort()
    if operand.values in ("only-last", "but-last"):
        made[-1:] = operand.values == "only-last"
    shaped = made.reshape(shape)
    return shaped.swapaxes(-1, -2) if operand.layout == "transposed" else shaped


def _mixed(x: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser, in place: 64 bits of which each depends on all of the counter's."""
    x ^= x >> np.uint64(30)
    x *= _FIRST
    x ^= x >> np.uint64(27)
    x *= _SECOND
    x ^= x >> np.uint64(31)
    return x


def _draw(operand: Operand, dtype: DType) -> Callable[[np.ndarray], np.ndarray]:
    """From 64 random bits an element to elements, which are cast to the dtype when they are stored."""
    values = "normal" if operand.values == "ascending" else operand.values
    if values.startswith("below-") and values.removeprefix("below-").isdecimal() and dtype.kind in "iu":
        most = np.uint64(int(values.removeprefix("below-")))
        if most:
            return lambda bits: bits % most
    table = _BOOL if dtype.kind == "b" else _integers(dtype) if dtype.kind in "iu" else _FLOAT
    if values not in table:
        known = ", ".join([*table, *(["below-N"] if dtype.kind in "iu" else [])])
        raise ArgumentError(f"operand: values: no {values!r} of {dtype}; there are {known}")
    return (_FLOAT64 if dtype.itemsize == 8 and dtype.kind == "f" else table)[values]


# floats. Every value below is an integer of at most 24 bits over a power of two: exact in float32.


def _bell(bits: np.ndarray) -> np.ndarray:
    """An odd integer between -2**18 and 2**18, the sum of four uniform ones: bell-shaped, standard deviation 75674.
    Never zero, so that it may divide."""
    total = np.zeros(bits.shape, np.int64)
    for lane in range(4):
        total += ((bits >> np.uint64(16 * lane)) & np.uint64(0xFFFF)).view(np.int64)
    return 2 * total - (4 * 0xFFFF - 1)


def _normal(bits: np.ndarray) -> np.ndarray:
    """Between -4 and 4, standard deviation 1.15."""
    return _bell(bits).astype(np.float32) * np.float32(2.0**-16)


def _unit(bits: np.ndarray) -> np.ndarray:
    """Uniform between -15/16 and 15/16."""
    whole = (bits >> np.uint64(44)).view(np.int64)  # 20 bits
    return ((2 * whole + 1 - (1 << 20)) * 15).astype(np.float32) * np.float32(2.0**-24)


def _near_one(bits: np.ndarray) -> np.ndarray:
    """1 plus a uniform one between -2**-9 and 2**-9: products of millions stay in range."""
    return ((bits >> np.uint64(49)).view(np.int64) - (1 << 14) + (1 << 23)).astype(np.float32) * np.float32(2.0**-23)


_FLOAT: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "normal": _normal,
    "positive": lambda bits: np.abs(_normal(bits)) + np.float32(0.125),
    "unit": _unit,
    "share": lambda bits: _unit(bits) * np.float32(0.5) + np.float32(0.5),
    "above-one": lambda bits: np.abs(_normal(bits)) + np.float32(1 + 2.0**-7),
    "near-one": _near_one,
    "small-integers": lambda bits: (bits % np.uint64(9)).view(np.int64).astype(np.float32) - np.float32(4),
    "lower": lambda bits: np.full(bits.shape, LOWER, np.float32),
    "upper": lambda bits: np.full(bits.shape, UPPER, np.float32),
}


def _finer(function: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """26 further bits below those of the float32 value, so that sums and products of float64 have to round."""

    def drawn(bits: np.ndarray) -> np.ndarray:
        coarse = function(bits).astype(np.float64)
        further = (_mixed(bits + _GAMMA) >> np.uint64(38)).view(np.int64)
        return coarse + further.astype(np.float64) * 2.0**-50

    return drawn


_ROUND = ("small-integers", "lower", "upper")
"""Values whose zeros or whole numbers are the point."""

_FLOAT64 = {name: f if name in _ROUND else _finer(f) for name, f in _FLOAT.items()}


# integers and bool


def _integers(dtype: DType) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """normal: -100 to 100, from 0 where there is no sign; positive: 1 to 100."""
    low = 0 if dtype.kind == "u" else 100
    return {
        "normal": lambda bits: (bits % np.uint64(101 + low)).view(np.int64) - low,
        "positive": lambda bits: bits % np.uint64(100) + np.uint64(1),
        "shift": lambda bits: bits >> np.uint64(61),
        "small-integers": lambda bits: (bits % np.uint64(9)).view(np.int64) - (4 if low else 0),
        "lower": lambda bits: np.full(bits.shape, int(100 * LOWER) if low else 0),
        "upper": lambda bits: np.full(bits.shape, int(100 * UPPER)),
    }


_BOOL: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "normal": lambda bits: bits >> np.uint64(63) != 0,
    "sparse": lambda bits: bits % np.uint64(4096) == 0,
    "only-last": lambda bits: np.zeros(bits.shape, bool),
    "but-last": lambda bits: np.ones(bits.shape, bool),
    "lower": lambda bits: np.zeros(bits.shape, bool),
    "upper": lambda bits: np.ones(bits.shape, bool),
}

VALUES = tuple(dict.fromkeys([*_FLOAT, *_integers(TABLE["int8"]), *_BOOL]))
"""Names of values, beside ``below-N``."""

"""Values to test scalar functions with, and comparison of bits."""

from __future__ import annotations

import functools
import itertools
import math
import zlib

import ml_dtypes
import numpy as np

from accel.scalar import FUNCTIONS
from accel.scalar.expr import FLOATS, INTEGERS, UNSIGNED, WIDTH

NUMPY = {d: np.dtype(d) for d in ("bool", *INTEGERS, *FLOATS, "float16")} | {"bfloat16": np.dtype(ml_dtypes.bfloat16)}
BITS = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}
CASES = [(name, dtype) for name, row in FUNCTIONS.items() for dtype in row.dtypes]
"""Every function at every compute dtype."""
FLOAT_CASES = [(name, dtype) for name, dtype in CASES if dtype in FLOATS]
UNARY_FLOAT = [name for name, row in FUNCTIONS.items() if row.arity == 1 and "float" in row.kinds]


def rng(*key: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32("/".join(key).encode()))


def special(dtype: str) -> np.ndarray:
    """Zeros, infinities, NaN, the ends of the ranges, small integers, values where functions turn."""
    if dtype == "bool":
        return np.array([False, True])
    if dtype in INTEGERS:
        low, high = (0, 2 ** WIDTH[dtype] - 1)
        if dtype not in UNSIGNED:
            low, high = -(2 ** (WIDTH[dtype] - 1)), 2 ** (WIDTH[dtype] - 1) - 1
        values = {0, 1, 2, 3, 5, 7, 8, 10, 31, 32, 63, 64, 100, low, low + 1, high, high - 1, high // 2, high // 2 + 1}
        values |= {-v for v in values if -v >= low}
        return np.array(sorted(v for v in values if low <= v <= high), dtype)
    info = ml_dtypes.finfo(NUMPY[dtype])
    tiny, smallest, largest = float(info.smallest_normal), float(info.smallest_subnormal), float(info.max)
    eps = float(info.eps)
    one_up, one_down = 1 + eps, 1 - eps / 2
    values = [0, smallest, 2 * smallest, 3 * smallest, tiny - smallest, tiny, tiny * one_up, eps, one_down, 1, one_up]
    values += [
        0.25,
        0.4,
        0.5,
        0.6,
        0.75,
        1.5,
        2,
        2.5,
        3,
        3.5,
        4,
        5,
        7,
        10,
        16,
        88.72,
        89,
        100,
        104,
        128,
        149,
        710,
        745,
        1100,
    ]
    values += [1 / eps, 1 / eps - 0.5, 2 / eps, 3 / eps, math.pi, math.e, math.log(2), largest * 0.5, largest, math.inf]
    values = np.array(values, np.float64)
    with np.errstate(all="ignore"):
        return np.concatenate([values, -values, [math.nan]]).astype(NUMPY[dtype])


@functools.cache
def random(dtype: str, count: int, key: str = "") -> np.ndarray:
    """Random values: for floats a third of random bits, a third of all magnitudes around 1, a third normal."""
    r = rng(dtype, str(count), key)
    if dtype == "bool":
        return r.integers(0, 2, count).astype(bool)
    if dtype in INTEGERS:
        info = np.iinfo(dtype)
        full = r.integers(info.min, info.max, count, endpoint=True, dtype=dtype)
        small = r.integers(0 if info.min == 0 else -20, 20, count).astype(dtype)
        return np.where(r.random(count) < 0.5, full, small)
    kind = NUMPY[dtype]
    bits = r.integers(0, 2 ** (8 * kind.itemsize) - 1, count, endpoint=True, dtype=BITS[kind.itemsize]).view(kind)
    limit = 6 if kind.itemsize == 2 else 20
    wide = (np.exp(r.uniform(-limit, limit, count)) * np.where(r.random(count) < 0.5, -1, 1)).astype(kind)
    plain = (r.normal(size=count) * 3).astype(kind)
    return np.choose(r.integers(0, 3, count), [bits, wide, plain])


def arguments(name: str, dtype: str, count: int = 2000) -> tuple[np.ndarray, ...]:
    """Arrays for a function at a compute dtype: combinations of special values (fewer for three), and random ones."""
    dtypes = FUNCTIONS[name].argument_dtypes(dtype)
    lists = [special(d) for d in dtypes]
    if len(dtypes) == 3:
        lists = [values[:: max(1, len(values) // 12)] for values in lists]
    grid = list(zip(*itertools.product(*lists), strict=True))
    columns = []
    for i, d in enumerate(dtypes):
        columns.append(np.concatenate([np.array(grid[i], NUMPY[d]), random(d, count, f"{name}{i}")]))
    return tuple(columns)


def canonical_bits(values: np.ndarray) -> np.ndarray:
    """The bits of an array, every NaN with the same ones (NaN payloads and signs are outside the bit contract)."""
    values = np.ascontiguousarray(values)
    bits = values.view(BITS[values.dtype.itemsize]).copy()
    if values.dtype.kind not in "iub":
        with np.errstate(invalid="ignore"):
            bits[np.isnan(values)] = np.array([math.nan], values.dtype).view(bits.dtype)[0]
    return bits


def differences(got: np.ndarray, expected: np.ndarray, *inputs: np.ndarray) -> list[str]:
    """One line for each of the first ten elements whose bits differ."""
    assert got.dtype == expected.dtype and got.shape == expected.shape, (got.dtype, expected.dtype)
    at = np.flatnonzero(canonical_bits(got) != canonical_bits(expected))
    lines = [f"{[x[i].item() for x in inputs]}: {got[i].item()!r}, expected {expected[i].item()!r}" for i in at[:10]]
    return [f"{len(at)} of {len(got)} differ", *lines] if len(at) else []

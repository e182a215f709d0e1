"""The distributions in NumPy, from words of Philox by Python's integers."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ...dtypes import as_dtype

MASK = (1 << 32) - 1
DIGITS = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}


def philox(counter: int, stream: int, key: int) -> int:
    """The first 64 bits of Philox 4x32-10."""
    c = [counter & MASK, counter >> 32, stream & MASK, stream >> 32]
    k = [key & MASK, key >> 32]
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k[0], p1 & MASK, (p0 >> 32) ^ c[3] ^ k[1], p0 & MASK]
        k = [(k[0] + 0x9E3779B9) & MASK, (k[1] + 0xBB67AE85) & MASK]
    return c[1] << 32 | c[0]


def words(state: np.ndarray, shape: tuple[int, ...], further: int = 0) -> np.ndarray:
    """64 random bits for each element of a shape."""
    stream, key = (int(state[0]) + further) % 2**64, int(state[1])
    return np.array([philox(i, stream, key) for i in range(prod(shape))], np.uint64).reshape(shape)


def _unit(state: np.ndarray, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    digits = DIGITS[as_dtype(dtype).name]
    word = words(state, shape)
    whole = word >> np.uint64(64 - digits) if digits > 32 else (word & np.uint64(MASK)) >> np.uint64(32 - digits)
    return whole.astype(np.float64) * 2.0**-digits


def _wide(dtype: Any) -> str:
    return as_dtype(dtype).accumulator


def uniform(
    state: np.ndarray, low: np.ndarray | None, high: np.ndarray | None, shape: tuple[int, ...], dtype: Any
) -> np.ndarray:
    if low is None or high is None:
        return _unit(state, shape, dtype)
    start, end = low.astype(np.float64), high.astype(np.float64)
    return start + (end - start) * _unit(state, shape, _wide(dtype))


def exponential(state: np.ndarray, scale: np.ndarray | None, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    result = -np.log1p(-_unit(state, shape, _wide(dtype)))
    return result if scale is None else result * scale.astype(np.float64)


def bernoulli(state: np.ndarray, p: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return _unit(state, shape, _wide(p.dtype)) < p.astype(np.float64)


def integers(state: np.ndarray, shape: tuple[int, ...], dtype: Any, long: bool) -> np.ndarray:
    low, count = int(state[2]), int(state[3])
    its = as_dtype(dtype)
    bits = 8 * its.itemsize
    first, second = words(state, shape), words(state, shape, 1)

    def one(a: int, b: int) -> int:
        if long:
            chosen = (a << 64 | b) * count >> 128 if count else a
        else:
            chosen = a * count >> 64
        value = (low + chosen) % 2**bits
        return value - 2**bits if its.kind == "i" and value >> (bits - 1) else value

    values = [one(int(a), int(b)) for a, b in zip(first.flat, second.flat, strict=True)]
    return np.array(values, its.numpy).reshape(shape)

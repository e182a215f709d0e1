"""The distributions in NumPy, from words of Philox."""

from __future__ import annotations

from math import erfc, nan, prod, sqrt
from statistics import NormalDist
from typing import Any

import numpy as np

from ...conversion import DIGITS
from ...dtypes import as_dtype

MASK = (1 << 32) - 1
PI = np.longdouble("3.14159265358979323846264338327950288")


def philox(counter: Any, stream: int, key: int) -> Any:
    """The first 64 bits of Philox 4x32-10, of a counter or an array of them, in words of 32 bits held in 64."""
    low, half = np.uint64(MASK), np.uint64(32)
    c = [np.asarray(counter, np.uint64) & low, np.asarray(counter, np.uint64) >> half]
    c += [np.full(c[0].shape, word, np.uint64) for word in (stream & MASK, stream >> 32)]
    k = [key & MASK, key >> 32]
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [(p1 >> half) ^ c[1] ^ np.uint64(k[0]), p1 & low, (p0 >> half) ^ c[3] ^ np.uint64(k[1]), p0 & low]
        k = [(k[0] + 0x9E3779B9) & MASK, (k[1] + 0xBB67AE85) & MASK]
    return c[1] << half | c[0]


def words(state: np.ndarray, shape: tuple[int, ...], further: int = 0) -> np.ndarray:
    """64 random bits for each element of a shape."""
    stream, key = (int(state[0]) + further) % 2**64, int(state[1])
    made: np.ndarray = philox(np.arange(prod(shape), dtype=np.uint64), stream, key).reshape(shape)
    return made


def _unit(state: np.ndarray, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    digits = DIGITS[as_dtype(dtype).name]
    word = words(state, shape)
    whole = word >> np.uint64(64 - digits) if digits > 32 else (word & np.uint64(MASK)) >> np.uint64(32 - digits)
    return whole.astype(np.float64) * 2.0**-digits


def _inside(share: np.ndarray, digits: int) -> np.ndarray:
    return share * (1 - 2.0**-digits) + 2.0 ** -(digits + 1)


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


def _normal(state: np.ndarray, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    first = words(state, shape)
    if _wide(dtype) == "float64":
        radius = first.astype(np.longdouble) * 2.0**-64 + 2.0**-65
        turn = (words(state, shape, 1) >> np.uint64(11)).astype(np.longdouble) * 2.0**-53
    else:
        radius = (first & np.uint64(MASK)).astype(np.float64) * 2.0**-32 + 2.0**-33
        turn = (first >> np.uint64(40)).astype(np.float64) * 2.0**-24
    return np.sqrt(-2 * np.log(radius)) * np.cos(turn * 2 * PI)


def normal(
    state: np.ndarray, loc: np.ndarray | None, scale: np.ndarray | None, shape: tuple[int, ...], dtype: Any
) -> np.ndarray:
    result = _normal(state, shape, dtype)
    if loc is None or scale is None:
        return result
    return loc.astype(np.float64) + scale.astype(np.float64) * result


def truncated_normal(
    state: np.ndarray,
    loc: np.ndarray,
    scale: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    shape: tuple[int, ...],
    dtype: Any,
) -> np.ndarray:
    """In float64 with the inverse of the standard library; NaN, which is no answer, for float64."""
    kind = _wide(dtype)
    if kind == "float64":
        return np.full(shape, np.nan)
    mean, deviation, start, end = (np.broadcast_to(x.astype(np.float64), shape) for x in (loc, scale, low, high))
    share = _inside(_unit(state, shape, kind), DIGITS[kind])
    law = NormalDist()

    def one(m: float, s: float, a: float, b: float, u: float) -> float:
        if not (s > 0 and a <= b):
            return nan
        first, last = (a - m) / s, (b - m) / s
        upper = first > 0
        first, last = (-last, -first) if upper else (first, last)
        least, greatest = (erfc(-x / sqrt(2)) / 2 for x in (first, last))
        p = least + (greatest - least) * u
        z = law.inv_cdf(p) if p else last
        return min(max(m + s * (-z if upper else z), a), b)

    columns = (x.ravel().tolist() for x in (mean, deviation, start, end, share))
    return np.array([one(*row) for row in zip(*columns, strict=True)], np.float64).reshape(shape)


def race(state: np.ndarray, p: np.ndarray) -> np.ndarray:
    kind = _wide(p.dtype)
    r = (words(state, p.shape) >> np.uint64(1)).astype(kind).astype(np.longdouble) * 2.0**-63 + 2.0**-64
    with np.errstate(all="ignore"):
        time = np.minimum(-np.log1p(-r.astype(kind).astype(np.longdouble)) / p.astype(np.float64), np.finfo(kind).max)
    return np.where(p > 0, time, np.inf)


def gamma_attempt(state: np.ndarray, alpha: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    kind, digits = _wide(alpha.dtype), DIGITS[_wide(alpha.dtype)]
    a = np.broadcast_to(alpha.astype(np.longdouble), shape)
    third, fourth = (np.array([int(state[0]) + k & 2**64 - 1, state[1]], np.uint64) for k in (2, 3))
    d = np.where(a < 1, a + 1, a) - np.longdouble(1) / 3
    z = _normal(state, shape, kind).astype(np.longdouble)
    v = (1 + z / np.sqrt(9 * d)) ** 3
    u = _unit(third, shape, kind) + 2.0 ** -(digits + 1)
    accepted = (v > 0) & (np.log(u) < z * z / 2 + d * (1 - v + np.log(np.where(v > 0, v, 1))))
    power = _inside(_unit(fourth, shape, kind), digits) ** (1 / np.where(a < 1, a, 1))
    return d * v * np.where(a < 1, power, 1), accepted


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

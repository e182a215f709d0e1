"""Elements by regime: what a fault needs to show, from a seeded generator."""

from __future__ import annotations

from math import prod

import ml_dtypes
import numpy as np

from ..dtypes import DType

REGIMES = ("integers", "normal", "special", "wide", "huge", "tiny")
"""Of ordinary examples: small integers; standard normal; special values among them; magnitudes over the dtype's whole
range; next to its largest number; subnormal and next to its smallest."""

CRAFTED = ("cancelling", "near one", "few", "first", "last", "zeros", "nothing", "limits", "halfway")
"""Of edge examples: terms of many magnitudes whose sum along the last axis is nearly zero; products that neither
overflow nor vanish; few distinct values, so that there are ties; zeros but for the first or the last element; -0; -inf;
next to the limits of the integer dtypes; next to halfway between two 16-bit or float32 numbers."""


def values(rng: np.random.Generator, dtype: DType, shape: tuple[int, ...], regime: str) -> np.ndarray:
    """An array of elements of a regime. Integers and booleans have fewer regimes: each stands for its nearest."""
    make = _floats if dtype.kind == "f" else _integers if dtype.kind in "iu" else _booleans
    if regime in ("first", "last"):
        made = np.zeros(prod(shape), dtype.numpy)
        made[(0 if regime == "first" else -1) if made.size else slice(0)] = 1
        return made.reshape(shape)
    with np.errstate(all="ignore"):
        return np.asarray(np.asarray(make(rng, dtype, shape, regime)).astype(dtype.numpy), dtype.numpy)


def _booleans(rng: np.random.Generator, dtype: DType, shape: tuple[int, ...], regime: str) -> np.ndarray:
    return np.zeros(shape, bool) if regime == "zeros" else rng.integers(0, 2, shape).astype(bool)


def _integers(rng: np.random.Generator, dtype: DType, shape: tuple[int, ...], regime: str) -> np.ndarray:
    info = np.iinfo(dtype.numpy)
    if regime == "zeros":
        return np.zeros(shape)
    if regime in ("integers", "normal", "few"):
        return rng.integers(max(info.min, -9), 10, shape)
    if regime == "near one":
        return rng.choice(np.array([1, 3, 5, info.max], dtype.numpy), shape)
    made = rng.integers(info.min, info.max, shape, dtype=dtype.numpy, endpoint=True)
    edges = np.array([info.min, info.max, 0, 1, info.max // 2], dtype.numpy)
    return np.where(rng.random(shape) < 0.3, rng.choice(edges, shape), made)


def _floats(rng: np.random.Generator, dtype: DType, shape: tuple[int, ...], regime: str) -> np.ndarray:
    info = ml_dtypes.finfo(dtype.numpy)
    low, high = float(np.log2(float(info.smallest_subnormal))), float(np.log2(float(info.max)))
    if regime == "integers":
        return rng.integers(-9, 10, shape)
    if regime == "few":
        return rng.choice([-1.5, -0.0, 0.0, 2.0], shape)
    if regime == "zeros":
        return np.full(shape, -0.0)
    if regime == "nothing":
        return np.full(shape, -np.inf)
    if regime == "normal":
        return rng.standard_normal(shape)
    if regime in ("cancelling", "limits", "halfway"):
        return {"cancelling": _cancelling, "limits": _limits, "halfway": _halfway}[regime](rng, dtype, shape)
    signs = rng.choice([-1.0, 1.0], shape)
    if regime == "near one":
        return signs * (1 + 0.03 * (rng.random(shape) - 0.5))
    if regime == "huge":
        return signs * np.exp2(high - 4 * rng.random(shape))
    if regime == "tiny":
        return signs * np.exp2(low + 14 * rng.random(shape))
    made = signs * np.exp2(low + (high - low) * rng.random(shape))
    if regime == "special":
        made = np.where(rng.random(shape) < 0.5, rng.standard_normal(shape), made)
        smallest, largest = float(info.smallest_subnormal), float(info.max)
        edges = [0.0, -0.0, np.inf, -np.inf, np.nan, 1, -1, 0.5, 2, largest, -largest, smallest, -smallest]
        edges += [float(info.smallest_normal), 1.5, 2.5, -0.5]
        made = np.where(rng.random(shape) < 0.4, rng.choice(edges, shape), made)
    return made


def _cancelling(rng: np.random.Generator, dtype: DType, shape: tuple[int, ...]) -> np.ndarray:
    """Pairs of a number and its negative, shuffled: what is left of their sum is roundings only, so that their order
    shows in every dtype, in 16-bit results as well."""
    *rows, n = shape
    half = rng.standard_normal((*rows, n // 2)) * np.exp2(rng.integers(-10, 10, (*rows, n // 2)))
    return rng.permuted(np.concatenate([half, -half, np.zeros((*rows, n % 2))], axis=-1), axis=-1)


def _limits(rng: np.random.Generator, dtype: DType, shape: tuple[int, ...]) -> np.ndarray:
    edges = [float(limit) for bits in (8, 16, 32, 64) for limit in (2.0**bits, 2.0 ** (bits - 1), -(2.0 ** (bits - 1)))]
    near = rng.choice(edges, shape) + rng.choice([-1.0, -0.5, 0.0, 0.0, 0.5, 1.0], shape)
    near = np.nextafter(near.astype(dtype.numpy), rng.choice([-np.inf, np.inf], shape).astype(dtype.numpy))
    near = np.where(rng.random(shape) < 0.5, near.astype(np.float64), rng.choice(edges, shape))
    odd = rng.choice([np.nan, np.inf, -np.inf, 0.5, -0.5, -0.0, 1.5, -1.5], shape)
    return np.where(rng.random(shape) < 0.3, odd, near)


def _halfway(rng: np.random.Generator, dtype: DType, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers of a narrower dtype, plus half the distance to the next, plus nothing or so little that a rounding in
    between loses it."""
    bits = rng.choice([8, 11, 24], shape)  # of the significands of bfloat16, float16 and float32
    whole = np.floor(np.exp2(bits - 1) * (1 + rng.random(shape)))
    little = rng.choice([-1.0, 0.0, 1.0], shape) * rng.choice([2.0**-16, 2.0**-28], shape)
    return rng.choice([-1.0, 1.0], shape) * (whole + 0.5 + little) * np.exp2(rng.integers(-12, 3, shape) - bits)

"""Further distributions in NumPy, from words of Philox."""

from __future__ import annotations

from math import lgamma
from typing import Any

import numpy as np

from .exact_random import MASK, PI, _unit, _wide, normal, words


def _fine(state: np.ndarray, shape: tuple[int, ...], kind: str) -> np.ndarray:
    word = words(state, shape)
    if kind == "float64":
        return word.astype(np.float64).astype(np.longdouble) * 2.0**-64 + 2.0**-65
    return (word & np.uint64(MASK)).astype(np.float32).astype(np.longdouble) * 2.0**-32 + 2.0**-33


def _either(state: np.ndarray, shape: tuple[int, ...], kind: str) -> np.ndarray:
    return 1.0 - 2.0 * (words(state, shape, int(kind == "float64")) >> np.uint64(63)).astype(np.float64)


def law(
    state: np.ndarray, first: np.ndarray, second: np.ndarray, law: str, shape: tuple[int, ...], dtype: Any
) -> np.ndarray:
    """By its inverse distribution function, of v as the dtype has it."""
    kind = _wide(dtype)
    v, sign = _fine(state, shape, kind), _either(state, shape, kind)
    v = v.astype(kind).astype(np.longdouble)
    a, b = (x.astype(np.longdouble) for x in (first, second))
    two = law in ("laplace", "logistic", "gumbel", "cauchy")
    with np.errstate(all="ignore"):
        if law == "laplace":
            value = a - b * sign * np.log(v)
        elif law == "logistic":
            value = a + b * sign * (np.log1p(-v / 2) - np.log(v / 2))
        elif law == "gumbel":
            value = a - b * np.log(-np.log1p(-np.minimum(v, 1 - 2.0 ** -(53 if kind == "float64" else 24))))
        elif law == "cauchy":
            value = a + b * sign * np.cos(v * PI / 2) / np.sin(v * PI / 2)
        elif law == "rayleigh":
            value = a * np.sqrt(-2 * np.log(v))
        elif law == "weibull":
            value = (-np.log(v)) ** (1 / a)
        elif law == "pareto":
            value = np.expm1(-np.log(v) / a)
        else:
            value = v ** (1 / a)
    return np.where((b if two else a) > 0, value, np.nan)


def triangular(
    state: np.ndarray, left: np.ndarray, mode: np.ndarray, right: np.ndarray, shape: tuple[int, ...], dtype: Any
) -> np.ndarray:
    kind = _wide(dtype)
    low, top, high = (x.astype(np.longdouble) for x in (left, mode, right))
    v = _fine(state, shape, kind).astype(kind).astype(np.longdouble)
    with np.errstate(all="ignore"):
        rising = low + np.sqrt(v * (high - low) * (top - low))
        falling = high - np.sqrt((1 - v) * (high - low) * (high - top))
        value = np.where(v <= (top - low) / (high - low), rising, falling)
    return np.where((low <= top) & (top <= high) & (low < high), value, np.nan)


def lognormal(
    state: np.ndarray, mean: np.ndarray | None, sigma: np.ndarray | None, shape: tuple[int, ...], dtype: Any
) -> np.ndarray:
    return np.exp(normal(state, mean, sigma, shape, dtype))


def geometric(state: np.ndarray, p: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    q = p.astype(np.float64)
    v = _fine(state, shape, "float32").astype(np.float32).astype(np.float64)
    with np.errstate(all="ignore"):
        count = np.maximum(np.ceil(np.log(v) / np.log1p(-q)), 1.0)
        count = np.where(q < 1, np.minimum(count, 2.0**62), 1.0)
    return np.where((q > 0) & (q <= 1), count, 0.0).astype(np.int64)


def _factorials(x: np.ndarray) -> np.ndarray:
    return np.vectorize(lambda k: lgamma(max(k, 0.0) + 1.0), otypes=[float])(x)


def _hat(state: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, ...]:
    share, second = _unit(state, shape, "float32"), np.array([int(state[0]) + 1 & 2**64 - 1, state[1]], np.uint64)
    u = share - (0.5 - 2.0**-25)
    return share, u, np.maximum(0.5 - np.abs(u), 2.0**-25), _unit(second, shape, "float32") + 2.0**-25


def _few(u: np.ndarray, first: np.ndarray, ratio: Any) -> np.ndarray:
    each = total = first
    count = (u >= total).astype(np.float64)
    for k in range(1, 40):
        each = each * ratio(k)
        total = total + each
        count += u >= total
    return count


def poisson_attempt(state: np.ndarray, mean: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    share, u, near, v = _hat(state, shape)
    its = np.broadcast_to(mean.astype(np.float64), shape)
    known = (its >= 0) & (its < np.inf)
    large = known & (its >= 10)
    small, big = np.where(known & ~large, its, 0), np.where(large, its, 10)
    few = _few(share, np.exp(-small), lambda k: small / k)
    b = 0.931 + 2.53 * np.sqrt(big)
    a = 0.02483 * b - 0.059
    k = np.floor((2 * a / near + b) * u + big + 0.43)
    hat = np.log(v * (1.1239 + 1.1328 / (b - 3.4)) / (a / near**2 + b))
    accepted = (near >= 0.07) & (v <= 0.9277 - 3.6224 / (b - 2))
    accepted |= ~((k < 0) | ((near < 0.013) & (v > near))) & (hat <= k * np.log(big) - big - _factorials(k))
    return np.where(large, k, np.where(known, few, -1.0)), ~large | accepted


def binomial_attempt(
    state: np.ndarray, n: np.ndarray, p: np.ndarray, shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    share, u, near, v = _hat(state, shape)
    trials, chance = (np.broadcast_to(x.astype(np.float64), shape) for x in (n, p))
    known = (trials >= 0) & (trials < 2.0**63) & (chance >= 0) & (chance <= 1)
    often = chance > 0.5
    rare = np.where(known, np.where(often, 1 - chance, chance), 0)
    trials = np.where(known, trials, 0)
    large = trials * rare >= 10
    odds = np.where(large, 0, rare) / (1 - rare)
    few = _few(
        share,
        np.exp(np.where(large, 0, trials * np.log1p(-rare))),
        lambda k: np.maximum(trials - (k - 1), 0) * odds / k,
    )
    count, q = np.where(large, trials, 40), np.where(large, rare, 0.5)
    spread = np.sqrt(count * q * (1 - q))
    b = 1.15 + 2.53 * spread
    a = 0.0248 * b - 0.0873 + 0.01 * q
    k = np.floor((2 * a / near + b) * u + count * q + 0.5)
    m = np.floor((count + 1) * q)

    def probability(x: np.ndarray) -> np.ndarray:
        return x * np.log(q) + (count - x) * np.log1p(-q) - _factorials(x) - _factorials(count - x)

    hat = np.log(v * ((2.83 + 5.1 / b) * spread) / (a / near**2 + b))
    accepted = (near >= 0.07) & (v <= 0.92 - 4.2 / b) | (hat <= probability(k) - probability(m))
    accepted &= (k >= 0) & (k <= count)
    value = np.where(large, k, np.minimum(few, trials))
    value = np.where(often, trials - value, value)
    return np.where(known, value, -1.0), ~large | accepted

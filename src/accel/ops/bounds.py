"""Error bounds: from a dtype's unit roundoff and the depth of the canonical order, never a hand-picked tolerance."""

from __future__ import annotations

from math import inf
from typing import Any

import ml_dtypes
import numpy as np

from ..config import config
from ..dtypes import FLOAT32, DType
from ..numerics import BLOCK, KC, LANES, SCAN


def none(reference: Any, *operands: Any, **keywords: Any) -> Any:
    """No error allowed: zeros like the result, or each of several."""
    if isinstance(reference, tuple):
        return tuple(np.zeros(np.shape(one)) for one in reference)
    return np.zeros(np.shape(reference))


TF32_ROUNDOFF = 2.0**-10
"""Relative error of a float32 operand that "fast" lets matrix units read as TF32 (10 bits of fraction, truncated)."""

FLUSHED = 2.0**-126
"""What "fast" lets float32 arithmetic take for 0 is smaller."""


def unless_fast(dtype: DType, numerics: str) -> str:
    """The class of ops that matrix units may compute in "fast"."""
    return "bound" if numerics == "fast" else "bits"


def unit_roundoff(dtype: DType) -> float:
    """u: half the distance from 1 to the next number."""
    return float(ml_dtypes.finfo(dtype.numpy).eps) / 2


def product_roundoff(dtype: DType) -> float:
    """u of sums of products, which matrix units may compute in "fast"."""
    more = 2 * TF32_ROUNDOFF if config.numerics == "fast" and dtype is FLOAT32 else 0.0
    return unit_roundoff(dtype) + more


def smallest(dtype: DType) -> float:
    """The smallest positive (subnormal) number: the rounding error of a result that underflows is at most half of
    it."""
    return float(ml_dtypes.finfo(dtype.numpy).smallest_subnormal)


def largest(dtype: DType) -> float:
    """The largest finite number."""
    return float(ml_dtypes.finfo(dtype.numpy).max)


def gamma(n: int, u: float) -> float:
    """n u / (1 - n u): relative error of n roundings in a row (Higham, Accuracy and Stability of Numerical Algorithms,
    3.1). From n u = 1 on there is no bound: infinity."""
    return n * u / (1 - n * u) if n * u < 1 else inf


def tree_depth(n: int) -> int:
    """Roundings that an element of a canonical sum of n elements passes through at most."""
    depth = 0
    while n > 1:
        in_block = min(n, BLOCK)
        depth += max(0, -(-in_block // LANES) - 1) + LANES.bit_length() - 1
        n = -(-n // BLOCK)
    return depth


def scan_depth(n: int) -> int:
    """Combinations that an element of a canonical scan of n elements passes through at most: those in its group and in
    the groups of totals above it, and one more between each two levels."""
    levels = 1
    while n > SCAN:
        n, levels = -(-n // SCAN), levels + 1
    return (SCAN.bit_length() - 1) * levels + levels - 1


def dot_depth(k: int) -> int:
    """Roundings on the longest path of a canonical dot product of k terms: one chunk's fma chain, then the chunks'
    additions."""
    return min(k, KC) + max(0, -(-k // KC) - 1)


def integral(*operands: np.ndarray) -> bool:
    """Whether all elements are whole numbers."""
    return all(np.all(np.isfinite(w := x.astype(np.float64)) & (w == np.rint(w))) for x in operands)


def rounded(reference: np.ndarray, absolute: np.ndarray, accumulator: DType, output: DType) -> np.ndarray:
    """A bound in the accumulator dtype, plus one rounding to the output dtype; infinite where something may
    overflow."""
    with np.errstate(all="ignore"):
        magnitude = np.abs(reference) + absolute
        bound = np.asarray(absolute)
        if output is not accumulator:
            bound = bound + magnitude * unit_roundoff(output) + smallest(output)
        limit = min(largest(accumulator), largest(output)) * (1 - 2 * unit_roundoff(output))
        return np.where(magnitude < limit, bound, np.inf)

"""Elements left out at random (Srivastava et al. 2014), each by the word of its own counter (docs/numerics.md, "Random
numbers"). `accel.nn`'s functions with torch's names call this op (`accel.ops.dropout`)."""

from __future__ import annotations

from math import sqrt
from typing import Any

from ...array import Array
from ...dtypes import DType
from ..compose import AnyOperand, Operand, composed
from ..primitive.pointwise import fn
from . import exact_dropout
from .random import words

WORDS = 2**32
"""Values of the half of a word that decides."""

SATURATION = 1.7580993408473766
"""-SELU(-infinity), the product of its constants (Klambauer et al. 2017)."""


def examples(dtype: DType) -> Any:
    """Those of the op of this file."""
    from ...testing import dropout_family

    return dropout_family.dropouts(dtype)


def threshold(p: float) -> int:
    """Of the values of the half of a word that decides, how many leave their element out."""
    return round(p * WORDS)


def affine(p: float) -> tuple[float, float]:
    """By what alpha dropout multiplies, and what it adds, to keep mean 0 and variance 1."""
    if threshold(p) == WORDS:
        return 0.0, 0.0
    factor = 1.0 / sqrt((1.0 - p) * (1.0 + p * SATURATION * SATURATION))
    return factor, factor * SATURATION * p


@composed(reference=exact_dropout.random_dropout, samples=examples, namespace="internal")
def random_dropout(x: Operand, state: AnyOperand, p: float, axes: int, alpha: bool) -> Array:
    """x with each element left out with probability p: 0, and the others times 1 / (1 - p); where alpha, the value at
    which SELU saturates, and all scaled to keep mean and variance.

    state: uint64, stream and key. An element, or where axes is less than x.ndim all under one index of x's first axes,
    is left out where the low 32 bits of the word of its place are below p 2^32, rounded to an integer.
    """
    counted = (*x.shape[:axes], *(1,) * (x.ndim - axes))
    left = fn.less(words(state, counted) & (WORDS - 1), threshold(p))
    if alpha:
        factor, shift = affine(p)
        return fn.where(left, -SATURATION, x) * factor + shift  # type: ignore[no-any-return]
    return fn.where(left, 0.0, x * (0.0 if threshold(p) == WORDS else 1.0 / (1.0 - p)))  # type: ignore[no-any-return]

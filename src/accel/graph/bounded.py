"""Numbers with a bound on their own error, and the rounding errors that computing adds to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..dtypes import FLOAT64, DType, as_dtype
from ..ieee import fma64, two_sum
from ..ops import bounds

ROUNDED = 1 + 2.0**-40
"""Growth of a bound that makes up for the roundings of its own computation."""


LEAST = 2.0**-1074
"""What stands for a bound that is not zero, but too small for float64."""


@dataclass(frozen=True)
class Bounded:
    """Elements as they are computed, and a bound on how far each is from its exact value.

    value: of any dtype. error: float64, of the same shape, at least 0: |value - exact| <= error wherever the exact
    value is finite. Of bool, not 0 where the exact value may be the other one. Infinite: nothing is known. 0 of NaN and
    infinity: the exact value is the same.
    """

    value: np.ndarray
    error: np.ndarray

    @classmethod
    def exact(cls, value: np.ndarray) -> Bounded:
        return cls(value, np.zeros(value.shape))

    @property
    def dtype(self) -> DType:
        return as_dtype(self.value.dtype)

    def wide(self) -> np.ndarray:
        """The elements as float64."""
        return self.value.astype(np.float64)

    def __getitem__(self, key: Any) -> Bounded:
        return self.seen(lambda x: x[key])

    def __neg__(self) -> Bounded:
        return Bounded(-self.value, self.error)

    def seen(self, view: Callable[[np.ndarray], np.ndarray]) -> Bounded:
        """Its elements and their bounds under the same view."""
        return Bounded(view(self.value), view(self.error))


def bounded(value: np.ndarray, error: np.ndarray) -> Bounded:
    """A computed value and its bound, which is infinite where its own computation failed."""
    error = np.broadcast_to(np.asarray(error, np.float64) * ROUNDED, np.shape(value))
    return Bounded(np.asarray(value), np.where(np.isnan(error), np.inf, error))


def unit(magnitude: np.ndarray, dtype: DType) -> np.ndarray:
    """The distance of a dtype's floats around a magnitude."""
    u, least = bounds.unit_roundoff(dtype), bounds.smallest(dtype)
    power = np.ldexp(1.0, np.frexp(magnitude)[1] - 1)
    return np.where(np.isfinite(magnitude), np.maximum(2 * u * power, least), np.inf)


def rounding(value: np.ndarray, ulp: float, dtype: DType) -> np.ndarray:
    """Of float64 values that a dtype holds, each at most so many units from the exact result: the largest error. The
    exact result may lie where units are twice as large."""
    magnitude = np.abs(value)
    if ulp > 0.5:
        magnitude = magnitude + 2 * ulp * unit(magnitude, dtype)
    return np.maximum(ulp * unit(magnitude, dtype), LEAST)


def rounding_of(number: bool | int | float, value: np.ndarray) -> np.ndarray:
    """The error of a Python number as an element of a floating dtype. One in float64 with more than half of its digits
    may itself be rounded."""
    y, dtype = value.astype(np.float64), as_dtype(value.dtype)
    if dtype is FLOAT64:
        with np.errstate(all="ignore"):
            short = y == y.astype(np.float32)
        return np.where(short | ~np.isfinite(y), 0.0, rounding(y, 0.5, dtype))
    exact = np.float64(number)
    with np.errstate(invalid="ignore"):  # of infinities
        return np.where(y == exact, 0.0, np.where(np.isnan(exact), 0.0, np.abs(y - exact)))


def _sum_is(y: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    total, rest = two_sum(a, b)
    return (total == y) & (rest == 0)


def _product_is(y: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (fma64(a, b, -y) == 0) & _far_from_underflow(y, a * b)


def _far_from_underflow(y: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Whether a residual of zero in float64 proves that there is none."""
    return (np.abs(value) > 2.0**-900) | ((value == 0) & (y == 0))


EXACTLY: dict[str, Callable[..., np.ndarray]] = {
    "add": _sum_is,
    "subtract": lambda y, a, b: _sum_is(y, a, -b),
    "multiply": lambda y, a, b: _product_is(y, a, b) & ((y != 0) | (a == 0) | (b == 0)),
    "square": lambda y, a: _product_is(y, a, a) & ((y != 0) | (a == 0)),
    "divide": lambda y, a, b: _product_is(a, y, b) & ((y != 0) | (a == 0)),
    "reciprocal": lambda y, a: _product_is(np.ones_like(a), y, a),
    "sqrt": lambda y, a: _product_is(a, y, y) & ((y != 0) | (a == 0)),
}
"""Whether a correctly rounded result y, in float64, is the exact one: those errors are zero."""

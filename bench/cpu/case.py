"""A case: one call of accel, the same call of its peers, the right answer, and the limit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..machine.limits import Limit

if TYPE_CHECKING:
    from .data import Data

MAX_SAMPLE = 1 << 16
"""Results that are compared with the float64 answer, about."""


@dataclass(frozen=True)
class Calls:
    """accel: the call. peers: of NumPy and torch, by name. expected: takes a function that gives a NumPy array's
    sample, and returns the sample of the float64 answer (see `sample_of`)."""

    accel: Callable[[], Any]
    peers: dict[str, Callable[[], Any]]
    expected: Callable[[], np.ndarray]
    sample: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Case:
    """name: shapes and layout. dtype: of the operands. build: makes the calls, and may raise what accel raises."""

    name: str
    dtype: str
    build: Callable[[Data], Calls] = field(compare=False)
    limit: Limit | None = None


def sampled(x: np.ndarray) -> np.ndarray:
    """About MAX_SAMPLE elements, taken evenly along the first axis."""
    return x[:: max(1, min(x.size // MAX_SAMPLE, len(x)))] if x.ndim else x

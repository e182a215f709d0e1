"""A case: one call of accel, the same call of its peers, the right answer, and the limit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .limits import Limit

if TYPE_CHECKING:
    from .data import Data

TOLERANCE = {"float64": 1e-9, "float32": 2e-4, "float16": 2e-2, "bfloat16": 5e-2}
"""Difference from the float64 answer, as a share of the answer plus that of its typical size. Only to tell right from
wrong: the bit contract has tests of its own."""

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


def wrong(got: np.ndarray, want: np.ndarray) -> str | None:
    """What is wrong with a sample of a result, or None."""
    if got.shape != want.shape:
        return f"shape {got.shape}, expected {want.shape}"
    dtype = got.dtype.name
    values, answer = (np.asarray(x, np.float64) for x in (got, want))
    if dtype in TOLERANCE:
        finite = np.abs(answer[np.isfinite(answer)])
        scale = finite.mean() if finite.size else 0.0
        with np.errstate(all="ignore"):
            near = np.abs(values - answer) <= TOLERANCE[dtype] * (np.abs(answer) + scale)
        right = near | (values == answer) | (np.isnan(values) & np.isnan(answer))
    else:
        right = values == answer
    if right.all():
        return None
    at = int(np.flatnonzero(~right.ravel())[0])
    count = int((~right).sum())
    return f"{count} of {right.size} compared are wrong; the first is {values.flat[at]} and not {answer.flat[at]}"

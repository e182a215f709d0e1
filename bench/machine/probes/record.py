"""What a probe found, and how much time it may take."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from ....errors import AccelError

Clock = Callable[[], float]


@dataclass(frozen=True)
class Probe:
    """One row of a result file's ``probes``.

    id: unique, such as ``read/16384`` or ``matmul/float32``. kind: what stands before the stroke, or ``launch``,
    ``overhead``, ``copy-in``, ``copy-out``. dtype: None where it has none. working_set: bytes that all arrays together
    take at most, None where memory does not matter. unit: B/s, op/s, 1/s, s or 1. value: in this unit; None where the
    device refused, and then note says why. samples: in the order in which they were taken. how: ``instructions`` (a
    native probe) or ``program`` (calls of accel); None where only the device's driver is called.
    """

    id: str
    kind: str
    dtype: str | None
    working_set: int | None
    unit: str
    value: float | None
    samples: tuple[float, ...]
    how: str | None
    note: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The row."""
        return asdict(self) | {"samples": list(self.samples)}


TYPICAL = ("launch", "overhead")
"""Kinds of which the median counts: a latency, and the rate of launches. Of the others, which are limits, the largest
sample does, because whatever disturbs one only lowers it."""


def value(kind: str, samples: Sequence[float]) -> float:
    """What the samples say."""
    return median(samples) if kind in TYPICAL else max(samples)


def measured(
    id: str, unit: str, samples: Sequence[float], how: str | None, *, dtype: str | None = None,
    working_set: int | None = None, note: str | None = None,
) -> Probe:  # fmt: skip
    """A probe's row."""
    kind = id.partition("/")[0]
    return Probe(id, kind, dtype, working_set, unit, value(kind, samples), tuple(samples), how, note)


def refused(id: str, kind: str, unit: str, dtype: str | None, why: str) -> Probe:
    """A probe that could not be taken."""
    return Probe(id, kind, dtype, None, unit, None, (), None, why)


@dataclass(frozen=True)
class Effort:
    """samples: of each probe. call_s: seconds that one call of the largest matmul may take. sustained_s: seconds of the
    sustained run; 0 leaves it out."""

    samples: int
    call_s: float
    sustained_s: float


QUICK, FULL = Effort(samples=5, call_s=0.06, sustained_s=0.0), Effort(samples=11, call_s=0.5, sustained_s=30.0)

SAMPLE_SECONDS, SAMPLE_CALLS = 10e-3, 50
"""A sample repeats its call until it has taken so long, or so many times."""


def rounds(
    calls: Mapping[str, Callable[[], object]],
    synchronize: Callable[[], None],
    samples: int,
    clock: Clock = time.perf_counter,
) -> dict[str, list[float] | AccelError]:
    """Seconds of one call in each sample, the device's work included, or what the call raised.

    A round takes one sample of each call, so that whatever disturbs the machine for a while does not meet every sample
    of one. The first call, which may compile, is not counted, nor is one before each sample, which brings the call's
    own data back into the caches.
    """
    found: dict[str, list[float] | AccelError] = {}
    repeats: dict[str, int] = {}
    for name, call in calls.items():
        try:
            _seconds(call, synchronize, 1, clock)
            took = max(_seconds(call, synchronize, 1, clock), 1e-9)
            repeats[name], found[name] = max(1, min(SAMPLE_CALLS, math.ceil(SAMPLE_SECONDS / took))), []
        except AccelError as error:
            found[name] = error
    for _ in range(samples):
        for name, count in repeats.items():
            _seconds(calls[name], synchronize, 1, clock)
            found[name].append(_seconds(calls[name], synchronize, count, clock))  # type: ignore[union-attr]
    return found


def seconds_per_call(
    call: Callable[[], object], synchronize: Callable[[], None], samples: int, clock: Clock = time.perf_counter
) -> list[float]:
    """The same of a single call, which may raise."""
    (found,) = rounds({"": call}, synchronize, samples, clock).values()
    if isinstance(found, AccelError):
        raise found
    return found


def _seconds(call: Callable[[], object], synchronize: Callable[[], None], count: int, clock: Clock) -> float:
    begin = clock()
    for _ in range(count):
        call()
    synchronize()
    return (clock() - begin) / count

"""Operands that come from memory: by calls that take turns with copies of them, or by emptying the caches.

Turns are what a model does, layer after layer: threads and code stay warm, and calls may be repeated. They need copies
that are together twice as large as the last-level cache; of small operands these would be too many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import ceil
from typing import Any

import numpy as np

from ... import recording, registry
from ...array import Array
from ...backends.base import Device
from ...conversion import from_numpy

UNKNOWN_CACHE = 64 << 20
"""Bytes taken for the last-level cache where neither the system nor a probe tells."""

MAX_COPIES = 64
"""Copies of the operands at most; where more would be needed, the caches are emptied before each call."""

PLATEAU = 1.4
"""A rung whose read bandwidth is so many times that of the largest rung is in a cache."""


def last_level_cache(device: dict[str, Any], host: dict[str, Any], probes: Sequence[dict[str, Any]]) -> int:
    """Bytes of the largest cache: the larger of what the host's system says (of a device that is the host's CPU) and
    the largest working set that the probes read at a cache's bandwidth. device, host, probes: as in a result file."""
    told = max(host["caches"].values(), default=0) if device["kind"] not in ("gpu", "accelerator") else 0
    rungs = sorted((p["working_set"], p["value"]) for p in probes if p["kind"] == "read" and p["value"])
    measured = [size for size, rate in rungs if rate > PLATEAU * rungs[-1][1]]
    return max(told, *measured, 0) or UNKNOWN_CACHE


def copies(nbytes: int, cache: int) -> int | None:
    """How many copies of operands of so many bytes take turns: none but themselves (1) where they are twice as large as
    the cache, None where there would be too many."""
    if nbytes >= 2 * cache:
        return 1
    count = ceil(2 * cache / nbytes) + 1 if nbytes else MAX_COPIES + 1
    return count if count <= MAX_COPIES else None


def in_turn(calls: Sequence[Callable[[], object]], turns: Iterator[int]) -> Callable[[], object]:
    """A call that makes the next of the calls each time. turns: counts from 0 on; one for all that are timed together,
    so that each takes the copy that was used longest ago by any of them."""
    count = len(calls)
    return calls[0] if count == 1 else lambda: calls[next(turns) % count]()


def evictor(device: Device, cache: int) -> Callable[[], None]:
    """A call that fills the caches with twice as many other bytes, by the device's own kernels and on all its threads.

    They are read, not written: lines that must be written back would cost the call that is timed after it.
    """
    count, total, copy = 2 * cache // 4, registry.OPS["sum"], registry.OPS["copy"]

    def ones(length: int) -> Array:
        return from_numpy(np.ones(length, np.float32), device, copy=True)

    with recording.recording(run=False) as recorder:
        total.function(ones(16))
    if recording.FALLBACK not in recorder.served_by():
        buffer = ones(count)

        def read() -> None:
            total.function(buffer)
            device.synchronize()

        return read
    half, other = ones(count // 2), ones(count // 2)

    def move() -> None:  # a device that has only a pointwise kernel
        copy.function(half, out=other)
        device.synchronize()

    return move

"""Emptying the caches of a device, so that the next call finds its operands in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import dispatch, registry
from ..array import from_numpy
from ..backends.base import Device

UNKNOWN_CACHE = 64 << 20
"""Bytes taken for the last-level cache where neither the system nor a probe tells."""

PLATEAU = 1.4
"""A rung whose read bandwidth is so many times that of the largest rung is in a cache."""


def last_level_cache(device: dict[str, Any], host: dict[str, Any], probes: Sequence[dict[str, Any]]) -> int:
    """Bytes of the largest cache: the larger of what the host's system says (of a device that is the host's CPU) and
    the largest working set that the probes read at a cache's bandwidth. device, host, probes: as in a result file."""
    told = max(host["caches"].values(), default=0) if device["kind"] not in ("gpu", "accelerator") else 0
    rungs = sorted((p["working_set"], p["value"]) for p in probes if p["kind"] == "read" and p["value"])
    measured = [size for size, rate in rungs if rate > PLATEAU * rungs[-1][1]]
    return max(told, *measured, 0) or UNKNOWN_CACHE


def evictor(device: Device, cache: int) -> Callable[[], None]:
    """A call that fills the caches with twice as many other bytes, by the device's own kernels and on all its threads.

    They are read, not written: lines that must be written back would cost the call that is timed after it.
    """
    count = 2 * cache // 4
    buffer = from_numpy(np.ones(count, np.float32), device, copy=True)
    total, copy = registry.OPS["sum"], registry.OPS["copy"]
    with dispatch.recording(run=False) as recorder:
        total.function(buffer)
    if dispatch.FALLBACK not in recorder.served_by():

        def read() -> None:
            total.function(buffer)
            device.synchronize()

        return read
    half, other = buffer[: count // 2], buffer[count // 2 :]

    def move() -> None:  # a device that has only a pointwise kernel
        copy.function(half, out=other)
        device.synchronize()

    return move

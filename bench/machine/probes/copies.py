"""Copies between the host's memory and the device's."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ....backends.base import Device
from ....errors import AccelError
from .record import Effort, Probe, measured, refused, seconds_per_call

BYTES = 64 << 20
"""Of one copy; an eighth of the device's memory where that is less."""


def probes(device: Device, effort: Effort) -> Iterator[Probe]:
    """copy-in: from pageable host memory to a buffer. copy-out: to a fresh host array, whose pages are part of it."""
    nbytes = BYTES if device.memory is None else max(1, min(BYTES, device.memory // 8))
    calls = {}
    try:
        host = np.random.default_rng(0).integers(0, 256, nbytes, np.uint8)
        buffer = device.allocate(nbytes)
        calls = {
            "copy-in": lambda: device.copy_in(buffer, 0, host),
            "copy-out": lambda: device.copy_out(buffer, 0, nbytes),
        }
        for name, call in calls.items():
            samples = [nbytes / t for t in seconds_per_call(call, device.synchronize, effort.samples)]
            yield measured(name, "B/s", samples, None, working_set=nbytes)
    except AccelError as error:
        yield refused("copy-out" if calls else "copy-in", "copy-out" if calls else "copy-in", "B/s", None, str(error))

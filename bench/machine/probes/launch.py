"""What a call costs beside its work: an addition of two arrays of one element that lie on the device."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np

from .... import add, asarray
from ....backends.base import Device
from ....devices import device as find
from ....errors import AccelError
from .record import Effort, Probe, measured, refused

LATENCIES = 51
"""Samples of the latency; each is the mean of `CALLS` calls, so that the clock's own cost does not count."""

CALLS = 10

LAUNCHES = 1000
"""Calls of one sample of the rate and of the overhead."""


def probes(device: Device, effort: Effort) -> Iterator[Probe]:
    """Latency and rate on the device, and the overhead on the null backend's."""
    try:
        call, synchronize = _addition(device), device.synchronize

        def answered() -> None:
            call()
            synchronize()

        _per_call(answered, lambda: None, LATENCIES)  # compiles
        yield measured(
            "launch/latency", "s", [_per_call(answered, lambda: None, CALLS) for _ in range(LATENCIES)], "program"
        )
        rates = [1 / _per_call(call, synchronize, LAUNCHES) for _ in range(effort.samples)]
        yield measured("launch/rate", "1/s", rates, "program", note=f"{LAUNCHES} calls, synchronised once")
    except AccelError as error:
        yield refused("launch/latency", "launch", "s", None, str(error))
    yield _overhead(effort)


def _overhead(effort: Effort) -> Probe:
    try:
        null = find("null")
        call = _addition(null)
        before = len(null.launches)  # type: ignore[attr-defined]
        try:
            _per_call(call, null.synchronize, LAUNCHES)
            samples = [_per_call(call, null.synchronize, LAUNCHES) for _ in range(effort.samples)]
        finally:
            del null.launches[before:]  # type: ignore[attr-defined]
    except AccelError as error:
        return refused("overhead/dispatch", "overhead", "s", None, str(error))
    return measured("overhead/dispatch", "s", samples, "program", note="the same call on the null backend's device")


def _addition(device: Device) -> Callable[[], object]:
    x, y = (asarray(np.ones(1, np.float32), device=device) for _ in range(2))
    return lambda: add(x, y)


def _per_call(call: Callable[[], object], synchronize: Callable[[], None], count: int) -> float:
    begin = time.perf_counter()
    for _ in range(count):
        call()
    synchronize()
    return (time.perf_counter() - begin) / count

"""Whether the device keeps its pace under load: what heat and power limits take from it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from ....backends.base import Device
from ....errors import AccelError
from .compute import product
from .record import Clock, Effort, Probe, refused

SIDE, WINDOW_SECONDS, LAST_WINDOWS = 1024, 1.0, 5


def probes(device: Device, effort: Effort) -> Iterator[Probe]:
    """sustained/float32: the rate of matmul in the last 5 s over that of the first second; a sample is the ratio of a
    second's."""
    if effort.sustained_s <= 0:
        return
    try:
        rates = windows(product(device, "float32", SIDE), device.synchronize, effort.sustained_s)
    except AccelError as error:
        yield refused("sustained/float32", "sustained", "1", "float32", str(error))
        return
    samples = tuple(rate / rates[0] for rate in rates)
    last = samples[-LAST_WINDOWS:]
    note = f"matmul of {SIDE} for {effort.sustained_s:g} s; a sample is a second"
    yield Probe("sustained/float32", "sustained", "float32", None, "1", sum(last) / len(last), samples, "program", note)


def windows(
    call: Callable[[], object], synchronize: Callable[[], None], seconds: float, clock: Clock = time.perf_counter
) -> list[float]:
    """Calls per second in each window of a second (a longer one where a call takes longer)."""
    call()
    synchronize()
    begin = clock()
    call()
    synchronize()
    chunk = max(1, int(WINDOW_SECONDS / 20 / max(clock() - begin, 1e-9)))
    rates, start = [], clock()
    while clock() - start < seconds:
        count, begin = 0, clock()
        while (took := clock() - begin) < WINDOW_SECONDS:
            for _ in range(chunk):
                call()
            synchronize()
            count += chunk
        rates.append(count / took)
    return rates

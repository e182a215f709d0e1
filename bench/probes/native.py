"""The CPU's limits by native instructions (`accel._cpu.probe`), with the instruction set and threads of the backend.

Samples are taken in rounds over all probes, so that whatever disturbs the machine for a while does not meet every
sample of one.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...backends.base import Device
from ...backends.cpu import isa, threads
from ...config import config
from ..cpu.limits import Limit
from . import ladder
from .record import Effort, Probe, best, refused

ARITHMETIC = {
    "fma/float32": "fma_float32",
    "fma/float64": "fma_float64",
    "dot/int8": "vnni_int8",
    "dot/bfloat16": "bfloat16_dot",
}
"""Kinds of the native probe by the probe's id."""

PAGE = 4096
"""Bytes that a thread takes of each array at least."""

APART = "multiply and add apart: baseline x86-64 has no fma"


def probes(device: Device, effort: Effort) -> Iterator[Probe]:
    """fma and dot by dtype; read, copy and triad by working set."""
    settings = config.current()
    name, count = isa(settings.cpu_isa), threads(settings)
    chosen = limits(ladder.rungs(ladder.cache_bytes(device), device.memory), count)
    rates: dict[str, list[float]] = {id: [] for id in chosen}
    for _ in range(effort.samples):
        for id, limit in chosen.items():
            rate = limit.rate(name, count)
            if rate is not None:
                rates[id].append(1e9 * rate)
    for id, limit in chosen.items():
        kind, _, rest = id.partition("/")
        if limit.working_set:
            yield best(id, "B/s", rates[id], "instructions", working_set=limit.working_set)
        elif rates[id]:
            note = APART if name == "baseline" and kind == "fma" else None
            yield best(id, "op/s", rates[id], "instructions", dtype=rest, note=note)
        else:
            yield refused(id, kind, "op/s", rest, f"{name} on this CPU has no such instruction")


def limits(rungs: list[int], count: int) -> dict[str, Limit]:
    """What is measured, by id. Rungs too small for so many threads are left out: the probe would take a larger one."""
    found = {id: Limit(kind, 1) for id, kind in ARITHMETIC.items()}
    for kind, arrays in ladder.ARRAYS.items():
        found |= {f"{kind}/{size}": Limit(kind, 1, size) for size in rungs if size >= PAGE * count * arrays}
    return found

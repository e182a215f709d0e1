"""The CPU's limits by native instructions (`accel._cpu.probe`), with the instruction set and threads of the backend.

Samples are taken in rounds over all probes, so that whatever disturbs the machine for a while does not meet every
sample of one.
"""

from __future__ import annotations

from collections.abc import Iterator

from ....backends.base import Device
from ....backends.cpu import isa, native, threads
from ....config import config
from ..limits import AVX512_ONLY
from . import ladder
from .record import Effort, Probe, measured, refused

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


MILLISECONDS = 2.0
"""Of a sample: short, so that some are over before the system gives the core to another process."""

LARGE, SAMPLES_EACH = 8 << 20, 3
"""Bytes of a working set from which a round takes one sample of it, as making it takes longest; samples of others."""


def probes(device: Device, effort: Effort) -> Iterator[Probe]:
    """fma and dot by dtype; read, copy and triad by working set."""
    settings = config.current()
    name, count = isa(settings.cpu_isa), threads(settings)
    chosen = limits(ladder.rungs(ladder.cache_bytes(device), device.memory), count)
    rates: dict[str, list[float]] = {id: [] for id in chosen}
    for _ in range(effort.samples):
        for id, (kind, size) in chosen.items():
            if kind in AVX512_ONLY and name != "avx512":
                continue
            for _ in range(1 if size >= LARGE else SAMPLES_EACH):
                rate = native().probe(name, kind, count, MILLISECONDS, size)
                if rate is not None:
                    rates[id].append(1e9 * rate)
    for id, (_, size) in chosen.items():
        kind, _, rest = id.partition("/")
        if size:
            yield measured(id, "B/s", rates[id], "instructions", working_set=size)
        elif rates[id]:
            note = APART if name == "baseline" and kind == "fma" else None
            yield measured(id, "op/s", rates[id], "instructions", dtype=rest, note=note)
        else:
            yield refused(id, kind, "op/s", rest, f"{name} on this CPU has no such instruction")


def limits(rungs: list[int], count: int) -> dict[str, tuple[str, int]]:
    """What is measured, by id: the native probe's kind and working set (0 for arithmetic). Rungs too small for so many
    threads are left out: the probe would take a larger one."""
    found = {id: (kind, 0) for id, kind in ARITHMETIC.items()}
    for kind, arrays in ladder.ARRAYS.items():
        found |= {f"{kind}/{size}": (kind, size) for size in rungs if size >= PAGE * count * arrays}
    return found

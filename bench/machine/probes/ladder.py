"""Bandwidth of read, copy and triad by working set: the plateaus are the caches, the last rung is memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from .... import asarray, copy, empty
from .... import max as largest_of
from ....array import Array
from ....backends.base import Device
from ....errors import AccelError
from ....ops.primitive.pointwise import apply
from ....scalar import program_for
from ..caches import last_level_cache
from .record import Effort, Probe, measured, refused, rounds

ARRAYS = {"read": 1, "copy": 2, "triad": 3}
"""Arrays that a pass goes over, by kind."""

SMALLEST = 16 << 10
"""Bytes of the first rung."""

UNKNOWN_CACHE = 64 << 20
"""Bytes of a last-level cache of which nothing is known, or less than is believed: GPUs report their L2 and keep quiet
on what lies behind it."""


def probes(device: Device, effort: Effort) -> Iterator[Probe]:
    """read/<bytes>, copy/<bytes>, triad/<bytes> by calls of accel on arrays that lie on the device."""
    sets: Sequence[int] = rungs(cache_bytes(device), device.memory)
    try:
        sets, operands = _operands(device, sets)
    except AccelError as error:
        for kind in ARRAYS:
            yield refused(f"{kind}/{sets[0]}", kind, "B/s", None, str(error))
        return
    passes = {
        (kind, size): _pass(kind, operands, size // (4 * count)) for kind, count in ARRAYS.items() for size in sets
    }
    times = rounds(
        {f"{kind}/{size}": call for (kind, size), (call, _) in passes.items()}, device.synchronize, effort.samples
    )
    for (kind, size), (_, moved) in passes.items():
        id = f"{kind}/{size}"
        found = times[id]
        if isinstance(found, AccelError):
            yield refused(id, kind, "B/s", None, str(found))
            continue
        rates = [moved / t for t in found]
        yield measured(id, "B/s", rates, "program", working_set=size, note=NOTES[kind])


def rungs(cache: int, memory: int | None) -> list[int]:
    """Powers of two from 16 KiB to the first that is four times the last-level cache, and at most a quarter of the
    memory."""
    found = [SMALLEST]
    while found[-1] < 4 * cache and (memory is None or 2 * found[-1] <= memory // 4):
        found.append(2 * found[-1])
    return found


def cache_bytes(device: Device) -> int:
    """Size of the device's last-level cache, as far as it is known: for a CPU of any backend all those that the
    process's cores have, for a GPU what its driver reports, but 64 MiB at least."""
    if device.kind == "cpu":
        return last_level_cache() or UNKNOWN_CACHE
    reported = getattr(getattr(device, "cl_device", None), "global_mem_cache_size", 0)
    if hasattr(device, "torch_device"):
        import torch

        reported = torch.cuda.get_device_properties(device.torch_device).L2_cache_size
    return max(reported or 0, UNKNOWN_CACHE)


NOTES = {"read": "max of an array", "copy": "copy into an array", "triad": "sum of two arrays into a third"}
"""What a pass is where it is a program."""


def _operands(device: Device, sets: Sequence[int]) -> tuple[Sequence[int], tuple[Array, Array, Array]]:
    """Three float32 arrays for every rung, random because memory may compress what is not; and the rungs for which the
    device has the memory."""
    block = np.random.default_rng(0).standard_normal(1 << 20, np.float32)
    while True:
        count = sets[-1] // 4
        try:
            x = asarray(np.resize(block, count), device=device)
            y = asarray(np.resize(block, count // 3), device=device)
            return sets, (x, y, empty((count // 2,), device=device))
        except MemoryError:
            if len(sets) == 1:
                raise
            sets = sets[:-1]


def _pass(kind: str, operands: tuple[Array, Array, Array], count: int) -> tuple[Callable[[], object], int]:
    """A call that goes over so many elements of each of its arrays, and the bytes that it moves."""
    x, y, out = (operand[:count] for operand in operands)
    if kind == "read":
        return lambda: largest_of(x), 4 * count
    if kind == "copy":
        return lambda: copy(x, out=out), 8 * count
    program = program_for("add", ("float32", "float32"))
    return lambda: apply(program, x, y, out=out), 12 * count

"""The CPU backend: C++ kernels of the extension `accel._cpu`, in the best instruction set found or the one asked
for."""

from __future__ import annotations

import math
import os
import platform
from functools import cache, lru_cache
from types import ModuleType
from typing import Any

from .. import openmp
from ..config import Settings, config, environment, positive
from ..errors import BackendUnavailableError, ConfigError
from ..packages import SOURCE
from ..system import memory_bytes
from .base import Backend, Call, HostDevice, Prepared, one_launch
from .cpu_quota import quota

RANK = ("baseline", "neon", "avx2", "avx512")
"""Instruction sets from the lowest to the highest."""


@cache
def native() -> ModuleType:
    """The compiled extension; kept, as nothing can be imported while the interpreter shuts down."""
    from .. import _cpu

    openmp.serve(_cpu)
    return _cpu


@lru_cache(maxsize=16)
def isa(wanted: str | None) -> str:
    """The instruction set to use: the best that the build and the CPU have, not above the wanted one.

    Raises ConfigError where the wanted one is not to be had: an explicit choice is never replaced silently.
    """
    have = native().isas()
    if wanted is None:
        return have[0]
    if wanted not in have:
        source = config.origin("cpu_isa") if wanted == config.cpu_isa else "cpu_isa"
        built = native().compiled_isas()
        lacks = "this CPU lacks it" if wanted in built else f"this build was compiled for {', '.join(built)}"
        raise ConfigError(f"{source}={wanted!r} is not available here: {lacks}; expected one of {', '.join(have)}")
    return wanted


def usable_cores() -> int:
    """Cores that this process may use: its affinity, and no more than its control groups' CPU quota, rounded up."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    allowed = quota()
    return cores if allowed is None else max(1, min(cores, math.ceil(allowed)))


def threads(settings: Settings) -> int:
    """Threads of a call: ACCEL_NUM_THREADS, else OMP_NUM_THREADS where that starts with a number that can be served,
    else the cores this process may use."""
    if settings.num_threads is not None:
        return settings.num_threads
    try:
        return positive((environment("OMP_NUM_THREADS") or "").partition(",")[0])
    except ValueError:
        return usable_cores()


def along_axis(call: Call, kernel: Any, axis: int) -> Prepared:
    """The one launch of a kernel that computes rows of one operand along an axis, whose results lie along it too."""
    (x,), (out,) = call.inputs, call.outputs
    kept = [a for a in range(x.ndim) if a != axis]
    shape, out_strides, in_strides = (tuple(of[a] for a in kept) for of in (x.shape, out.strides, x.strides))
    run = kernel.launch(
        shape, out_strides, in_strides, x.shape[axis], out.strides[axis], x.strides[axis], threads(call.settings)
    )
    return one_launch(call, run, kernel)


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


class CpuDevice(HostDevice):
    """All the cores that this process may use."""

    selects = True


class CpuBackend(Backend):
    """One device, ``cpu``."""

    name = "cpu"
    kernels = "accel.kernels.cpu"

    def __init__(self) -> None:
        self._device = CpuDevice(
            backend="cpu",
            name="cpu",
            kind="cpu",
            description=_processor(),
            vendor="",
            memory=memory_bytes(),
            details={"instruction sets": ", ".join(native().isas()), "cores": usable_cores()},
        )

    def devices(self) -> tuple[CpuDevice, ...]:
        return (self._device,)

    def device(self, selector: str) -> CpuDevice | None:
        return self._device if selector == "0" else None

    def versions(self) -> dict[str, str]:
        return {"instruction sets": ", ".join(native().isas())}


def backend() -> CpuBackend:
    """The factory named by the entry point."""
    try:
        native()
    except ImportError as error:
        raise BackendUnavailableError(
            f"backend 'cpu': the compiled extension accel._cpu does not load ({error}); "
            f"build it with a C++17 compiler: pip install --force-reinstall --no-deps . {SOURCE}"
        ) from error
    return CpuBackend()

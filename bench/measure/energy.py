"""Joules that a device has used, from counters: RAPL for CPUs, NVML and AMD SMI for GPUs, else the reason why not."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from ...backends.base import Device
from ..machine import vendor_gpu

POWERCAP = Path("/sys/class/powercap")


class Meter(Protocol):
    """A counter of energy.

    source: its name in a result file. shortest_s: seconds of the shortest window over which a difference means
    something, many times the interval at which the counter moves. joules(): a number that only grows; NaN where the
    counter cannot be read any more.
    """

    source: str
    shortest_s: float

    def joules(self) -> float: ...


class Rapl:
    """The sum of all packages' counters (Intel's and AMD's alike), which also counts what else runs on them.

    A counter starts again from 0 at ``max_energy_range_uj``, after minutes to hours; it has to be read once in that
    time at least.
    """

    source, shortest_s = "RAPL", 0.010

    def __init__(self, packages: list[Path]) -> None:
        self._packages = packages
        self._ranges = [int((package / "max_energy_range_uj").read_text(encoding="utf-8")) for package in packages]
        self._last = self._read()
        self._total = 0

    def joules(self) -> float:
        try:
            now = self._read()
        except (OSError, ValueError):
            return math.nan
        for before, after, largest in zip(self._last, now, self._ranges, strict=True):
            self._total += after - before if after >= before else after + largest - before
        self._last = now
        return self._total / 1e6

    def _read(self) -> list[int]:
        return [int((package / "energy_uj").read_text(encoding="utf-8")) for package in self._packages]


class Nvml:
    """The whole board since the driver was loaded, in steps of 20 to 100 ms (Volta and later)."""

    source, shortest_s = "NVML", 1.0

    def __init__(self, gpu: vendor_gpu.Entry) -> None:
        self._gpu = gpu

    def joules(self) -> float:
        try:
            return self._gpu.library.nvmlDeviceGetTotalEnergyConsumption(self._gpu.handle) / 1e3
        except Exception:  # NVML's own class
            return math.nan


class AmdSmi:
    """The GPU's accumulator times its resolution, in microjoules."""

    source, shortest_s = "AMD SMI", 1.0

    def __init__(self, gpu: vendor_gpu.Entry) -> None:
        self._gpu = gpu

    def joules(self) -> float:
        try:
            said = self._gpu.library.amdsmi_get_energy_count(self._gpu.handle)
            count = said["energy_accumulator"] if "energy_accumulator" in said else said["power"]  # before 6.2.1
            return count * said["counter_resolution"] / 1e6
        except Exception:  # AMD SMI's own class, or a record without the fields
            return math.nan


def meter(device: Device, powercap: Path = POWERCAP, library: Any = None) -> Meter | str:
    """The device's meter, or the reason why there is none. library: in the place of NVML or AMD SMI, for tests."""
    if device.kind == "cpu":
        return _rapl(powercap)
    gpu = vendor_gpu.entry(device, library)
    if isinstance(gpu, str):
        return f"no meter: {gpu}"
    found: Meter = Nvml(gpu) if gpu.vendor == "NVIDIA" else AmdSmi(gpu)
    if math.isnan(found.joules()):
        return f"no meter: {found.source} has no energy counter for this GPU"
    return found


def _rapl(powercap: Path) -> Meter | str:
    packages = []
    for zone in sorted(powercap.glob("intel-rapl:*")):
        if not re.fullmatch(r"intel-rapl:\d+", zone.name):  # a part of a package, which the package counts
            continue
        try:
            name = (zone / "name").read_text(encoding="utf-8").strip()
        except OSError:
            continue
        if name.startswith("package"):  # psys, where there is one, counts the packages again
            packages.append(zone)
    if not packages:
        return "no meter: the system has no RAPL counters (a virtual machine, or the module intel_rapl_msr is missing)"
    try:
        return Rapl(packages)
    except PermissionError:
        return (
            "no meter: RAPL's counters are readable by root only; "
            "sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj opens them until the next start"
        )
    except (OSError, ValueError) as error:
        return f"no meter: RAPL's counters cannot be read ({type(error).__name__})"


def measure(
    meter: Meter | str, call: Callable[[], object], clock: Callable[[], float] = time.perf_counter
) -> dict[str, Any]:
    """The ``energy`` entry of a case: joules of one call, from a window of as many as the meter needs. joules is None,
    with the reason, where there is no meter, or it failed."""
    if isinstance(meter, str):
        return {"joules": None, "source": None, "window_s": None, "reason": meter}
    count, begin, before = 0, clock(), meter.joules()
    while not count or clock() - begin < meter.shortest_s:
        call()
        count += 1
    used, window = meter.joules() - before, clock() - begin
    entry = {"joules": None, "source": meter.source, "window_s": window, "reason": None}
    if not (math.isfinite(used) and used > 0):
        return entry | {"reason": f"{meter.source}: the counter could not be read, stood still, or went backwards"}
    return entry | {"joules": used / count}

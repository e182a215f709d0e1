"""The head of a result file: what was measured, on what, with what. No host name, user name or path."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from statistics import median
from typing import Any

from ...backends.base import Device
from ...backends.cpu import isa, native, threads, usable_cores
from ...config import config
from ...devices import device as find
from . import checkout, vendor_gpu
from .caches import caches, size_in_bytes
from .privacy import anonymous, environment


def describe(device: Device) -> dict[str, Any]:
    """The keys accel, environment, host, device and toolchain of a result file."""
    from ... import BIT_CONTRACT, __version__

    commit, dirty = checkout.commit(Path(__file__).resolve())
    return {
        "accel": {"version": __version__, "commit": commit, "dirty": dirty, "bit_contract": BIT_CONTRACT},
        "environment": environment(),
        "host": host(),
        "device": about(device),
        "toolchain": toolchain(),
    }


# the host


def host(root: Path = Path("/")) -> dict[str, Any]:
    """System, processor, memory in bytes, caches of the first core in bytes, and what may disturb a measurement.

    virtual: whether a hypervisor shows itself; None where the system does not tell. root: of /proc and /sys.
    """
    cpu = find("cpu")
    sizes = caches(root / "sys/devices/system/cpu/cpu0/cache")
    return {
        "system": platform.system(),
        "kernel": anonymous(platform.release()),
        "cpu": anonymous(cpu.description),
        "architecture": platform.machine(),
        "cores": usable_cores(),
        "memory": cpu.memory,
        "caches": {name: size_in_bytes(size) for name, size in sizes.items()},
        "virtual": _virtual(root),
        "governor": _text(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "load": load(),
    }


def load() -> float | None:
    """Runnable processes per core over the last minute; None where the system does not tell."""
    return os.getloadavg()[0] / (os.cpu_count() or 1) if hasattr(os, "getloadavg") else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return None


def _cpuinfo(root: Path, key: str) -> list[str]:
    """The values of a key of /proc/cpuinfo, one for each core."""
    lines = (line.partition(":") for line in (_text(root / "proc/cpuinfo") or "").splitlines())
    return [value.strip() for name, _, value in lines if name.strip() == key]


def _virtual(root: Path) -> bool | None:
    flags = _cpuinfo(root, "flags")
    return "hypervisor" in flags[0].split() if flags else None


def cpu_clock(root: Path = Path("/")) -> dict[str, float | None]:
    """Hertz of the usable cores: the median of now, and the most that the system allows."""
    folder = root / "sys/devices/system/cpu"
    now = [float(text) * 1e3 for path in folder.glob("cpu*/cpufreq/scaling_cur_freq") if (text := _text(path))]
    now = now or [float(text) * 1e6 for text in _cpuinfo(root, "cpu MHz")]
    most = _text(folder / "cpu0/cpufreq/cpuinfo_max_freq")
    return {"now": median(now) if now else None, "max": float(most) * 1e3 if most else None}


# the device


def about(device: Device, root: Path = Path("/"), library: Any = None) -> dict[str, Any]:
    """The device as a result file has it.

    threads: the cpu backend's. isa: the cpu backend's, else the architecture that code is compiled for where the device
    tells. Clocks, power limit and ECC of a GPU: as far as its vendor's library tells. root: of /proc and /sys. library:
    in the place of the vendor's, for tests.
    """
    settings, is_cpu_backend = config.current(), device.backend == "cpu"
    found = {
        "name": str(device),
        "backend": device.backend,
        "kind": device.kind,
        "vendor": anonymous(device.vendor),
        "description": anonymous(device.description),
        "driver": anonymous(device.details.get("driver")),
        "memory": device.memory,
        "threads": threads(settings) if is_cpu_backend else None,
        "isa": isa(settings.cpu_isa) if is_cpu_backend else device.details.get("architecture"),
        "clock_hz": {"now": None, "max": None},
        "power_limit_w": None,
        "ecc": None,
        "details": anonymous(dict(device.details)),
    }
    if device.kind == "cpu":
        return found | {"clock_hz": cpu_clock(root)}
    if (megahertz := getattr(getattr(device, "cl_device", None), "max_clock_frequency", None)) is not None:
        found["clock_hz"]["max"] = megahertz * 1e6
    gpu = vendor_gpu.entry(device, library)
    return found if isinstance(gpu, str) else _known(found, gpu.state())


def _known(stated: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """The first with everything of the second that is not None."""
    nested = {key: _known(stated[key], value) for key, value in found.items() if isinstance(value, dict)}
    return stated | {key: value for key, value in found.items() if value is not None} | nested


# the tools


def toolchain() -> dict[str, str | None]:
    """Versions; None for what is not installed or does not tell."""
    from ...cli.machine import versions

    found = versions()
    packages = {name: found[name] for name in ("numpy", "ml_dtypes", "torch", "triton", "pyopencl")}
    return {
        "python": platform.python_version(),
        **packages,
        "blas": _blas(),
        "compiler": native().compiler,
    }


def _blas() -> str | None:
    """The BLAS that NumPy was built with."""
    import numpy

    said = numpy.show_config(mode="dicts").get("Build Dependencies", {}).get("blas", {})
    text = f"{said.get('name') or ''} {said.get('version') or ''}".strip()
    return anonymous(text) or None

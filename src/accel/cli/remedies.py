"""Which command makes a backend usable: missing packages by the backend's own metadata, drivers by a table."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, entry_points
from typing import Any

from ..packages import DISTRIBUTION, command, missing, remedy

ANY = "any"

DRIVERS = {
    "opencl": {
        "Intel": "the Intel GPU's OpenCL driver: sudo apt-get install intel-opencl-icd",
        ANY: "an OpenCL device on any CPU: sudo apt-get install pocl-opencl-icd",
    },
    "triton": {
        "NVIDIA": "the NVIDIA GPU's driver: sudo apt-get install nvidia-driver (Debian, non-free), "
        "sudo ubuntu-drivers install (Ubuntu); nvidia-smi then lists the GPU",
        "AMD": "the AMD GPU's driver and ROCm (rocm.docs.amd.com), and torch built for ROCm (pytorch.org)",
    },
}
"""What else than a Python package a backend may lack, by the vendor of a GPU that is there; ANY: whatever is there."""

DEVICES = {"opencl": ("opencl-cpu", "an OpenCL device on the CPU, without root")}
"""By backend: an extra of accel's whose packages bring a device, and what that is."""


def owner_of(backend: str) -> str:
    """The name of the distribution that registers a backend."""
    for point in entry_points(group="accel.backends"):
        if point.name == backend and point.dist is not None:
            return point.dist.name
    return DISTRIBUTION


def remedies(
    name: str, owner: str, extra: str | None, state: dict[str, Any], vendors: set[str]
) -> tuple[list[str], str | None]:
    """What makes a backend usable, or lets it find a GPU that is there; and a note where there is no such GPU.

    owner: the distribution that registers it. extra: of that distribution. state: the backend's row of the report.
    vendors: of the GPUs on the bus.
    """
    usable = state["state"] == "usable"
    if usable and any(device["selection"] == "automatic" for device in state["devices"]):
        return [], None
    found = [] if extra is None else _packages(extra, owner)
    complete = not found
    drivers = DRIVERS.get(name, {})
    found += [text for vendor, text in drivers.items() if vendor in vendors]
    if not usable and complete:
        if name in DEVICES:
            brings, what = DEVICES[name]
            found += [f"{what}: {line}" for line in _packages(brings, DISTRIBUTION)]
        found += [drivers[ANY]] if ANY in drivers else []
    served = [vendor for vendor in drivers if vendor != ANY]
    if not served or vendors.intersection(served):
        return found, None
    return found, f"no {' or '.join(served)} GPU is seen on this machine's PCI bus"


def _packages(extra: str, owner: str) -> list[str]:
    """The command that installs what an extra lacks; nothing where it lacks nothing."""
    try:
        lacking = missing(extra, owner)
    except (PackageNotFoundError, ImportError):
        return [remedy(extra, owner=owner)]
    return [command(lacking)] if lacking else []

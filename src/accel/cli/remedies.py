"""Which command makes a backend usable: missing packages by the backend's own metadata, drivers by a table."""

from __future__ import annotations

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution, entry_points, version
from typing import Any

REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+)\s*(\[(?P<extras>[^]]*)\])?(?P<rest>.*)")

ANY = "any"

DRIVERS = {
    "opencl": {
        "Intel": "the Intel GPU's OpenCL driver: sudo apt-get install intel-opencl-icd",
        ANY: 'an OpenCL device on any x86-64 CPU, without root: pip install "accel[opencl-cpu]"; on any CPU: '
        "sudo apt-get install pocl-opencl-icd",
    },
    "triton": {
        "NVIDIA": "the NVIDIA GPU's driver: sudo apt-get install nvidia-driver (Debian, non-free), "
        "sudo ubuntu-drivers install (Ubuntu); nvidia-smi then lists the GPU",
        "AMD": "the AMD GPU's driver and ROCm (rocm.docs.amd.com), and torch built for ROCm (pytorch.org)",
    },
}
"""What else than a Python package a backend may lack, by the vendor of a GPU that is there; ANY: whatever is there."""


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def owner_of(backend: str) -> str:
    """The name of the distribution that registers a backend."""
    for point in entry_points(group="accel.backends"):
        if point.name == backend and point.dist is not None:
            return point.dist.name
    return "accel"


def missing_packages(owner: Distribution, extra: str) -> list[str]:
    """Distributions of an extra that are not installed, the extras that it names itself included."""
    lacking: list[str] = []
    for line in owner.requires or ():
        text, _, marker = line.partition(";")
        if not re.search(rf"extra\s*==\s*['\"]{re.escape(extra)}['\"]", marker):
            continue
        match = REQUIREMENT.match(text.strip())
        if match is None:
            continue
        if _normal(match["name"]) == _normal(owner.name):
            for other in (match["extras"] or "").split(","):
                lacking += missing_packages(owner, other.strip())
            continue
        try:
            version(match["name"])
        except PackageNotFoundError:
            lacking.append(match["name"])
    return lacking


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
    try:
        lacking = [] if extra is None else missing_packages(distribution(owner), extra)
    except PackageNotFoundError:
        lacking = [owner]
    found = [f'pip install "{owner}[{extra}]" (not installed: {", ".join(lacking)})'] if lacking else []
    drivers = DRIVERS.get(name, {})
    found += [text for vendor, text in drivers.items() if vendor in vendors]
    if not usable and not lacking and ANY in drivers:
        found.append(drivers[ANY])
    served = [vendor for vendor in drivers if vendor != ANY]
    if not served or vendors.intersection(served):
        return found, None
    return found, f"no {' or '.join(served)} GPU is seen on this machine's PCI bus"

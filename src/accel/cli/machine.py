"""What a report says of the machine: versions, and the GPUs on its bus with their drivers. No host or user name."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..config import environment
from ..packages import DISTRIBUTION

PACKAGES = (
    DISTRIBUTION, "numpy", "ml_dtypes", "torch", "triton", "pyopencl", "intel-opencl-rt", "intel-cmplr-lib-rt",
    "platformdirs", "click", "rich", "scikit-learn", "pillow",
)  # fmt: skip
"""Distributions whose versions a report states."""

VENDOR_VARIABLES = (
    "OMP_NUM_THREADS", "OCL_ICD_VENDORS", "OCL_ICD_FILENAMES", "PYOPENCL_CTX", "CUDA_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ZE_AFFINITY_MASK", "TRITON_INTERPRET", "TRITON_CACHE_DIR",
    "LD_LIBRARY_PATH", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT",
)  # fmt: skip
"""Variables of others that change what accel finds."""

VENDORS = {"0x8086": "Intel", "0x10de": "NVIDIA", "0x1002": "AMD"}
"""PCI vendor numbers."""

REACHED_BY: dict[str, dict[str, tuple[str, ...]]] = {
    "NVIDIA": {"nvidia": ("/dev/nvidiactl",)},
    "AMD": {"amdgpu": ("/dev/kfd", "/dev/dri/renderD*")},
    "Intel": {"i915": ("/dev/dri/renderD*",), "xe": ("/dev/dri/renderD*",)},
}
"""By vendor of a GPU: the kernel's drivers that compute with it, and the device files of each."""

CONTAINERS = (".dockerenv", "run/.containerenv", "var/run/secrets/kubernetes.io")
"""Files that Docker, Podman and Kubernetes put into a container."""

ROOT = Path("/")
"""Where /sys and /dev are looked for."""


def versions() -> dict[str, str | None]:
    """Versions of Python, the system and the packages; None for what is not installed."""
    from .. import BIT_CONTRACT

    found: dict[str, str | None] = {
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "system": _system(),
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "C library": " ".join(platform.libc_ver()) or None,
        "bit contract": str(BIT_CONTRACT),
    }
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def _system() -> str | None:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME")
    except OSError:
        return platform.platform()


def vendor_variables() -> dict[str, str]:
    """Those of VENDOR_VARIABLES that are set."""
    return {name: value for name in VENDOR_VARIABLES if (value := environment(name)) is not None}


def gpus(root: Path | None = None) -> list[dict[str, Any]]:
    """Display controllers and processing accelerators on the PCI bus: vendor, PCI number, the kernel's driver or None,
    and how far this process gets to them:

    ``no driver``; ``other driver``, with which nothing computes; ``no device file``, as in a container that was not
    given the GPU; ``closed``, its device files (under ``files``) may not be opened by this user; ``open``.
    """
    top = ROOT if root is None else root
    found = []
    for entry in sorted((top / "sys/bus/pci/devices").glob("*")):
        try:
            files = (entry / name for name in ("class", "vendor", "device"))
            kind, vendor, device = (file.read_text(encoding="utf-8").strip() for file in files)
        except OSError:
            continue
        if kind[:4] not in ("0x03", "0x12") or vendor not in VENDORS:
            continue
        link = entry / "driver"
        driver = link.resolve().name if link.exists() else None
        reached, its = reach(VENDORS[vendor], driver, top)
        number = f"{vendor[2:]}:{device[2:]}"
        found.append({"vendor": VENDORS[vendor], "pci": number, "driver": driver, "reach": reached, "files": its})
    return found


def reach(vendor: str, driver: str | None, root: Path) -> tuple[str, list[str]]:
    """How far this process gets to a GPU, and the device files that are not there or not to be opened."""
    if driver is None:
        return "no driver", []
    patterns = REACHED_BY[vendor].get(driver)
    if patterns is None:
        return "other driver", []
    there = {pattern: sorted(root.glob(pattern.lstrip("/"))) for pattern in patterns}
    if missing := [pattern for pattern, paths in there.items() if not paths]:
        return "no device file", missing
    paths = [path for each in there.values() for path in each]
    closed = [f"/{path.relative_to(root)}" for path in paths if not os.access(path, os.R_OK | os.W_OK)]
    return ("closed", closed) if closed else ("open", [])


def in_container(root: Path | None = None) -> bool:
    """Whether this process runs in a container."""
    top = ROOT if root is None else root
    return bool(environment("container")) or any((top / name).exists() for name in CONTAINERS)

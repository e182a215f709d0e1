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
    "LD_LIBRARY_PATH",
)  # fmt: skip
"""Variables of others that change what accel finds."""

VENDORS = {"0x8086": "Intel", "0x10de": "NVIDIA", "0x1002": "AMD"}
"""PCI vendor numbers."""

NODES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dri/renderD*")
"""Device files through which a GPU's driver is reached."""


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


def gpus(bus: Path = Path("/sys/bus/pci/devices")) -> list[dict[str, Any]]:
    """Display controllers and processing accelerators on the PCI bus: vendor, PCI number, kernel driver or None."""
    found = []
    for entry in sorted(bus.glob("*")):
        try:
            files = (entry / name for name in ("class", "vendor", "device"))
            kind, vendor, device = (file.read_text(encoding="utf-8").strip() for file in files)
        except OSError:
            continue
        if kind[:4] not in ("0x03", "0x12") or vendor not in VENDORS:
            continue
        driver = entry / "driver"
        found.append(
            {
                "vendor": VENDORS[vendor],
                "pci": f"{vendor[2:]}:{device[2:]}",
                "driver": driver.resolve().name if driver.exists() else None,
            }
        )
    return found


def closed_nodes(root: Path = Path("/")) -> list[str]:
    """Device files of GPUs that this user may not open."""
    paths = [path for pattern in NODES for path in sorted(root.glob(pattern.lstrip("/")))]
    return [str(path) for path in paths if not os.access(path, os.R_OK | os.W_OK)]

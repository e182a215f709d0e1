"""Which command makes a backend usable: missing packages by the backend's own metadata, drivers by a table."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, entry_points
from typing import Any

from ..config import environment
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

GIVEN = {
    "NVIDIA": "docker run --gpus all (with NVIDIA's Container Toolkit on the host)",
    "AMD": "docker run --device /dev/kfd --device /dev/dri --group-add video --group-add render",
    "Intel": "docker run --device /dev/dri --group-add $(getent group render | cut -d: -f3)",
}
"""By vendor: how a container is given a GPU."""

BUILT = {
    "NVIDIA": "torch built for CUDA (pytorch.org); python -c 'import torch; print(torch.cuda.is_available())' then "
    "prints True",
    "AMD": "torch built for ROCm (pytorch.org), and ROCm itself (rocm.docs.amd.com)",
}
"""By vendor: what uses a GPU that this process may open, beside the backend's package."""

HIDING = {"NVIDIA": ("CUDA_VISIBLE_DEVICES",), "AMD": ("HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")}
"""By vendor: variables that hide its GPUs from programs."""

BOTH = "torch is built for CUDA or for ROCm: GPUs of NVIDIA and of AMD need two environments"

DEVICES = {"opencl": ("opencl-cpu", "an OpenCL device on the CPU, without root")}
"""By backend: an extra of accel's whose packages bring a device, and what that is."""


def owner_of(backend: str) -> str:
    """The name of the distribution that registers a backend."""
    for point in entry_points(group="accel.backends"):
        if point.name == backend and point.dist is not None:
            return point.dist.name
    return DISTRIBUTION


def remedies(
    name: str, owner: str, extra: str | None, state: dict[str, Any], gpus: list[dict[str, Any]], container: bool = False
) -> tuple[list[str], str | None]:
    """What makes a backend usable, or lets it find a GPU that is there; and a note where there is no such GPU.

    owner: the distribution that registers it. extra: of that distribution. state: the backend's row of the report.
    gpus: of `machine.gpus`. container: whether this process runs in one.
    """
    drivers = DRIVERS.get(name, {})
    served = [vendor for vendor in drivers if vendor != ANY]
    its = [gpu for gpu in gpus if gpu["vendor"] in served]
    vendors = {gpu["vendor"] for gpu in its}
    note = BOTH if name == "triton" and vendors >= {"NVIDIA", "AMD"} else None
    usable = state["state"] == "usable"
    if usable and any(device["selection"] == "automatic" for device in state["devices"]):
        return [], note
    found = [] if extra is None else _packages(extra, owner)
    complete = not found
    found += dict.fromkeys(text for gpu in its if (text := _of_gpu(name, gpu, container, complete)))
    if not usable and complete:
        if name in DEVICES:
            brings, what = DEVICES[name]
            found += [f"{what}: {line}" for line in _packages(brings, DISTRIBUTION)]
        found += [drivers[ANY]] if ANY in drivers else []
    if served and not its:
        note = f"no {' or '.join(served)} GPU is seen on this machine's PCI bus"
    return found, note


def _of_gpu(name: str, gpu: dict[str, Any], container: bool, complete: bool) -> str | None:
    """What lets a backend use a GPU that is on the bus; complete: its Python packages are all there."""
    vendor, driver, files = gpu["vendor"], gpu["driver"], " and ".join(gpu["files"])
    install = DRIVERS[name][vendor]
    if gpu["reach"] == "no driver":
        return f"on the host, not in this container: {install}" if container else install
    if gpu["reach"] == "other driver":
        return f"the kernel's driver {driver} holds the {vendor} GPU, with which nothing computes; {install}"
    if gpu["reach"] == "no device file":
        if container:
            return f"the container was not given the {vendor} GPU, there is no {files}: {GIVEN[vendor]}"
        return f"the driver {driver} has no {files}: load it anew, by a restart of the machine if need be; {install}"
    if gpu["reach"] == "closed":
        if vendor == "NVIDIA":
            return f"this user may not open {files}: NVreg_DeviceFileMode of the module nvidia says who may"
        return f"this user may not open {files}: sudo usermod -aG render,video $USER, then log in again"
    if hiding := [f"{v}={environment(v)}" for v in HIDING.get(vendor, ()) if environment(v) in ("", "-1")]:
        return f"{hiding[0]} hides the {vendor} GPU: unset it"
    if not complete and name == "triton":
        return None  # then torch comes with the packages
    return BUILT[vendor] if name == "triton" else install


def _packages(extra: str, owner: str) -> list[str]:
    """The command that installs what an extra lacks; nothing where it lacks nothing."""
    try:
        lacking = missing(extra, owner)
    except (PackageNotFoundError, ImportError):
        return [remedy(extra, owner=owner)]
    return [command(lacking)] if lacking else []

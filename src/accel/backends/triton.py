"""The Triton backend: NVIDIA and AMD GPUs, and, by name only, Triton's interpreter and emulated GPUs on any machine."""

from __future__ import annotations

import glob
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from ..cache_folder import lend
from ..config import environment
from ..errors import BackendUnavailableError
from ..packages import remedy
from .base import Backend, Device
from .triton_host import EmulatedDevice, InterpreterDevice

VERSION = "3.9"
"""The Triton whose code generation and interpreter the bit contract was checked with; another may give other bits."""

EMULATED = ("sm_80", "sm_90")

DRIVERS = ("/dev/nvidia*", "/dev/nvhost*", "/dev/nvgpu*", "/dev/dxg", "/dev/kfd")
"""Device files of the GPU drivers that torch can use on Linux: NVIDIA's, Tegra's, WSL's, AMD's."""


class TritonBackend(Backend):
    """``triton:0``… are GPUs, used automatically; ``triton:interpreter`` and ``triton:emulated-sm_80`` need none.

    no_gpu: why there is no GPU, None where there is one.
    """

    name = "triton"
    kernels = "accel.kernels.triton"

    def __init__(self) -> None:
        self.no_gpu = _no_gpu()
        found: list[Device] = []
        if self.no_gpu is None:
            from .triton_gpu import gpus

            real, refused = gpus()
            found += real
            self.no_gpu = None if real else f"no GPU can be used: {'; '.join(refused)}"
        found.append(
            InterpreterDevice(
                backend="triton",
                name="triton:interpreter",
                kind="interpreter",
                description="Triton's interpreter, on host memory",
                selection="named",
            )
        )
        for architecture in EMULATED:
            found.append(
                EmulatedDevice(
                    backend="triton",
                    name=f"triton:emulated-{architecture}",
                    kind="emulated",
                    description=f"an emulated NVIDIA GPU of architecture {architecture}, on host memory",
                    selection="named",
                )
            )
        self._devices = tuple(found)

    def devices(self) -> tuple[Device, ...]:
        return self._devices

    def device(self, selector: str) -> Device | None:
        """torch's number of a GPU or a part of its description or vendor, ``interpreter``, or ``emulated-sm_80``."""
        for device in self._devices:
            if device.name == f"triton:{selector}":
                return device
        if selector.isdecimal():
            return None
        real = [device for device in self._devices if device.kind == "gpu"]
        return next((d for d in real if selector.lower() in f"{d.description} {d.vendor}".lower()), None)

    def nothing_automatic(self) -> str | None:
        """Why none of the devices is used without being named; None where one is."""
        return self.no_gpu

    def versions(self) -> dict[str, str]:
        found = {"triton": version("triton")}
        if find_spec("torch") is not None:
            found["torch"] = version("torch")
        return found


def _no_gpu() -> str | None:
    """Why torch has no GPU to offer, or None. torch is imported only where a GPU's driver is there."""
    if find_spec("torch") is None:
        return f"no GPU can be used: torch, which supplies memory and streams, is not installed; {remedy('torch')}"
    if "torch" not in sys.modules and sys.platform == "linux" and not any(glob.glob(p) for p in DRIVERS):
        return f"no GPU was found: no driver is loaded (there is none of {', '.join(DRIVERS)})"
    try:
        import torch
    except Exception as error:
        return f"no GPU can be used: torch does not import: {type(error).__name__}: {error}"
    if torch.cuda.is_available():
        return None
    if torch.version.cuda is None and torch.version.hip is None:
        return (
            f"no GPU can be used: torch {torch.__version__} was built without CUDA and ROCm; "
            "install the torch for this GPU, see https://pytorch.org/get-started/locally"
        )
    runtime = f"ROCm {torch.version.hip}" if torch.version.hip is not None else f"CUDA {torch.version.cuda}"
    return (
        f"no GPU was found by torch {torch.__version__}, built for {runtime}: no driver, no GPU, or none made visible"
    )


def backend() -> TritonBackend:
    """The factory named by the entry point."""
    if find_spec("triton") is None:
        if sys.platform != "linux" or platform.machine().lower() not in ("x86_64", "amd64", "aarch64", "arm64"):
            here = f"{platform.system()} on {platform.machine()}"
            raise BackendUnavailableError(
                f"backend 'triton': Triton's wheels are for Linux on x86-64 and AArch64; this is {here}"
            )
        raise BackendUnavailableError(f"backend 'triton': triton is not installed; {remedy('triton')}")
    try:
        found = version("triton")
    except PackageNotFoundError:
        found = "unknown"
    if found.split(".")[:2] != VERSION.split("."):
        raise BackendUnavailableError(
            f"backend 'triton': triton {found} is installed; accel needs {VERSION}, with which the bit contract was "
            f"checked: {remedy('triton', 'triton')}"
        )
    lend("TRITON_CACHE_DIR", f"{environment('TRITON_HOME') or '~'}/.triton/cache")
    return TritonBackend()

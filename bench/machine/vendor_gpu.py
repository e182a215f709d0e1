"""A GPU's entry in its vendor's management library (NVML, AMD SMI), where the library is installed: found by its PCI
address, or because there is only one. Never guessed: two GPUs that cannot be told apart give none."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from ...backends.base import Device

LIBRARIES = {"NVIDIA": ("pynvml", "pip install nvidia-ml-py"), "AMD": ("amdsmi", "pip install amdsmi")}
"""By vendor: the library's module, and what installs it."""


@dataclass(frozen=True)
class Entry:
    """library: NVML's or AMD SMI's module, started. handle: of the device in it."""

    vendor: str
    library: ModuleType
    handle: Any

    def state(self) -> dict[str, Any]:
        """driver, clock_hz, power_limit_w and ecc, as in a result file; None for what the library does not tell."""
        return (_nvidia_state if self.vendor == "NVIDIA" else _amd_state)(self.library, self.handle)


def vendor(device: Device) -> str | None:
    """NVIDIA or AMD for a GPU of theirs, under whichever backend; else None."""
    if device.kind != "gpu":
        return None
    text = f"{device.vendor} {device.description}".lower()
    if "nvidia" in text:
        return "NVIDIA"
    return "AMD" if "advanced micro devices" in text or "amd" in text.split() or "radeon" in text else None


def entry(device: Device, library: ModuleType | None = None) -> Entry | str:
    """The device's entry, or why there is none. library: in the place of the vendor's, for tests."""
    name = vendor(device)
    if name is None:
        return f"{device} is no GPU of a vendor whose management library is known ({', '.join(LIBRARIES)})"
    module, install = LIBRARIES[name]
    if library is None:
        try:
            library = importlib.import_module(module)
        except Exception as error:  # amdsmi raises what it likes where its shared library is missing
            return f"{module} does not load ({type(error).__name__}: {error}); {install}"
    try:
        handle = (_nvidia if name == "NVIDIA" else _amd)(library, pci_address(device))
    except Exception as error:  # the library's own classes
        return f"{module}: {type(error).__name__}: {error}"
    if handle is None:
        return f"{module}: several GPUs, and {device} does not tell its PCI address"
    return Entry(name, library, handle)


def _nvidia(nvml: ModuleType, address: str | None) -> Any:
    nvml.nvmlInit()
    if address is not None:
        return nvml.nvmlDeviceGetHandleByPciBusId(address.encode())
    return nvml.nvmlDeviceGetHandleByIndex(0) if nvml.nvmlDeviceGetCount() == 1 else None


def _amd(smi: ModuleType, address: str | None) -> Any:
    smi.amdsmi_init()
    handles = smi.amdsmi_get_processor_handles()
    if address is not None:
        handles = [handle for handle in handles if smi.amdsmi_get_gpu_device_bdf(handle).lower() == address]
    return handles[0] if len(handles) == 1 else None


def _told(ask: Callable[[], Any]) -> Any:
    """What a query gives; None where the GPU, the library's version or the user's rights have no answer."""
    try:
        return ask()
    except Exception:  # the library's own classes
        return None


def _nvidia_state(nvml: ModuleType, handle: Any) -> dict[str, Any]:
    driver = _told(nvml.nvmlSystemGetDriverVersion)
    return {
        "driver": driver.decode() if isinstance(driver, bytes) else driver,
        "clock_hz": {
            "now": _told(lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM) * 1e6),
            "max": _told(lambda: nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_SM) * 1e6),
        },
        "power_limit_w": _told(lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1e3),
        "ecc": _told(lambda: bool(nvml.nvmlDeviceGetEccMode(handle)[0])),
    }


def _amd_state(smi: ModuleType, handle: Any) -> dict[str, Any]:
    clock = _told(lambda: smi.amdsmi_get_clock_info(handle, smi.AmdSmiClkType.GFX)) or {}
    return {
        "driver": _told(lambda: smi.amdsmi_get_gpu_driver_info(handle)["driver_version"]),
        "clock_hz": {
            "now": _told(lambda: float(clock.get("clk", clock.get("cur_clk"))) * 1e6),
            "max": _told(lambda: float(clock["max_clk"]) * 1e6),
        },
        "power_limit_w": _told(lambda: smi.amdsmi_get_power_cap_info(handle)["power_cap"] / 1e6),
        "ecc": None,
    }


def pci_address(device: Device) -> str | None:
    """The device's PCI address, as in 0000:3b:00.0, from torch or the OpenCL driver; None where neither tells."""
    if device.backend == "triton" and hasattr(device, "index"):
        import torch

        said = torch.cuda.get_device_properties(device.index)
        domain, bus, slot = (getattr(said, f"pci_{name}_id", None) for name in ("domain", "bus", "device"))
    else:
        cl_device, said = getattr(device, "cl_device", None), []
        for name in ("pci_domain_id_nv", "pci_bus_id_nv", "pci_slot_id_nv"):
            try:
                said.append(getattr(cl_device, name))
            except Exception:  # pyopencl raises its own class where a driver does not know the query
                said.append(None)
        domain, bus, slot = said
        slot = None if slot is None else slot >> 3
    return None if bus is None or slot is None else f"{domain or 0:04x}:{bus:02x}:{slot:02x}.0"

"""The OpenCL backend: GPUs, accelerators and CPUs of any vendor, through pyopencl.

Devices are ``opencl:0``, ``opencl:1``… (GPUs first, then accelerators, then CPUs), or a part of a platform's or a
device's name. Each has one context and one in-order queue, made at the first use. A pyopencl queue of the user's
becomes a device by `OpenCLBackend.adopt`, so that arrays of its context are used where they lie.
"""

from __future__ import annotations

import os
import threading
import weakref
from types import ModuleType
from typing import TYPE_CHECKING

from .. import cache_folder
from ..cache import Cache
from ..config import environment
from ..errors import BackendUnavailableError, DeviceError
from ..packages import remedy
from . import opencl_icd, opencl_query
from .base import Backend
from .opencl_device import OpenCLDevice
from .opencl_library import library

if TYPE_CHECKING:
    import pyopencl

SELECTORS = 64
"""Selectors whose devices are kept at least: to ask the driver for all names costs as much as a launch."""


class OpenCLBackend(Backend):
    """All devices of all platforms that the loader finds."""

    name = "opencl"
    kernels = "accel.kernels.opencl"

    def __init__(self) -> None:
        self._devices = tuple(
            OpenCLDevice(device, f"opencl:{i}", inline=inline) for i, (device, inline) in enumerate(_discover())
        )
        self._adopted: weakref.WeakValueDictionary[int, OpenCLDevice] = weakref.WeakValueDictionary()
        self._selected: Cache[str, OpenCLDevice] = Cache(SELECTORS)
        self._lock = threading.Lock()

    def devices(self) -> tuple[OpenCLDevice, ...]:
        return self._devices

    def device(self, selector: str) -> OpenCLDevice | None:
        """By index; ``queue-…``, the name of an adopted queue's device; else the first device whose platform, or
        failing that whose own name or vendor, has the selector in it, without regard to case."""
        if selector.isdecimal():
            return self._devices[int(selector)] if int(selector) < len(self._devices) else None
        if selector.startswith("queue-"):
            return next((d for d in self._adopted.values() if d.name == f"opencl:{selector}"), None)
        found = self._selected.find(selector)
        if found is None and (found := self._described(selector.lower())) is not None:
            self._selected.keep(selector, found)
        return found

    def _described(self, wanted: str) -> OpenCLDevice | None:
        """The first device that has such words in lower case."""

        def platform(device: OpenCLDevice) -> str:
            found = device.cl_device.platform
            return f"{found.name} {found.vendor} {found.version}"

        def own(device: OpenCLDevice) -> str:
            return f"{device.cl_device.name} {device.vendor}"

        for text in (platform, own):
            for device in self._devices:
                if wanted in text(device).lower():
                    return device
        return None

    def adopt(self, queue: pyopencl.CommandQueue) -> OpenCLDevice:
        """The device that computes on a user's queue, in its context, in order with the user's own work; the same
        object for the same queue. Raises DeviceError for an out-of-order queue, or one whose context is
        gone."""
        cl = library()

        if queue.properties & cl.command_queue_properties.OUT_OF_ORDER_EXEC_MODE_ENABLE:
            raise DeviceError("queue: expected an in-order pyopencl queue; accel relies on the order of work")
        with self._lock:
            found = self._adopted.get(queue.int_ptr)
            if found is None:
                found = OpenCLDevice(queue.device, f"opencl:queue-{os.urandom(4).hex()}", queue)
                self._adopted[queue.int_ptr] = found
        return found

    def versions(self) -> dict[str, str]:
        cl = library()

        platforms = {d.cl_device.platform.name: d.cl_device.platform.version for d in self._devices}
        return {"pyopencl": cl.VERSION_TEXT, **platforms}


def backend() -> OpenCLBackend:
    """The factory named by the entry point."""
    return OpenCLBackend()


def _discover() -> list[tuple[pyopencl.Device, pyopencl.Device | None]]:
    """All usable devices, in an order that does not depend on the loader's, each with the device of its platform that
    runs what is light for it: PoCL's where POCL_DEVICES names both. Raises BackendUnavailableError where there is
    none."""
    try:
        cl = _pyopencl()
    except ImportError as error:
        raise BackendUnavailableError(
            f"backend 'opencl': pyopencl does not load ({error}); for a device whose OpenCL driver is installed: "
            f"{remedy('opencl')}; to run on the CPU: {remedy('opencl-cpu')}"
        ) from error
    cache_folder.lend("POCL_CACHE_DIR", f"{environment('XDG_CACHE_HOME') or '~/.cache'}/pocl/kcache")
    with opencl_icd.runtimes():
        try:
            platforms = cl.get_platforms()
        except cl.Error as error:
            raise BackendUnavailableError(
                f"backend 'opencl': no OpenCL platform was found ({error}). {_fixes()}"
            ) from error
    found, reasons = [], []
    for platform in platforms:
        try:
            devices = platform.get_devices()
        except cl.Error as error:
            reasons.append(f"{platform.name}: {error}")
            continue
        for device in devices:
            reason = opencl_query.unusable(device)
            if reason is None:
                found.append(device)
            else:
                reasons.append(f"{platform.name}: {device.name}: {reason}")
    if not found:
        said = "; ".join(reasons) or "the platforms have none"
        raise BackendUnavailableError(f"backend 'opencl': no OpenCL device was found: {said}. {_fixes()}")
    found.sort(key=lambda d: (opencl_query.KINDS.index(opencl_query.kind(d)), d.platform.name))
    return _paired(found)


def _paired(found: list[pyopencl.Device]) -> list[tuple[pyopencl.Device, pyopencl.Device | None]]:
    """Each device with the inline one of its platform, which stands alone where it has no other CPU to serve."""
    inline = {device.platform: device for device in found if opencl_query.is_inline(device)}

    def is_served(device: pyopencl.Device) -> bool:
        return opencl_query.kind(device) == "cpu" and device != inline.get(device.platform)

    served = {device.platform for device in found if is_served(device)}
    return [
        (device, inline.get(device.platform) if is_served(device) else None)
        for device in found
        if device != inline.get(device.platform) or device.platform not in served
    ]


def _pyopencl() -> ModuleType:
    """pyopencl, which does without its own files where they cannot be written or read; accel needs none of them."""
    import platformdirs
    import pyopencl

    if not cache_folder.can_hold(platformdirs.user_cache_dir("pytools", "pytools")):
        pyopencl._PYOPENCL_NO_CACHE = True
    try:
        import pyopencl.invoker
    except ImportError:
        raise
    except Exception:  # sqlite's, of a damaged file
        pyopencl._PYOPENCL_NO_CACHE = True
        import pyopencl.invoker
    return pyopencl


def _fixes() -> str:
    named = environment("OCL_ICD_VENDORS")
    only = f"; OCL_ICD_VENDORS={named} is the only place that is looked at: unset it" if named else ""
    return (
        "Install the device vendor's OpenCL driver (for Intel GPUs: intel-opencl-icd); "
        f"to run on the CPU: {opencl_icd.incomplete() or remedy('opencl-cpu')}{only}"
    )

"""The contract between accel and a backend.

A backend is one module (or one out-of-tree package) that names a factory in the entry-point group
``accel.backends`` and a `BackendInfo` in ``accel.backend_info``. It must provide

    memory        `Device.allocate`, and buffers that stay alive while an `Array` holds them; `Device.place` and
                  `Device.readonly` where buffers may be others' memory and have no ``address`` and ``readonly``
    copies        `Device.copy_in` and `Device.copy_out` between a buffer and host memory
    one launcher  a `Kernel` row for ``pointwise``

and everything else that accel can do then works by decomposition, or by fallback to the CPU where that is allowed. Each
further `Kernel` row replaces a fallback with something faster. `accel conform --backend NAME` says whether the result
is right.

Data flows one way. The dispatcher builds a `Call` (which operation, on which layouts), asks kernel rows in table order
whether they serve it, and has the first that does prepare a `Launch`, once. The launch then runs, for these and all
later arrays of the same layouts, with nothing looked up again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..array import Array
from ..config import Settings
from ..layout import Layout
from ..memory import Device, HostBuffer, HostDevice

__all__ = ["API_VERSION", "Backend", "BackendInfo", "Call", "Device", "HostBuffer", "HostDevice", "Kernel", "Launch"]

API_VERSION = 1
"""Version of this contract. A backend states the one it was written for; another one is refused with a clear error."""


@dataclass(frozen=True)
class BackendInfo:
    """What accel knows of a backend without importing its drivers.

    extra: what pip installs for it. automatic: whether it is considered when no backend is named; out-of-tree
    backends leave this False, so that installing one never changes a result.
    """

    name: str
    summary: str
    vendors: tuple[str, ...] = ()
    extra: str | None = None
    automatic: bool = False
    api_version: int = API_VERSION


@dataclass(frozen=True)
class Call:
    """One operation on operands of given layouts: all that a kernel may look at to decide and to prepare.

    op: name of the primitive (``pointwise``, ``reduce``, ``matmul``…). params: the primitive's own parameters,
    hashable: a `Program` for pointwise, a `Reduction` for reduce, a `Product` for matmul. outputs never have size 0;
    inputs may. settings: the snapshot in force (numerics, num_threads, cpu_isa…).
    """

    op: str
    inputs: tuple[Layout, ...]
    outputs: tuple[Layout, ...]
    params: Any
    device: Device
    settings: Settings


Launch = Callable[[Sequence[Array], Sequence[Array]], None]
"""launch(inputs, outputs): runs a prepared kernel. Array gives ``.buffer`` and ``.offset`` (of its first element, in
elements).

Outputs are not initialised and overlap no input, except that a pointwise output may be the very same elements as an
input.
May return before the device is done; work on one device is ordered. The calling thread is in IEEE 754's default
floating-point environment, whatever accel's caller set."""


@dataclass(frozen=True)
class Kernel:
    """One row of the kernel table.

    op: the primitive it computes. name: what `accel explain` prints. source: file name of its source, relative to
    accel.kernels.
    supports(call): None, or the reason why this row does not serve the call; never raises for a call it does not like.
    prepare(call): compiles (within `compiling`, which `accel bench` asks), chooses launch geometry, returns the launch.
    """

    op: str
    name: str
    source: str
    supports: Callable[[Call], str | None]
    prepare: Callable[[Call], Launch]


class Backend(ABC):
    """What a factory of the group ``accel.backends`` returns, once per process.

    name: as in its BackendInfo. kernels: import path of the package whose modules hold its kernel rows, each module
    a tuple ``KERNELS``; within one primitive the rows are asked in order.
    """

    name: str
    kernels: str

    def __copy__(self) -> Backend:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Backend:
        return self

    @abstractmethod
    def devices(self) -> Sequence[Device]:
        """All devices, the same objects at each call. Raises BackendUnavailableError with the reason and the fix."""

    def device(self, selector: str) -> Device | None:
        """The device that a selector names (what follows ``name:``), None where it names none.

        Optional; default: an index, or a part of a device's description or vendor, without regard to case.
        """
        devices = self.devices()
        if selector.isdecimal():
            return devices[int(selector)] if int(selector) < len(devices) else None
        for device in devices:
            if selector.lower() in f"{device.name} {device.description} {device.vendor}".lower():
                return device
        return None

    def nothing_automatic(self) -> str | None:
        """Why none of the devices is used without being named (optional; default: None, nothing to add)."""
        return None

    def versions(self) -> dict[str, str]:
        """Versions of the libraries and drivers behind the backend, for reports (optional)."""
        return {}

"""A device for each fault, ``wrong:NAME``, and ``wrong:nothing``, which has none."""

from __future__ import annotations

from accel.backends.base import Backend, HostDevice

from .faults import FAULTS, NONE, Fault


class WrongDevice(HostDevice):
    """Its kernels are the CPU's, spoiled by the fault. Its memory counts as its own: what is read there is copied."""

    fault: Fault = NONE

    def __post_init__(self) -> None:
        self.host = False


def _device(name: str, fault: Fault) -> WrongDevice:
    device = WrongDevice("wrong", f"wrong:{name}", "cpu", fault.clause, selection="named")
    device.fault = fault
    return device


class WrongBackend(Backend):
    """Devices are used only when named."""

    name = "wrong"
    kernels = "accel_wrong_backend.kernels"

    def __init__(self) -> None:
        self._devices = {name: _device(name, fault) for name, fault in {"nothing": NONE, **FAULTS}.items()}

    def devices(self) -> tuple[WrongDevice, ...]:
        return tuple(self._devices.values())

    def device(self, selector: str) -> WrongDevice | None:
        return self._devices.get(selector)


def backend() -> WrongBackend:
    """The factory named by the entry point."""
    return WrongBackend()

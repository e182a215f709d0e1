"""The device: the memory of the host, from accel's own pool."""

from __future__ import annotations

from accel.backends.base import Backend, HostDevice


class FaultyBackend(Backend):
    """One device, used only when named."""

    name = "faulty"
    kernels = "accel_faulty_backend.kernels"

    def __init__(self) -> None:
        self._device = HostDevice("faulty", "faulty:0", "cpu", "faults to order", selection="named")

    def devices(self) -> tuple[HostDevice, ...]:
        return (self._device,)


def backend() -> FaultyBackend:
    """The factory named by the entry point."""
    return FaultyBackend()

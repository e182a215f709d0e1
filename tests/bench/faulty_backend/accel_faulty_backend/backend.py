"""The device: memory of the host, which keeps what was in it when it is given out again, as that of a GPU does."""

from __future__ import annotations

import numpy as np

from accel.backends.base import Backend, HostBuffer, HostDevice


class Block:
    """Memory that goes back to the idle blocks when nothing holds it."""

    def __init__(self, idle: list[np.ndarray], nbytes: int) -> None:
        self.idle, self.memory = idle, idle.pop() if idle else np.zeros(nbytes, np.uint8)

    def __del__(self) -> None:
        self.idle.append(self.memory)


class FaultyDevice(HostDevice):
    """Idle blocks are kept by their size, the last one freed is the next one used."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._idle: dict[int, list[np.ndarray]] = {}

    def allocate(self, nbytes: int) -> HostBuffer:
        block = Block(self._idle.setdefault(nbytes, []), nbytes)
        return HostBuffer(block.memory.ctypes.data, nbytes, block, False)


class FaultyBackend(Backend):
    """One device, used only when named."""

    name = "faulty"
    kernels = "accel_faulty_backend.kernels"

    def __init__(self) -> None:
        self._device = FaultyDevice("faulty", "faulty:0", "cpu", "faults to order", selection="named")

    def devices(self) -> tuple[FaultyDevice, ...]:
        return (self._device,)


def backend() -> FaultyBackend:
    """The factory named by the entry point."""
    return FaultyBackend()

"""The device: its memory, and the copies to and from it."""

from __future__ import annotations

import numpy as np

from accel.backends.base import Backend, Device
from accel.errors import OutOfMemoryError

MEMORY = 1 << 30
"""Bytes that the device claims to have."""


class ExampleDevice(Device):
    """One device. A buffer is a uint8 array, which stands for memory that only this device can read."""

    def allocate(self, nbytes: int) -> np.ndarray:
        if nbytes > MEMORY:
            raise OutOfMemoryError(f"{self}: {nbytes} bytes were asked for; the device has {MEMORY} bytes")
        return np.empty(nbytes, np.uint8)

    def copy_in(self, buffer: np.ndarray, offset: int, source: np.ndarray) -> None:
        buffer[offset : offset + source.size] = source

    def copy_out(self, buffer: np.ndarray, offset: int, nbytes: int) -> np.ndarray:
        return buffer[offset : offset + nbytes].copy()


class ExampleBackend(Backend):
    """What the factory returns, once per process."""

    name = "example"
    kernels = "accel_example_backend.kernels"

    def __init__(self) -> None:
        self._device = ExampleDevice(
            backend="example",
            name="example:0",
            kind="interpreter",  # yours: gpu or accelerator; accel conform gives an interpreter no large examples
            description="NumPy",
            vendor="example",
            selection="listed",
            memory=MEMORY,
            details={"numpy": np.__version__},
        )

    def devices(self) -> tuple[ExampleDevice, ...]:
        return (self._device,)

    def versions(self) -> dict[str, str]:
        return {"numpy": np.__version__}


def backend() -> ExampleBackend:
    """The factory named by the entry point. Where a driver is missing: raise BackendUnavailableError and its remedy."""
    return ExampleBackend()

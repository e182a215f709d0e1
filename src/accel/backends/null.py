"""The null backend: shapes and dtypes are computed, launches are recorded, elements are not. For tests of dispatch and
its cost."""

from __future__ import annotations

import numpy as np

from .base import Backend, Call, Device


class NullBuffer:
    """Memory that is not there: one allocation is told from another by the object."""

    __slots__ = ()


class NullDevice(Device):
    """Memory without bytes. ``launches`` holds the prepared calls in the order in which they ran."""

    def __post_init__(self) -> None:
        self.launches: list[Call] = []

    def allocate(self, nbytes: int) -> NullBuffer:
        return NullBuffer()

    def copy_in(self, buffer: NullBuffer, offset: int, source: np.ndarray) -> None:
        return

    def copy_out(self, buffer: NullBuffer, offset: int, nbytes: int) -> np.ndarray:
        return np.zeros(nbytes, np.uint8)


class NullBackend(Backend):
    """One device, ``null:0``, used only when named."""

    name = "null"
    kernels = "accel.kernels.null"

    def __init__(self) -> None:
        self._device = NullDevice("null", "null:0", "null", "records launches, computes nothing", selection="listed")

    def devices(self) -> tuple[NullDevice, ...]:
        return (self._device,)


def backend() -> NullBackend:
    """The factory named by the entry point."""
    return NullBackend()

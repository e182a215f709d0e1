"""Counters of a GPU's launches: zeros that no other launch has at the same time, and that a launch leaves zeros.

    a stream          has counters of its own: its launches follow each other
    a captured launch has counters of its own: the graph's runs follow each other, on any stream, and find zeros
    anything else     memory that is cleared on the stream just before

The first two are pieces of one allocation, made before the first launch. Pieces are never given back: when all are
taken, and before there are any, the third serves.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import torch

from ..array import Array
from ..dtypes import TABLE
from ..layout import layout
from .triton_kernel import COUNTERS

PIECES = 64
"""Streams whose counters fit into the allocation, of 2 MiB; torch has 32 of its own of each priority."""

ALIGNMENT = 32
"""Counters begin at multiples of so many: of 256 bytes, so that no two pieces share a line of a cache."""

SHARED_HANDLE = 2
"""What stands for the default stream of whichever thread asks, in CUDA and HIP: one handle, many streams."""


class Counters:
    """Of one device. allocate(bytes): gives memory of it, as `TorchBuffer`s."""

    def __init__(self, device: Any, allocate: Callable[[int], Any], capturing: Callable[[], bool]) -> None:
        self._device, self._allocate, self._capturing = device, allocate, capturing
        self._lock = threading.Lock()
        self._whole: Any = None
        self._taken = 0
        self._of: dict[int, Array] = {}

    def prepare(self) -> None:
        """Makes the allocation, where there is none yet and the current stream is not being captured."""
        with self._lock:
            if self._whole is None and not self._capturing():
                whole = self._cleared(PIECES * COUNTERS)
                torch.cuda.synchronize(self._device.index)  # streams do not wait for each other
                self._whole = whole

    def of(self, stream: int, count: int) -> Array:
        """As many zeros, for a launch on torch's current stream, whose handle this is."""
        captured = self._capturing()
        found = None if captured else self._of.get(stream)
        if found is not None:
            return found
        found = self._piece(count) if captured else None if stream == SHARED_HANDLE else self._piece(COUNTERS)
        if found is None:
            return self._cleared(count)
        return found if captured else self._of.setdefault(stream, found)

    def _piece(self, count: int) -> Array | None:
        """Zeros that nothing else has or will have; None where there are not so many left."""
        with self._lock:
            first, after = self._taken, self._taken - -count // ALIGNMENT * ALIGNMENT
            if self._whole is None or after > PIECES * COUNTERS:
                return None
            self._taken = after
        return self._whole.view((count,), (1,), first)

    def _cleared(self, count: int) -> Array:
        """Fresh memory, cleared on the current stream."""
        buffer = self._allocate(8 * count)
        buffer.tensor.zero_()
        return Array(buffer, 0, layout(TABLE["int64"], (count,), None, self._device))

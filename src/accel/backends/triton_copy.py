"""Copies between a GPU and the host's memory, by way of two pinned pieces: one is filled while the other is on its way.

A driver copies pageable memory by one thread, piece after piece; torch copies on the host by several. What is small,
lies in pinned memory itself, or finds none is copied as it lies.
"""

from __future__ import annotations

import ctypes
from collections import deque
from typing import Any

import numpy as np
import torch

from ..memory import address_of

PIECE = 4 << 20
"""Bytes of a piece, and of the largest array that is copied as it lies: 0.1 ms of PCIe 5."""


def host_tensor(memory: np.ndarray) -> Any:
    """A torch tensor on a contiguous uint8 array; of one that nobody may write to as well, of which torch warns."""
    if memory.flags.writeable or not memory.size:
        return torch.from_numpy(memory if memory.flags.writeable else memory.copy())
    same = (ctypes.c_uint8 * memory.size).from_address(address_of(memory))
    return torch.from_numpy(np.frombuffer(same, np.uint8))


def copy_in(target: Any, source: Any, stream: Any) -> None:
    """Copies a flat uint8 tensor of the host to one of a GPU. Returns when the source may be used for anything; work
    that is queued later finds it there. stream: torch's current one of that GPU; None to copy the tensor as it lies.
    Raises RuntimeError, as torch does."""
    pieces = _pieces(source, stream)
    if not pieces:
        target.copy_(source)
        return
    for start in range(0, source.numel(), PIECE):
        piece, gone = pieces[0]
        gone.synchronize()
        part = source[start : start + PIECE]
        held = piece[: part.numel()]
        held.copy_(part)
        target[start : start + PIECE].copy_(held, non_blocking=True)
        gone.record(stream)
        pieces.rotate()


def copy_out(target: Any, source: Any, stream: Any) -> None:
    """Copies a flat uint8 tensor of a GPU to one of the host, as `copy_in` does; returns when it is there."""
    pieces = _pieces(target, stream)
    if not pieces:
        target.copy_(source)
        return
    waiting: deque[tuple[Any, Any, Any]] = deque()

    def take() -> None:
        part, held, come = waiting.popleft()
        come.synchronize()
        part.copy_(held)

    for start in range(0, source.numel(), PIECE):
        if len(waiting) == len(pieces):
            take()
        piece, come = pieces[0]
        part = target[start : start + PIECE]
        held = piece[: part.numel()]
        held.copy_(source[start : start + PIECE], non_blocking=True)
        come.record(stream)
        waiting.append((part, held, come))
        pieces.rotate()
    while waiting:
        take()


def _pieces(host: Any, stream: Any) -> deque[tuple[Any, Any]]:
    """Two pieces of pinned memory, each with the event that ends its use; none where a tensor is copied as it lies.

    torch keeps pinned memory for later, and gives it to nobody while a copy that was queued needs it.
    """
    if stream is None or host.is_pinned():
        return deque()
    try:
        return deque((pinned(PIECE), event()) for _ in range(2))
    except RuntimeError:  # the host has no memory that can be pinned
        return deque()


def pinned(nbytes: int) -> Any:
    """A flat uint8 tensor of host memory that a GPU reads and writes by itself."""
    return torch.empty(nbytes, dtype=torch.uint8, pin_memory=True)


def event() -> Any:
    """What a stream passes, and the host waits for; not before it was recorded."""
    return torch.cuda.Event()

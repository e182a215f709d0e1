"""Memory of OpenCL devices: the host's under a buffer, maps of a buffer, and the pool of a queue."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._core import HostBuffer, OpenCLQueue
from ..errors import DeviceError
from .opencl_library import library

if TYPE_CHECKING:
    import pyopencl


class Map:
    """The map of a buffer, which its end takes back, and with it the lock: PoCL 3.1 does not survive that two threads
    map one buffer at once, and of two maps at one address OpenCL does not say which one is taken back."""

    __slots__ = ("_buffer", "_place", "_unmap")

    def __init__(
        self, commands: OpenCLQueue, queue: int, buffer: pyopencl.MemoryObjectHolder, address: int, lock: Any
    ) -> None:
        self._buffer, self._place, self._unmap = (
            buffer,
            (queue, buffer.int_ptr, address),
            (commands.unmap, lock.release),
        )

    def __del__(self) -> None:
        unmap, release = self._unmap
        try:
            unmap(*self._place)
        finally:
            release()


class Bytes:
    """Bytes of the host for NumPy, with the owner that keeps them."""

    def __init__(self, address: int, nbytes: int, owner: Any, readonly: bool) -> None:
        self._owner = owner
        self.__array_interface__ = {"version": 3, "data": (address, readonly), "shape": (nbytes,), "typestr": "|u1"}


class Borrowed(Bytes):
    """Those that kernels use. Their owner is let go when the buffer over them is gone and what was queued has run."""

    def __init__(self, wait: Callable[[], None], address: int, nbytes: int, owner: Any, readonly: bool) -> None:
        """wait: for what was queued."""
        super().__init__(address, nbytes, owner, readonly)
        self._wait = wait

    def __del__(self) -> None:
        self._wait()


class Own(Bytes):
    """Those of a buffer that kernels alone use."""

    def __init__(self, let_go: Callable[[HostBuffer], None], memory: HostBuffer) -> None:
        """let_go: called with the memory when the buffer over it is gone."""
        super().__init__(memory.address, memory.nbytes, memory, False)
        self._let_go = let_go

    def __del__(self) -> None:
        self._let_go(self._owner)


def pool_of(queue: pyopencl.CommandQueue) -> Any:
    tools = library().tools
    return tools.MemoryPool(tools.ImmediateAllocator(queue))


def context_of(queue: pyopencl.CommandQueue) -> pyopencl.Context:
    cl = library()

    try:
        return queue.context
    except cl.Error as error:
        raise DeviceError(
            f"queue: its context is gone ({error}): some runtimes forget a context that only a queue holds; "
            "keep the context"
        ) from error

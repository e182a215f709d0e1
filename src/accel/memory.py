"""A device and its memory: where buffers come from, and how bytes reach them and come back."""

from __future__ import annotations

import atexit
import ctypes
import functools
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from . import host_memory
from ._core import HostBuffer, allocate, begin_call, end_call, end_calls, release_idle
from .errors import OutOfMemoryError, shown

T = TypeVar("T")

CHECKED = 1 << 28
"""Bytes of host memory from which on it is first asked whether there is as much."""

LOOKS = 256
"""Looks at what launches found that a device keeps at most; the next one waits for it."""


class Device(ABC):
    """One device and its memory.

    name: accepted back by `accel.device`. kind: gpu, accelerator, cpu, interpreter, emulated or null.
    selection: when the device may be chosen without being named: ``automatic`` (always), ``listed`` (when its backend
    is the only one listed in ACCEL_BACKEND) or ``named`` (never).
    memory: bytes, None where unknown. host: buffers are `HostBuffer`s, whose memory the process addresses itself.
    details: what `accel devices` and bug reports show (driver, instruction set, extensions…).
    architecture: which shipped tuning results it uses; "" where there are none.
    selects: a kernel of its own finds a long row's first elements, in the order of `sort`, without sorting the row.

    A device is itself only: copies are the same object, and it is pickled by its name. No dataclass, as
    `dataclasses.asdict` would take a device that is a field of another one to pieces.
    """

    architecture = ""
    selects = False

    def __init__(
        self,
        backend: str,
        name: str,
        kind: str,
        description: str,
        vendor: str = "",
        selection: str = "automatic",
        memory: int | None = None,
        host: bool = False,
        details: dict[str, Any] | None = None,
    ) -> None:
        self.backend, self.name, self.kind, self.description, self.vendor = backend, name, kind, description, vendor
        self.selection, self.memory, self.host = selection, memory, host
        self.details = {} if details is None else details
        self._looks: deque[Callable[[], object]] = deque()
        self.__post_init__()

    def __post_init__(self) -> None:
        """For subclasses: whatever an instance needs beyond these."""
        return

    def __copy__(self) -> Device:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Device:
        return self

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"accel.device({self.name!r})"

    def identity(self) -> tuple[str, ...]:
        """The exact device, its driver and its compiler, which what is measured on it holds for (optional; default: (),
        nothing is kept for it)."""
        return ()

    def missing(self, dtype_name: str) -> str | None:
        """Why the device cannot compute in a dtype, or None (optional; default: it can)."""
        return None

    @abstractmethod
    def allocate(self, nbytes: int) -> Any:
        """A buffer of at least nbytes (more than 0) bytes, not initialised. Raises OutOfMemoryError."""

    @abstractmethod
    def copy_in(self, buffer: Any, offset: int, source: np.ndarray) -> None:
        """Copies a contiguous uint8 array to the buffer, from a byte offset on; the source may be reused on return."""

    @abstractmethod
    def copy_out(self, buffer: Any, offset: int, nbytes: int) -> np.ndarray:
        """The bytes as a fresh uint8 array (or one that nothing else writes), after all work queued before."""

    def borrow(self, address: int, nbytes: int, owner: Any, readonly: bool) -> tuple[Any, int] | None:
        """A buffer over the host's memory, and at which of its bytes the address lies. The owner, which keeps that
        memory, is held until no queued work needs it (optional; default: None, the device cannot)."""
        return None

    def lend(self, buffer: Any) -> np.ndarray | None:
        """A buffer's bytes as a read-only uint8 array that is the buffer's own memory, after all work queued before
        (optional; default: None, the host cannot address it)."""
        return None

    def place(self, buffer: Any) -> tuple[Any, int, int]:
        """Which memory a buffer is of, its first byte there, and one past its last: two buffers share bytes where they
        are of one memory and these ranges overlap (optional; default: by ``address`` and ``nbytes`` where a buffer has
        them, else it shares bytes with itself only)."""
        if hasattr(buffer, "address"):
            return "addresses", buffer.address, buffer.address + buffer.nbytes
        return id(buffer), 0, 1

    def readonly(self, buffer: Any) -> bool:
        """Whether nobody may write to a buffer (optional; default: what its ``readonly`` says, where it has one)."""
        return getattr(buffer, "readonly", False)

    @property
    def looked_at(self) -> bool:
        """Whether the host looks at arrays where they lie, rather than by a launch and a copy: `mapped` gives them
        (optional; default: where its memory is the host's)."""
        return self.host

    def mapped(self, buffer: Any, offset: int, nbytes: int) -> HostBuffer | None:
        """Bytes of a buffer for the host to read, after all work queued before; nothing may write there until the
        result is dropped (optional; default: None, the host does not see them)."""
        return None

    def synchronize(self) -> None:
        """Waits until all queued work is done (optional; default: nothing is ever queued)."""
        return

    def mark(self) -> Any:
        """A point in the queue of the calling thread's work, whose time the device notes when it gets there (optional;
        default: None, it has no clock that can be read, and who measures waits for it)."""
        return None

    def seconds_between(self, first: Any, last: Any) -> float:
        """Seconds on the device's clock from one `mark` to a later one, which it has passed."""
        raise NotImplementedError(f"{self} has no clock that can be read")

    @property
    def asynchronous(self) -> bool:
        """Whether the host goes on while launches run, so that it would wait to see what they found."""
        return not self.host and self.kind in ("gpu", "accelerator")

    def look_later(self, look: Callable[[], object]) -> None:
        """Keeps a look at what queued work finds, which raises where that is wrong, for `settle`."""
        if len(self._looks) >= LOOKS:
            self.settle()
        self._looks.append(look)

    def settle(self) -> None:
        """Takes the looks that were kept, oldest first. The first one that raises is the last, and those behind it are
        dropped."""
        looks, self._looks = self._looks, deque()
        for look in looks:
            look()


def driver_call(function: Callable[..., T]) -> Callable[..., T]:
    """A function that calls a driver, which may let go of the GIL: the interpreter does not begin to end while another
    thread is inside it. The calls of operations need no such mark, being counted at the dispatcher."""

    @functools.wraps(function)
    def counted(*arguments: Any) -> T:
        begun = begin_call()
        try:
            return function(*arguments)
        finally:
            end_call(begun)

    return counted


atexit.register(end_calls)


def address_of(source: np.ndarray) -> int:
    """The address of an array's first element; by way of the buffer protocol where that will do, as NumPy's own is
    slow."""
    flags = source.flags
    if flags.c_contiguous and flags.writeable and source.size:
        try:
            return ctypes.addressof(ctypes.c_char.from_buffer(source))
        except ValueError:  # bfloat16 has no letter in the buffer protocol
            pass
    return source.__array_interface__["data"][0]


def too_large(who: str, nbytes: int, memory: int | None, more: str = "") -> OutOfMemoryError:
    """The error of an allocation that cannot be served. memory: of the device."""
    have = "unknown" if memory is None else f"{memory} bytes"
    return OutOfMemoryError(f"{who}: {nbytes} bytes were asked for; the device has {have}{more}")


@contextmanager
def host_memory_for(what: str) -> Iterator[None]:
    """Around work of NumPy's: its MemoryError becomes OutOfMemoryError. what: for the message."""
    try:
        yield
    except OutOfMemoryError:
        raise
    except MemoryError as error:
        raise OutOfMemoryError(f"{what}: the host has no memory for it ({error})") from error


def host_list(what: str, count: int) -> list[Any]:
    """A list of so many places. Raises OutOfMemoryError."""
    try:
        return [None] * count
    except (MemoryError, OverflowError) as error:
        raise OutOfMemoryError(f"{what}: the host has no memory for a list of {shown(count)}") from error


def check_host(who: str, nbytes: int, memory: int | None) -> None:
    """Raises OutOfMemoryError where so much of the host's memory cannot be had; what lies idle in the pool goes first.

    The system would give addresses, and end the process when it writes there.
    """
    left = host_memory.available()
    if left is not None and nbytes > left and release_idle():
        left = host_memory.available()
    if left is not None and nbytes > left:
        raise too_large(who, nbytes, memory, f", of which {left} can still be had")


class HostDevice(Device):
    """A device whose memory is the process's own: cpu, and the interpreters and emulators of other backends."""

    def __post_init__(self) -> None:
        self.host = True

    def allocate(self, nbytes: int) -> HostBuffer:
        if nbytes >= CHECKED:
            check_host(str(self), nbytes, self.memory)
        try:
            return allocate(nbytes)
        except (MemoryError, OverflowError) as error:
            raise too_large(str(self), nbytes, self.memory) from error

    def copy_in(self, buffer: HostBuffer, offset: int, source: np.ndarray) -> None:
        np.asarray(buffer)[offset : offset + source.size] = source

    def copy_out(self, buffer: HostBuffer, offset: int, nbytes: int) -> np.ndarray:
        result = host_bytes(nbytes)
        result[:] = np.asarray(buffer)[offset : offset + nbytes]
        return result


_HOST = HostDevice("cpu", "host", "cpu", "memory of the host beside that of devices")


def host_bytes(nbytes: int) -> np.ndarray:
    """Fresh memory of the host as a uint8 array, not initialised. Raises OutOfMemoryError."""
    return np.asarray(_HOST.allocate(nbytes))

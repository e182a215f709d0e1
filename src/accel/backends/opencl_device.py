"""One OpenCL device: its memory, its queue, its programs, and how a launch is queued."""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from .._core import FloatEnvironment, HostBuffer, OpenCLLaunch, OpenCLQueue, allocate
from ..cache import Cache
from ..config import Settings
from ..errors import BackendUnavailableError, OutOfMemoryError
from ..memory import CHECKED, address_of, check_host, driver_call, host_bytes, too_large
from . import opencl_memory, opencl_program, opencl_query
from .base import Device
from .opencl_library import functions, library

if TYPE_CHECKING:
    import pyopencl

    from ..array import Array

Result = TypeVar("Result")

POOLED = 64 << 20
"""Bytes of the largest buffer that the pool keeps for the next use."""

OWN = 2 << 20
"""Bytes from which on a buffer of a CPU device lies in accel's own memory, which has large pages and is kept for the
next use at any size: fresh pages of 4 KiB cost several times what is done with them."""

HELD = 1 << 30
"""Bytes of unused buffers at which the pool gives all of them back to the driver."""

LOCAL_EXECUTION = 1 << 31
"""CL_QUEUE_THREAD_LOCAL_EXEC_ENABLE_INTEL (cl_intel_exec_by_local_thread): a queue whose kernels run in the thread that
enqueues them, before it goes on."""

FIRST_LOGIC_ERROR = -30
"""CL_INVALID_VALUE: from there on down, codes are of wrong calls (pyopencl's LogicError)."""

PROGRAMS = 512
"""Programs that a device keeps at least, once built; plans hold those that they launch."""


class OpenCLDevice(Device):
    """One OpenCL device with its context, queue and compiled programs. Buffers are pyopencl's memory objects.

    geometry: what a work-item is to the kernels: ``lanes`` (of a GPU's SIMD unit: work-groups share local memory) or
    ``loops`` (a CPU's thread: no barriers). matrix_lanes: work-items of a sub-group that multiplies by matrix units,
    or None; reads_blocks: whether that sub-group reads blocks of two axes. Tests set the three before the first use, to
    run a GPU's kernels on a CPU device. inline: a device of the same platform and memory that runs kernels in the
    thread that enqueues them. commands: what its launches share.
    """

    def __init__(
        self,
        device: pyopencl.Device,
        name: str,
        queue: pyopencl.CommandQueue | None = None,
        inline: pyopencl.Device | None = None,
    ) -> None:
        cl = library()

        kind = opencl_query.kind(device)
        platform = device.platform
        super().__init__(
            backend="opencl",
            name=name,
            kind=kind,
            description=f"{device.name.strip()} ({platform.name.strip()})",
            vendor=device.vendor.strip(),
            selection="named" if queue is not None else "listed" if kind == "cpu" else "automatic",
            memory=device.global_mem_size,
            details=opencl_query.details(device, inline),
        )
        self.cl_device = device
        self.architecture = opencl_query.architecture(device)
        self.geometry = "loops" if kind == "cpu" else "lanes"
        self.correctly_rounded = bool(device.single_fp_config & cl.device_fp_config.CORRECTLY_ROUNDED_DIVIDE_SQRT)
        self._halves = opencl_query.converts_halves(device)
        self._fp64 = "cl_khr_fp64" in device.extensions.split()
        self._inexact = opencl_query.inexact(device)
        self._largest = device.max_mem_alloc_size
        self._shares_host_memory = opencl_query.shares_host_memory(device)
        self._sub_groups = opencl_query.sub_group_sizes(device)
        self.matrix_lanes = opencl_query.matrix_lanes(device.extensions.split(), self._sub_groups)
        self.reads_blocks = opencl_query.reads_blocks(device.extensions.split(), self.matrix_lanes)
        self._queue = queue
        self._inline = inline
        self._runs_locally = queue is None and opencl_query.runs_locally(device, inline)
        self._local_queue: Any = None
        self.commands = OpenCLQueue(*functions())
        if queue is not None:
            self.commands.queue, self.commands.shared = queue.int_ptr, 1
        self._let_go: dict[int, list[HostBuffer]] = {}
        self._context: Any = None if queue is None else opencl_memory.context_of(queue)
        self._pool: Any = None if queue is None else opencl_memory.pool_of(queue)
        self._programs: Cache[str, Any] = Cache(PROGRAMS)
        self._build_lock = threading.Lock()
        self._maps = threading.RLock()
        self._lost: BackendUnavailableError | None = None
        _alive.add(self)

    # what it can do

    def missing(self, dtype_name: str) -> str | None:
        """Why the device cannot compute in a dtype: float64 needs cl_khr_fp64. 16-bit floats need nothing: they are
        integers in storage and float32 in registers."""
        return f"{self} has no float64 (cl_khr_fp64)" if dtype_name == "float64" and not self._fp64 else None

    def identity(self) -> tuple[str, ...]:
        device = self.cl_device
        platform = device.platform
        parts = (platform.name, platform.version, device.name, device.version, device.driver_version)
        return (*(part.strip() for part in parts), f"{self.vector * 32} bits, {device.max_compute_units} units")

    def inexact(self, settings: Settings) -> str | None:
        """Why floating-point results would not be those of the bit contract, or None; nothing is refused in mode
        ``fast``."""
        return None if settings.numerics == "fast" else self._inexact

    @property
    def vector(self) -> int:
        """float32 elements of a SIMD register as a CPU device states it: 4, 8 or 16."""
        return max(4, min(16, self.cl_device.native_vector_width_float))

    @property
    def sub_group(self) -> int | None:
        """The sub-group size that GPU kernels with many registers ask for: an Intel GPU's smallest, at which a
        work-item has most registers; None where a size cannot be asked for."""
        return min(self._sub_groups) if self.kind == "gpu" and self._sub_groups else None

    @property
    def packs_items(self) -> bool:
        """Whether a CPU device makes SIMD code of neighbouring work-items, rather than of loops: Intel's runtime
        does."""
        return self.kind == "cpu" and self.cl_device.platform.name.startswith("Intel")

    @property
    def waking(self) -> int:
        """How many times as much work as with Intel's runtime, whose threads spin for a while, is faster done by one
        thread than by all, which have to be woken: the more so where the others are few."""
        return 1 if self._inline is None else 3 + 3 // max(1, self.details["compute units"] - 1)

    def shuffles(self, size: int) -> bool:
        """Whether kernels may ask for sub-groups of this size and exchange registers in them, as Intel's do."""
        return size in self._sub_groups and "cl_intel_subgroups" in self.details["extensions"]

    # context and queue

    @property
    def queue(self) -> pyopencl.CommandQueue:
        """The in-order queue. Raises BackendUnavailableError in a forked child. Who has it may queue work of their own,
        which this device then waits for, too."""
        self.commands.shared = 1
        return self._queue or self._start()

    @property
    def context(self) -> pyopencl.Context:
        """The queue's context. Kept, as Intel's CPU runtime forgets a context that only its queue holds."""
        if self._context is None:
            self._start()
        return self._context

    @property
    def _cl_devices(self) -> list[pyopencl.Device]:
        """Those that the context and each program are for."""
        return [self.cl_device] if self._inline is None else [self.cl_device, self._inline]

    @driver_call
    def _start(self) -> pyopencl.CommandQueue:
        cl = library()

        if self._lost is not None:
            raise self._lost
        with self._build_lock, FloatEnvironment():  # which threads that the driver starts inherit
            if self._queue is None:
                try:
                    context = self.served(lambda: cl.Context(self._cl_devices))
                    queue = self.served(lambda: cl.CommandQueue(context, self.cl_device))
                    self._pool = opencl_memory.pool_of(queue)  # first, as other threads look at the others
                    if self._runs_locally:
                        properties = LOCAL_EXECUTION if self._inline is None else 0
                        self._local_queue = cl.CommandQueue(context, self._inline or self.cl_device, properties)
                        self.commands.local = self._local_queue.int_ptr
                    self._context, self._queue = context, queue
                    self.commands.queue = queue.int_ptr
                except cl.Error as error:
                    raise BackendUnavailableError(
                        f"{self} ({self.description}): its driver fails to start ({error}); "
                        "update or reinstall the driver"
                    ) from error
        return self._queue

    def _lose(self) -> None:
        """In a forked child: what the parent made is neither used nor released, because both may hang."""
        self._lost = BackendUnavailableError(
            f"{self}: OpenCL was started before this process was forked, and OpenCL runtimes do not survive that; "
            "start workers with multiprocessing's 'spawn' or 'forkserver' method, or use OpenCL only after the fork"
        )
        _abandoned.append((self._context, self._queue, self._local_queue, self._pool, self._programs))
        self._context, self._queue, self._local_queue, self._pool = None, None, None, None
        self._programs = Cache(PROGRAMS)
        self.commands.queue = self.commands.local = 0
        self._build_lock, self._maps = threading.Lock(), threading.RLock()

    # memory

    @driver_call
    def allocate(self, nbytes: int) -> pyopencl.MemoryObjectHolder:
        """A buffer from the pool, to which it returns when nothing holds it. Its next owner may write at once, even
        while kernels that read it are still queued, because the queue is in order."""
        if nbytes > self._largest or nbytes > self.memory:
            raise self._too_large(nbytes)
        if nbytes >= CHECKED and self._shares_host_memory:
            check_host(str(self), nbytes, self.memory)
        context = self._context or self.context
        if nbytes >= OWN and self.kind == "cpu" and self._shares_host_memory:
            return self._own(context, nbytes)
        pool = self._pool
        if pool.managed_bytes - pool.active_bytes > HELD:
            pool.free_held()
        if nbytes > POOLED:
            cl = library()
            return self.served(lambda: cl.Buffer(context, cl.mem_flags.READ_WRITE, nbytes), nbytes)
        try:
            return pool.allocate(nbytes)
        except Exception as error:  # no `served` here: every launch has an output
            return self.again(error, lambda: pool.allocate(nbytes), nbytes)

    def _own(self, context: Any, nbytes: int) -> pyopencl.MemoryObjectHolder:
        """A buffer over accel's own memory, which other devices of the host have next when nothing holds the buffer and
        what was queued has run; this one's next buffer of its size may have it before."""
        cl = library()

        if sum(size * len(free) for size, free in list(self._let_go.items())) > HELD:
            self.synchronize()
        try:
            memory = opencl_memory.Own(self.let_go, self._let_go[nbytes].pop())
        except LookupError:
            try:
                memory = opencl_memory.Own(self.let_go, allocate(nbytes))
            except (MemoryError, OverflowError) as error:
                raise self._too_large(nbytes) from error
        flags = cl.mem_flags.READ_WRITE | cl.mem_flags.USE_HOST_PTR
        return self.served(lambda: cl.Buffer(context, flags, hostbuf=np.asarray(memory)), nbytes)

    def let_go(self, memory: HostBuffer) -> None:
        """Takes back what a buffer lay in."""
        if not self.idle:
            self._let_go.setdefault(memory.nbytes, []).append(memory)

    def served(self, work: Callable[[], Result], nbytes: int | None = None) -> Result:
        """What a call of the driver returns, if need be at the second try: see `again`. nbytes: that it asks for."""
        try:
            return work()
        except Exception as error:
            return self.again(error, work, nbytes)

    def again(self, error: Exception, work: Callable[[], Result], nbytes: int | None = None) -> Result:
        """What a call returns at its second try, after an error at the first.

        Where the driver was out of memory or of other resources, what the device's pools hold is given back first, and
        OutOfMemoryError raised where that does not help. Any other error is raised as it is.
        """
        cl = library()

        self._make_room(error)
        try:
            return work()
        except cl.Error as second:
            if opencl_query.out_of_memory(second):
                raise self._too_large(nbytes, second) from second
            raise

    def _make_room(self, error: Exception) -> None:
        """Gives back what the device's pools hold, after an error that says there is no more; raises any other."""
        if not opencl_query.out_of_memory(error):
            raise error
        self.synchronize()  # the driver keeps a buffer until its last use has run
        for device in list(_alive):
            if device._pool is not None and device.cl_device == self.cl_device:
                device._pool.free_held()

    def _too_large(self, nbytes: int | None, error: pyopencl.Error | None = None) -> OutOfMemoryError:
        said = f", at most {self._largest} in one array (CL_DEVICE_MAX_MEM_ALLOC_SIZE)" + (
            "" if error is None else f" ({error})"
        )
        if nbytes is None:
            return OutOfMemoryError(
                f"{self}: the device ran out of memory or of other resources; it has {self.memory} bytes{said}"
            )
        return too_large(str(self), nbytes, self.memory, said)

    @driver_call
    def copy_in(self, buffer: pyopencl.MemoryObjectHolder, offset: int, source: np.ndarray) -> None:
        if self.looked_at and source.size:
            np.frombuffer(self._mapped(buffer, offset, source.size, True), np.uint8)[:] = source
        else:
            self._copy(buffer, source, source.size, dst_offset=offset)

    @driver_call
    def copy_out(self, buffer: pyopencl.MemoryObjectHolder, offset: int, nbytes: int) -> np.ndarray:
        result = host_bytes(nbytes)
        if self.looked_at and nbytes:
            result[:] = np.frombuffer(self._mapped(buffer, offset, nbytes, False), np.uint8)
        else:
            self._copy(result, buffer, nbytes, src_offset=offset)
        return result

    @driver_call
    def borrow(
        self, address: int, nbytes: int, owner: Any, readonly: bool
    ) -> tuple[pyopencl.MemoryObjectHolder, int] | None:
        """By CL_MEM_USE_HOST_PTR, from a multiple of the device's alignment on: so a CPU device makes no copy."""
        cl = library()

        lead = address % (self.cl_device.mem_base_addr_align // 8)
        if self.kind != "cpu" or nbytes + lead > self._largest:
            return None
        flags = cl.mem_flags.USE_HOST_PTR | (cl.mem_flags.READ_ONLY if readonly else cl.mem_flags.READ_WRITE)
        memory = np.asarray(opencl_memory.Borrowed(self.synchronize, address - lead, nbytes + lead, owner, readonly))
        return self.served(lambda: cl.Buffer(self.context, flags, hostbuf=memory), nbytes), lead

    def lend(self, buffer: pyopencl.MemoryObjectHolder) -> np.ndarray | None:
        """Where a map shows it: a CPU's buffer stays there without a map, too."""
        held = self.mapped(buffer, 0, buffer.size)
        return None if held is None else np.asarray(opencl_memory.Bytes(held.address, held.nbytes, buffer, True))

    def _copy(self, target: Any, source: Any, nbytes: int, **offset: int) -> None:
        cl = library()

        queue = self._queue or self._start()
        queued = self.served(lambda: cl.enqueue_copy(queue, target, source, is_blocking=False, **offset), nbytes)
        self._wait(queued.wait)

    def place(self, buffer: pyopencl.MemoryObjectHolder) -> tuple[Any, int, int]:
        """By the buffer that a sub-buffer is a part of; by the host's addresses where it was made of the host's
        memory."""
        cl = library()

        try:
            whole = buffer.associated_memobject or buffer
        except cl.LogicError:  # Intel's runtime forgets a buffer that only its parts hold: they may all be of one
            return "parts", 0, 1
        first = 0 if whole is buffer else buffer.offset
        memory: Any = whole.int_ptr
        if whole.flags & cl.mem_flags.USE_HOST_PTR:
            memory, first = "host", first + address_of(whole.get_host_array((whole.size,), np.uint8))
        return memory, first, first + buffer.size

    def readonly(self, buffer: pyopencl.MemoryObjectHolder) -> bool:
        """Whether kernels may not write to it. A sub-buffer has the flags that it was made with, or its parent's."""
        cl = library()

        return bool(buffer.flags & cl.mem_flags.READ_ONLY)

    @property
    def looked_at(self) -> bool:
        """CPUs: they map a buffer by saying where it lies, and who waits for them takes nothing from their overlap."""
        return self.kind == "cpu" and not self.asynchronous

    @driver_call
    def mapped(self, buffer: pyopencl.MemoryObjectHolder, offset: int, nbytes: int) -> HostBuffer | None:
        return self._mapped(buffer, offset, nbytes, False) if self.looked_at else None

    def _mapped(self, buffer: pyopencl.MemoryObjectHolder, offset: int, nbytes: int, writes: bool) -> HostBuffer:
        """A map of a buffer. Where launches may run in the calling thread, so does the map, and its end leaves nothing
        queued; else one wait on the queue is that for all before it."""
        cl, commands = library(), self.commands

        if not commands.queue:
            self._start()
        if commands.local:
            self.synchronize()
        queue = commands.local if commands.local and commands.idle else commands.queue
        queued, flags = commands.queued, cl.map_flags.WRITE if writes else cl.map_flags.READ
        place = (queue, buffer.int_ptr, flags, offset, nbytes)
        with self._maps:
            for attempt in (1, 2):
                code, address = commands.map(*place)
                if code == 0:
                    break
                self._failed("clEnqueueMapBuffer", code, attempt)
            self._maps.acquire()  # until the end of the map
        if queue == commands.queue:
            commands.finished = queued
        held = opencl_memory.Map(commands, queue, buffer, address, self._maps)
        return HostBuffer(address, nbytes, held, not writes)

    @property
    def idle(self) -> bool:
        """Whether nothing is queued that has not been waited for."""
        return self.commands.idle

    def synchronize(self) -> None:
        """Waits for the queue, unless there is nothing to wait for."""
        if self._queue is not None and not self.idle:
            self._finish()

    @driver_call
    def _finish(self) -> None:
        queued, used = self.commands.queued, self._let_go
        self._let_go = {}
        self._wait(self._queue.finish)
        self.commands.finished = queued
        del used  # its memory may have any owner now

    def _wait(self, wait: Callable[[], Any]) -> None:
        """Waits for queued work. If it ran out of memory its results are not there, so there is no second try."""
        cl = library()

        try:
            wait()
        except cl.Error as error:
            if opencl_query.out_of_memory(error):
                raise self._too_large(None, error) from error
            raise

    # programs

    @driver_call
    def kernel(self, name: str, source: str, function: str, more: tuple[str, ...] = ()) -> pyopencl.Kernel:
        """A fresh kernel object (with arguments of its own) of a program. name: of the source, for errors. more:
        options of this program alone. Raises CompileError."""
        cl = library()

        context, options = self.context, (*self.options, *more)
        key = opencl_program.digest(source, *options)
        program = self._programs.find(key)
        if program is None:
            with self._build_lock:
                program = self._programs.find(key)
                if program is None:
                    program = self.served(lambda: self._built(context, name, source, options))
                    self._programs.keep(key, program)
        return self.served(lambda: cl.Kernel(program, function))

    def _built(self, context: Any, name: str, source: str, options: tuple[str, ...]) -> Any:
        try:
            return opencl_program.build(context, self._cl_devices, name, source, options)
        except (ImportError, KeyError, AttributeError, TypeError) as error:  # modules that are gone
            if not sys.is_finalizing():
                raise
            raise BackendUnavailableError(
                f"{self}: the interpreter is shutting down, and {name} was not compiled before"
            ) from error

    @property
    def options(self) -> tuple[str, ...]:
        """Build options of every program. -w: PoCL counts warnings on stderr, of functions that are not used."""
        rounding = ("-cl-fp32-correctly-rounded-divide-sqrt",) if self.correctly_rounded else ()
        wide = self.kind == "cpu" and self._fp64 and not self.correctly_rounded
        half = ("-DACCEL_HALF",) if self._halves else ()
        return ("-cl-std=CL1.2", "-w", *rounding, *(("-DACCEL_WIDE_DIVIDE",) if wide else ()), *half)

    def launch(
        self, kernel: Any, size: tuple[int, ...], local: tuple[int, ...], units: tuple[int, ...], light: bool
    ) -> Callable[[Sequence[Array]], None]:
        """What queues a kernel: its first arguments are arrays, each its buffer and its offset by a unit; all others
        are set. size: of the whole range, a multiple of local.

        light: it takes less time than waking the threads of a CPU device and being woken by them. Where the device can,
        and nothing is queued that it might have to wait for, it runs at once in the calling thread.
        """
        made = OpenCLLaunch(self.commands, self._start, self._failed, kernel, kernel.int_ptr, size, local, units, light)
        return cast("Callable[[Sequence[Array]], None]", made)

    def _failed(self, routine: str, code: int, attempt: int) -> None:
        """After a launch's error: makes room for a second attempt, or raises as `again` does."""
        cl = library()

        kind = cl.LogicError if code <= FIRST_LOGIC_ERROR else cl.RuntimeError
        error = kind(f"{routine} failed: {cl.status_code.to_string(code)}")
        if attempt == 1:
            self._make_room(error)
        else:
            raise self._too_large(None, error) if opencl_query.out_of_memory(error) else error


_alive: weakref.WeakSet[OpenCLDevice] = weakref.WeakSet()
_abandoned: list[Any] = []


def _after_fork() -> None:
    for device in list(_alive):
        device._lose()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

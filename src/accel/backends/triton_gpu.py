"""Real GPUs of the Triton backend, NVIDIA and AMD: torch supplies memory and streams, Triton compiles and launches."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextvars import copy_context
from functools import partial
from types import SimpleNamespace
from typing import Any, TypeVar

import numpy as np
import torch
import triton

from .._core import GpuLaunch
from ..array import Array
from ..cache import Cache
from ..config import config
from ..errors import CompileError, OutOfMemoryError
from ..memory import Device, driver_call, host_bytes
from ..scalar import Program
from .triton_copy import PIECE, copy_in, copy_out, host_tensor
from .triton_counters import Counters
from .triton_division import form
from .triton_driver import driver, loader
from .triton_kernel import COMPILED, Specialization, Start, addresses_of, functions, load
from .triton_prepared import PreparedKernel
from .triton_prepared import folder as prepared_folder
from .triton_target import compilable

Result = TypeVar("Result")

OnStream = Callable[[Sequence[Array], int], None]
"""launch(the array behind every pointer, in the order of the parameters; a stream's handle)"""


NO_STREAMS: frozenset[int] = frozenset()
"""Those that a buffer's uses were recorded on at first."""


class TorchBuffer:
    """GPU memory that torch owns.

    storage: torch's, of the whole memory. address: of its first byte. nbytes: its size. readonly: whether nobody may
    write. stream: the handle of the one that it was allocated for; None of the caller's tensors, whose uses on several
    streams are the caller's to record, as with torch.
    An `accel.Array` on such a buffer starts ``offset * itemsize`` bytes after the address.
    """

    __slots__ = ("_others", "address", "nbytes", "readonly", "storage", "stream")

    def __init__(self, storage: Any, stream: int | None = None) -> None:
        self.storage, self.address, self.nbytes = storage, storage.data_ptr(), storage.nbytes()
        self.readonly, self.stream = False, stream
        self._others = NO_STREAMS

    def used_on(self, stream: int) -> None:
        """To be called before work on the memory is queued on a stream. Where it is another than its own, torch's
        allocator gives the memory to nobody before what is queued there when it becomes free is done."""
        if self.stream is not None and stream != self.stream and stream not in self._others:
            record_use(self.storage, stream)
            self._others |= {stream}

    @classmethod
    def of(cls, tensor: Any) -> tuple[TorchBuffer, int]:
        """The storage behind any torch tensor on a GPU, without a copy, and the tensor's offset into it, in elements.

        The storage stays alive with the buffer. An Array of the tensor has the tensor's own strides.
        """
        return cls(tensor.untyped_storage()), tensor.storage_offset()

    @property
    def tensor(self) -> Any:
        """A flat uint8 torch tensor of the whole memory."""
        return self.view(torch.uint8, (self.nbytes,), (1,), 0)

    def view(self, dtype: Any, shape: Sequence[int], strides: Sequence[int], offset: int) -> Any:
        """A torch tensor on this memory: torch dtype, shape, strides and offset in elements. No copy."""
        whole = torch.empty(0, dtype=dtype, device=self.storage.device)
        return whole.set_(self.storage, offset, tuple(shape), tuple(strides))


class GpuDevice(Device):
    """``triton:0`` and further: the GPU that torch calls cuda:0 and so on, under CUDA or ROCm.

    Work is queued on torch's current stream of the GPU, so it is ordered with torch's own.
    """

    def __post_init__(self) -> None:
        self.index = int(self.name.partition(":")[2])
        self.torch_device = torch.device("cuda", self.index)
        self.target = target_of(self.index)
        arch = self.target.arch
        self.architecture = f"sm_{arch}" if isinstance(arch, int) else arch
        self._compiled: Cache[Any, Any] = Cache(COMPILED)
        self._stream_of = current_stream()
        self._counters = Counters(self, self.allocate, capturing())

    def identity(self) -> tuple[str, ...]:
        asked = getattr(torch._C, "_cuda_getDriverVersion", None)
        driver_version = "" if asked is None or torch.version.cuda is None else str(asked())
        runtime = self.details.get("runtime", "")
        return (self.description, self.architecture, runtime, driver_version, f"triton {triton.__version__}")

    @driver_call
    def allocate(self, nbytes: int) -> TorchBuffer:
        def obtain() -> TorchBuffer:
            return TorchBuffer(torch.UntypedStorage(nbytes, device=self.torch_device), self._stream_of(self.index))

        try:
            return obtain()
        except RuntimeError as error:
            return self.again(error, obtain, nbytes)

    def again(self, error: RuntimeError, work: Callable[[], Result], nbytes: int | None = None) -> Result:
        """What a call of torch or of the driver returns at its second try, after an error at the first.

        Where memory ran out, what torch's allocator holds for later is given back first, and OutOfMemoryError raised
        where that does not help. Any other error is raised as it is. nbytes: that the call asks for.
        """
        if not out_of_memory(error):
            raise error
        torch.cuda.empty_cache()
        try:
            return work()
        except RuntimeError as second:
            if not out_of_memory(second):
                raise
            free, total = torch.cuda.mem_get_info(self.index)
            asked = "memory ran out" if nbytes is None else f"{nbytes} bytes were asked for"
            raise OutOfMemoryError(f"{self}: {asked}; {free} of the device's {total} bytes are free") from second

    @driver_call
    def copy_in(self, buffer: TorchBuffer, offset: int, source: np.ndarray) -> None:
        buffer.used_on(self._stream_of(self.index))
        self._copy(copy_in, buffer.tensor[offset : offset + source.size], host_tensor(source))

    @driver_call
    def copy_out(self, buffer: TorchBuffer, offset: int, nbytes: int) -> np.ndarray:
        buffer.used_on(self._stream_of(self.index))
        result = host_bytes(nbytes)
        self._copy(copy_out, torch.from_numpy(result), buffer.tensor[offset : offset + nbytes])
        return result

    def _copy(self, copy: Callable[[Any, Any, Any], None], target: Any, source: Any) -> None:
        stream = None
        if source.numel() > PIECE and not capturing()():
            stream = torch.cuda.current_stream(self.index)
        try:
            copy(target, source, stream)
        except RuntimeError as error:
            self.again(error, lambda: copy(target, source, stream), source.numel())

    @driver_call
    def synchronize(self) -> None:
        torch.cuda.synchronize(self.index)

    @driver_call
    def mark(self) -> Any:
        with torch.cuda.device(self.index):
            event = torch.cuda.Event(enable_timing=True)
            event.record(torch.cuda.current_stream(self.index))
        return event

    def seconds_between(self, first: Any, last: Any) -> float:
        return first.elapsed_time(last) / 1e3

    def kernel(self, path: str, name: str) -> Any:
        """A kernel of a file, in this device's form."""
        return getattr(load(form(self, path), False), name)

    def functions(self, programs: Mapping[str, Program]) -> tuple[Any, ...]:
        """Scalar programs, in this device's form, as functions that kernels take for arguments."""
        return functions(programs, False, partial(form, self))

    def compiled(self, what: Specialization, aligned: bool = True) -> Any:
        """Triton's CompiledKernel, one for each device, as it holds the loaded module. Raises CompileError."""
        key = (*what.key(), aligned)
        found = self._compiled.find(key)
        if found is None:
            found = self._prepared(what, aligned)
            if not isinstance(found, PreparedKernel):
                found = self._compiled_now(what, aligned, found)
            self._compiled.keep(key, found)
        return found

    def _prepared(self, what: Specialization, aligned: bool) -> PreparedKernel | str | None:
        """A kernel of the folder that ACCEL_AOT names, or why it has none; None where no folder is named."""
        path, rocm = config.current().aot, torch.version.hip is not None
        if path is None or driver(rocm) is None:
            return None
        folder = prepared_folder(os.path.expanduser(path), self.architecture, triton.__version__)
        return folder.find(what, aligned, self.target.backend, loader(rocm))

    def _compiled_now(self, what: Specialization, aligned: bool, why: str | None) -> Any:
        try:
            return what.compile(self.target, aligned)
        except CompileError as error:
            raise error if why is None else CompileError(f"{error}\n{config.origin('aot')}: {why}") from error

    def prepare(self, what: Specialization, grid: int, sizes: Sequence[int]) -> Start:
        """The launch of a number of program instances of a kernel on arrays, whose elements have these sizes in bytes;
        compiles it. Raises CompileError."""
        kernel = self.compiled(what)
        index, device_of, stream_of = self.index, current_device(), self._stream_of
        if what.counters:
            sizes = (*sizes, 8)
            with torch.cuda.device(index):
                self._counters.prepare()
        by_triton = self._by_triton(what, grid, sizes)
        launch = self._by_driver(what, kernel, grid, sizes) if _is_plain(kernel, what.scratch) else None
        if launch is None:
            launch = by_triton
        elif isinstance(kernel, PreparedKernel):
            by_triton = launch  # Triton's launcher, and so its hooks, are for what it compiled
        hooks = triton.knobs.runtime
        if what.counters:
            launch, by_triton = self._counting(launch, what.counters), self._counting(by_triton, what.counters)

        def elsewhere(arrays: Sequence[Array]) -> None:
            with torch.cuda.device(index):
                (by_triton if _hooked(hooks) else launch)(arrays, stream_of(index))

        def run(arrays: Sequence[Array]) -> None:
            try:
                if device_of() == index and not _hooked(hooks):
                    launch(arrays, stream_of(index))
                else:
                    elsewhere(arrays)
            except RuntimeError as error:  # the first launch loads the kernel
                self.again(error, lambda: elsewhere(arrays))

        return run

    def _counting(self, launch: OnStream, count: int) -> OnStream:
        """A launch that is given its counters too."""
        counters = self._counters.of
        return lambda arrays, stream: launch((*arrays, counters(stream, count)), stream)

    def _by_driver(self, what: Specialization, kernel: Any, grid: int, sizes: Sequence[int]) -> OnStream | None:
        """The launch through the driver's own function; None where its library was not found."""
        found = driver(torch.version.hip is not None)
        if found is None:
            return None
        loaded: dict[bool, Any] = {}  # a compiled kernel unloads its module with itself

        def load(aligned: bool) -> tuple[int, int, int]:
            its = loaded[aligned] = self.compiled(what, aligned)
            its.run  # noqa: B018  loads the module
            return its.function, its.metadata.shared, its.metadata.warp_size * its.metadata.num_warps

        its = kernel.metadata
        return GpuLaunch(
            cuda=found.cuda,
            entry=found.entry,
            describe=found.describe,
            load=load,
            grid=grid,
            sizes=tuple(sizes),
            ctas=getattr(its, "num_ctas", 1),
            cooperative=its.launch_cooperative_grid,
            dependent=getattr(its, "launch_pdl", False),
            scratch=what.scratch > 0,
            parameters=what.parameters(),
        )

    def _by_triton(self, what: Specialization, grid: int, sizes: Sequence[int]) -> OnStream:
        """The launch through Triton's own launcher: it calls hooks, and asks an allocator for scratch."""
        bound, starts = what.bound(), {}

        def launch(arrays: Sequence[Array], stream: int) -> None:
            for array in arrays:
                array.buffer.used_on(stream)
            addresses = addresses_of(arrays, sizes)
            aligned = all(address % 16 == 0 for address in addresses)
            if aligned not in starts:
                starts[aligned] = self.compiled(what, aligned)[grid, 1, 1]
            start = partial(starts[aligned], *bound(addresses), stream=stream)
            if what.scratch:
                copy_context().run(_with_scratch, start, addresses[-1])
            else:
                start()

        return launch


def _with_scratch(start: Callable[[], object], address: int) -> None:
    """A launch by Triton's launcher, whose kernel's scratch is at an address. The allocator is the context's."""
    triton.set_allocator(lambda size, alignment, stream: SimpleNamespace(data_ptr=lambda: address))
    start()


def _is_plain(kernel: Any, scratch: int) -> bool:
    """Whether a compiled kernel asks for nothing at its launch but what `GpuLaunch` gives. scratch: bytes for each
    program instance that there are."""
    its = kernel.metadata
    more = its.global_scratch_size > scratch or its.profile_scratch_size or getattr(its, "instrumentation_mode", "")
    together = its.launch_cooperative_grid or getattr(its, "num_ctas", 1) > 1
    return not more and (its.target.backend == "cuda" or not together)


def _hooked(runtime: Any) -> bool:
    """Whether something, such as a profiler, wants to be told of every launch."""
    return bool(runtime.launch_enter_hook.calls or runtime.launch_exit_hook.calls)


def out_of_memory(error: RuntimeError) -> bool:
    """Whether an error of torch, or one of Triton with the driver's words, says that a GPU's memory is used up."""
    import torch

    return isinstance(error, torch.cuda.OutOfMemoryError) or "out of memory" in str(error).lower()


def record_use(storage: Any, stream: int) -> None:
    """Tells torch's allocator of a use of its memory on a stream, by the stream's handle."""
    whole = torch.empty(0, dtype=torch.uint8, device=storage.device)
    whole.set_(storage).record_stream(torch.cuda.ExternalStream(stream, storage.device))


def current_stream() -> Callable[[int], int]:
    """What gives the handle of torch's current stream of a GPU, without making a torch object of it at each call, nor
    starting Triton's driver, which a C compiler builds."""
    return getattr(torch._C, "_cuda_getCurrentRawStream", _stream_of)


def _stream_of(index: int) -> int:
    return torch.cuda.current_stream(index).cuda_stream


def current_device() -> Callable[[], int]:
    """What gives the number of torch's current GPU."""
    return getattr(torch._C, "_cuda_getDevice", torch.cuda.current_device)


def capturing() -> Callable[[], bool]:
    """What says whether a graph is being captured on torch's current stream."""
    return torch.cuda.is_current_stream_capturing


def target_of(index: int) -> Any:
    """Triton's GPUTarget of a GPU, from what torch says of it."""
    from triton.backends.compiler import GPUTarget

    properties = torch.cuda.get_device_properties(index)
    if torch.version.hip is not None:
        return GPUTarget("hip", properties.gcnArchName.partition(":")[0], properties.warp_size)
    return GPUTarget("cuda", 10 * properties.major + properties.minor, 32)


def gpus() -> tuple[list[GpuDevice], list[str]]:
    """The GPUs that torch sees and Triton compiles for, and what is to be said of the others."""
    found, refused = [], []
    rocm = torch.version.hip is not None
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        target = target_of(index)
        if not compilable(target):
            refused.append(f"Triton 3.9 does not compile for {properties.name} (architecture {target.arch})")
            continue
        device = GpuDevice(
            backend="triton",
            name=f"triton:{index}",
            kind="gpu",
            description=properties.name,
            vendor="AMD" if rocm else "NVIDIA",
            memory=properties.total_memory,
            details={
                "multiprocessors": properties.multi_processor_count,
                "runtime": f"ROCm {torch.version.hip}" if rocm else f"CUDA {torch.version.cuda}",
            },
        )
        device.details["architecture"] = device.architecture
        found.append(device)
    return found, refused

"""Devices of the Triton backend that need no GPU: Triton's interpreter, and NVIDIA machine code run by an emulator.

Both compute on the process's own memory, are used only when named, and obey the bit contract, so that the kernels and
the launch path of real GPUs can be tested anywhere. They are slow: 10**5 to 10**7 elements a second.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from .._core import FloatEnvironment
from ..array import Array
from ..cache import Cache
from ..ieee import fma32, fma64
from ..scalar import Program
from .base import HostDevice
from .triton_kernel import COMPILED, Specialization, Start, addresses_of, functions, interpreting, load


@contextmanager
def counters_of(what: Specialization) -> Iterator[list[tuple[int, int]]]:
    """The (address, bytes) of what a launch counts in, none or one; RuntimeError where the kernel leaves no zeros."""
    counters = np.zeros(what.counters, np.int64)
    yield [(counters.ctypes.data, counters.nbytes)] if what.counters else []
    if counters.any():
        raise RuntimeError(f"{what.name}: counters are left at {counters[counters != 0]}, not at 0")


def _host_identity(device: HostDevice) -> tuple[str, ...]:
    import triton

    return device.name, f"triton {triton.__version__}"


class InterpreterDevice(HostDevice):
    """``triton:interpreter``: kernels run by Triton's interpreter, block by block, in NumPy."""

    architecture = "interpreter"
    identity = _host_identity

    def kernel(self, path: str, name: str) -> Any:
        """A kernel of a file, in this device's form."""
        return getattr(load(path, True), name)

    def functions(self, programs: Mapping[str, Program]) -> tuple[Any, ...]:
        """Scalar programs, in this device's form, as functions that kernels take for arguments."""
        return functions(programs, True)

    def prepare(self, what: Specialization, grid: int, sizes: Sequence[int]) -> Start:
        """The launch of a number of program instances of a kernel."""
        import triton.language as tl
        from triton.runtime.interpreter import TensorHandle

        def tensor(value: int, dtype: Any, numpy: type) -> Any:
            return tl.tensor(TensorHandle(np.array([value], numpy), dtype), dtype)

        index = {"i32": (tl.int32, np.int32), "i64": (tl.int64, np.int64)}[what.index]

        def integer(value: int, general: bool) -> Any:
            return value if value in (0, 1) and not general else tensor(value, *index)

        def launch(arrays: Sequence[Array]) -> None:
            left: Iterator[int]

            def pointer(parameter: Any) -> Any:
                return tensor(next(left), tl.pointer_type(getattr(tl, parameter.dtype)), np.uint64)

            with (
                counters_of(what) as counters,
                interpreting(what.function, reduce, create_dot=dot, create_splat=splat) as builder,
                FloatEnvironment(),
                np.errstate(all="ignore"),
            ):
                addresses = addresses_of(arrays, sizes)
                left = iter([*addresses, *(address for address, _ in counters)])
                arguments = what.bind(pointer, integer, aligned=all(address % 16 == 0 for address in addresses))
                builder.set_grid_dim(grid, 1, 1)
                for instance in range(grid):
                    builder.set_grid_idx(instance, 0, 0)
                    what.function(*arguments)

        return launch


def dot(a: Any, b: Any, accumulator: Any, input_precision: Any, max_num_imprecise_acc: int) -> Any:
    """tl.dot of interpreted kernels: a chain of fma over ascending k; 16-bit floats are widened, integers wrap.

    The interpreter's own is NumPy's matrix product plus the accumulator: the order is BLAS's, and the bits of bfloat16
    are multiplied as integers.
    """
    from triton.runtime.interpreter import TensorHandle

    dtype = accumulator.data.dtype
    left, right, total = _widened(a, dtype), _widened(b, dtype), accumulator.data
    if dtype.kind != "f":
        return TensorHandle(left @ right + total, accumulator.dtype.scalar)
    fma = fma64 if dtype == np.float64 else fma32
    for k in range(left.shape[-1]):
        column = np.broadcast_to(left[..., :, k, None], total.shape)
        total = fma(column, np.broadcast_to(right[..., k, None, :], total.shape), total)
    return TensorHandle(total, accumulator.dtype.scalar)


def splat(block_type: Any, scalar: Any) -> Any:
    """Broadcast of a scalar in interpreted kernels; the interpreter's own makes numbers of comparisons' results."""
    from triton.runtime.interpreter import TensorHandle

    return TensorHandle(np.full(block_type.shape, scalar.data, scalar.data.dtype), block_type.scalar)


def reduce(operation: Any, operands: tuple[Any, ...]) -> list[Any]:
    """tl.reduce of interpreted kernels, of one operand of a power of two of values along the axis, in halves; the
    interpreter's own calls the function that combines once for each number."""
    (operand,) = operands
    data, dtype = np.moveaxis(operand.handle.data, operation.axis, 0), operand.dtype
    while len(data) > 1:
        low, high = (operation.to_tensor(half, dtype) for half in np.split(data, 2))
        data = operation.combine_fn(low, high).handle.data
    return [operation.to_tensor(data[0], dtype)]


def _widened(operand: Any, dtype: np.dtype) -> np.ndarray:
    if operand.dtype.scalar.is_bf16():
        return (operand.data.astype(np.uint32) << 16).view(np.float32).astype(dtype)
    return operand.data.astype(dtype)


class EmulatedDevice(HostDevice):
    """``triton:emulated-sm_80`` and the like: kernels compiled by Triton for an NVIDIA GPU, whose PTX `accel.ptx` runs.

    counts: instructions run so far by opcode, one a thread, of those that the bit contract wants none of:
    "approximate", "unordered" and "contractible" (see `accel.ptx.run`). An access outside the operands' memory raises
    `accel.ptx.BadAccess`.
    """

    order: Callable[[int], Sequence[int]] | None = None
    """order(count): in which order that many program instances run; None: ascending (tests)."""

    LANES = 4096
    """Threads that the emulator runs at once; more are faster until the registers leave the cache."""

    identity = _host_identity

    def __post_init__(self) -> None:
        super().__post_init__()
        self.architecture = self.name.partition("-")[2]
        self.counts: dict[str, Counter[str]] = {
            "approximate": Counter(),
            "unordered": Counter(),
            "contractible": Counter(),
        }
        self._compiled: Cache[Any, Any] = Cache(COMPILED)
        self._lock = threading.Lock()

    @property
    def target(self) -> Any:
        """Triton's GPUTarget."""
        from triton.backends.compiler import GPUTarget

        return GPUTarget("cuda", int(self.architecture.removeprefix("sm_")), 32)

    def kernel(self, path: str, name: str) -> Any:
        """A kernel of a file, in this device's form."""
        return getattr(load(path, False), name)

    def functions(self, programs: Mapping[str, Program]) -> tuple[Any, ...]:
        """Scalar programs, in this device's form, as functions that kernels take for arguments."""
        return functions(programs, False)

    def compiled(self, what: Specialization, aligned: bool = True) -> Any:
        """Triton's CompiledKernel. Raises CompileError."""
        key = (*what.key(), aligned)
        found = self._compiled.find(key)
        if found is None:
            found = what.compile(self.target, aligned)
            self._compiled.keep(key, found)
        return found

    def prepare(self, what: Specialization, grid: int, sizes: Sequence[int]) -> Start:
        """The launch of a number of program instances of a kernel; compiles it. Raises CompileError."""
        from .. import ptx

        self.compiled(what)

        def launch(arrays: Sequence[Array]) -> None:
            addresses = addresses_of(arrays, sizes)
            kernel = self.compiled(what, aligned=all(address % 16 == 0 for address in addresses))
            warps = kernel.metadata.num_warps
            with counters_of(what) as counters:
                result = ptx.run(
                    kernel.asm["ptx"],
                    (grid,),
                    what.packed([*addresses, *(address for address, _ in counters)]),
                    warps,
                    kernel.metadata.shared,
                    allowed=_united([*((x.buffer.address, x.buffer.nbytes) for x in arrays), *counters]),
                    ctas_at_once=max(1, self.LANES // (32 * warps)),
                    order=None if self.order is None else self.order(grid),
                )
            with self._lock:
                for name, total in self.counts.items():
                    total.update(result[name])

        return launch


def _united(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """(address, bytes) ranges of the same memory, of which no two overlap."""
    united: list[tuple[int, int]] = []
    for address, nbytes in sorted(ranges):
        if united and address <= sum(united[-1]):
            start, _ = united[-1]
            united[-1] = (start, max(sum(united[-1]), address + nbytes) - start)
        else:
            united.append((address, nbytes))
    return united

"""The contract between accel and a backend.

A backend is one module (or one out-of-tree package) that names a factory in the entry-point group
``accel.backends`` and a `BackendInfo` in ``accel.backend_info``. It must provide

    memory        `Device.allocate`, and buffers that stay alive while an `Array` holds them; `Device.place` and
                  `Device.readonly` where buffers may be others' memory and have no ``address`` and ``readonly``
    copies        `Device.copy_in` and `Device.copy_out` between a buffer and host memory
    one launcher  a `Kernel` row for ``pointwise``

and everything else that accel can do then works by decomposition, or by fallback to the CPU where that is allowed. Each
further `Kernel` row replaces a fallback with something faster. `accel conform --backend NAME` says whether the result
is right.

Data flows one way. The dispatcher builds a `Call` (which operation, on which layouts), asks kernel rows in table order
whether they serve it, and has the first that does describe it, once, as a `Prepared`: launches in order, and the
scratch memory that they need. Of that the dispatcher makes a plan (accel.plan), which allocates outputs and scratch and
runs the launches, for these and all later arrays of the same layouts, with nothing looked up again.

docs/backend-contract.md says what changed from version to version.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..array import Array
from ..config import Settings
from ..layout import Layout, span
from ..memory import Device, HostBuffer, HostDevice

__all__ = [
    "API_VERSION",
    "Backend",
    "BackendInfo",
    "Call",
    "Choice",
    "Device",
    "HostBuffer",
    "HostDevice",
    "Kernel",
    "Launch",
    "Prepared",
    "Slot",
    "Tunable",
    "one_launch",
    "slots",
]

API_VERSION = 2
"""Version of this contract. A backend states the one it was written for; another one is refused with a clear error."""


@dataclass(frozen=True)
class BackendInfo:
    """What accel knows of a backend without importing its drivers.

    extra: what pip installs for it. automatic: whether it is considered when no backend is named; out-of-tree
    backends leave this False, so that installing one never changes a result.
    """

    name: str
    summary: str
    vendors: tuple[str, ...] = ()
    extra: str | None = None
    automatic: bool = False
    api_version: int = API_VERSION


@dataclass(frozen=True)
class Call:
    """One operation on operands of given layouts: all that a kernel may look at to decide and to prepare.

    op: name of the primitive (``pointwise``, ``row``, ``reduce``, ``matmul``…). params: the primitive's own parameters,
    hashable: a `Program` for pointwise, `Rows` for row, a `Reduction` for reduce, a `Product` for matmul. outputs: one
    or, for pointwise and row, several; they never have size 0, inputs may. settings: the snapshot in force (numerics,
    num_threads, cpu_isa…).
    """

    op: str
    inputs: tuple[Layout, ...]
    outputs: tuple[Layout, ...]
    params: Any
    device: Device
    settings: Settings


@dataclass(frozen=True)
class Slot:
    """What one argument of a launch is. kind: ``input`` or ``output`` of the call, or ``scratch``, a piece of memory
    that is this run's own. index: which one. offset, view: of an input or output, the part that begins so many elements
    behind its first one and lies as the layout says; of scratch, its bytes as elements of such an array. None: all of
    it. near: whether every element is known to lie less than 2 GiB behind the first, and none before it."""

    kind: str
    index: int = 0
    offset: int = 0
    view: Layout | None = None
    near: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        if self.kind not in ("input", "output", "scratch") or self.index < 0:
            raise TypeError(f"{self.kind} {self.index}: expected an input, an output or a piece of scratch")


def slots(call: Call) -> tuple[Slot, ...]:
    """The call's inputs, then its outputs."""
    inputs = (Slot("input", i, near=_near(its)) for i, its in enumerate(call.inputs))
    return (*inputs, *(Slot("output", i, near=_near(its)) for i, its in enumerate(call.outputs)))


def _near(its: Layout) -> bool:
    low, end = span(its.shape, its.strides)
    return low == 0 and end * its.dtype.itemsize < 1 << 31


@dataclass(frozen=True, eq=False)
class Launch:
    """One launch on a device, with all but its operands' addresses.

    run(arrays): queues it on one flat sequence of `Array`s, in the order of ``operands``. An array gives ``.buffer``
    and ``.offset`` (of its first element, in elements); a piece of scratch is an array of bytes (uint8). Its dtype is
    the call's, its layout need not be: what counts is the address. Nothing is allocated here, several threads may be
    inside at once, and the arrays may change from run to run.
    code: the device's function as the backend's driver knows it, for those who count or show launches; its text is for
    people. grid: how many work-groups, instances or items of it run; () where that means nothing.

    Outputs and scratch are not initialised. An output overlaps no input and no other output, except that the one
    output of a pointwise call may be the very same elements as an input. May return before the device is done; work on
    one device is ordered. The calling thread is in IEEE 754's default floating-point environment, whatever accel's
    caller set.
    """

    run: Callable[[Sequence[Array]], Any]
    operands: tuple[Slot, ...]
    code: Any = None
    grid: tuple[int, ...] = ()

    def on(self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array] = ()) -> None:
        """Runs it by itself, outside of a plan (for kernels that wrap another one, and for tests)."""
        given = {"input": inputs, "output": outputs, "scratch": scratch}
        self.run(tuple(given[slot.kind][slot.index] for slot in self.operands))


@dataclass(frozen=True, eq=False)
class Prepared:
    """What serves a call: its launches, which run in this order, and the bytes of each piece of scratch that they
    share.

    Pieces begin at multiples of 256 bytes of one allocation. What a launch writes into one, later launches read.
    """

    launches: tuple[Launch, ...]
    scratch: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for slot in (slot for launch in self.launches for slot in launch.operands):
            if slot.kind == "scratch" and slot.index >= len(self.scratch):
                raise TypeError(f"a launch takes piece {slot.index} of scratch; there are {len(self.scratch)}")


def one_launch(
    call: Call, run: Callable[[Sequence[Array]], Any], code: Any = None, grid: tuple[int, ...] = ()
) -> Prepared:
    """What serves a call by one launch of its inputs, then its outputs."""
    return Prepared((Launch(run, slots(call), code, grid),))


Choice = tuple[int, ...]
"""Whole numbers that say how a kernel serves a call: tiles, warps, stages."""


@dataclass(frozen=True)
class Tunable:
    """What of a kernel may be chosen by measuring: nothing that the order of additions depends on, so that every choice
    gives a call the same bits.

    names(call): of the numbers of a choice, for people.
    shape(call): which calls a choice is good for: words for dtypes, order in memory and mode, and lengths.
    default(call): the computed choice.
    choices(call): all that serve a call, the computed one first.
    prepare(call, choice): as `Kernel.prepare`, by one of them.
    """

    names: Callable[[Call], tuple[str, ...]]
    shape: Callable[[Call], tuple[str, tuple[int, ...]]]
    default: Callable[[Call], Choice]
    choices: Callable[[Call], tuple[Choice, ...]]
    prepare: Callable[[Call, Choice], Prepared]


@dataclass(frozen=True)
class Kernel:
    """One row of the kernel table.

    op: the primitive it computes. name: what `accel explain` prints. source: file name of its source, relative to
    accel.kernels.
    supports(call): None, or the reason why this row does not serve the call; never raises for a call it does not like.
    prepare(call): compiles (within `compiling`, which `accel bench` asks), chooses launch geometry, and describes the
    launches.
    tunable: what `accel tune` may choose of it (optional; default: nothing). ``prepare`` then asks `accel.tuning` which
    choice serves a call.
    """

    op: str
    name: str
    source: str
    supports: Callable[[Call], str | None]
    prepare: Callable[[Call], Prepared]
    tunable: Tunable | None = None


class Backend(ABC):
    """What a factory of the group ``accel.backends`` returns, once per process.

    name: as in its BackendInfo. kernels: import path of the package whose modules hold its kernel rows, each module
    a tuple ``KERNELS``; within one primitive the rows are asked in order.
    """

    name: str
    kernels: str

    def __copy__(self) -> Backend:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Backend:
        return self

    @abstractmethod
    def devices(self) -> Sequence[Device]:
        """All devices, the same objects at each call. Raises BackendUnavailableError with the reason and the fix."""

    def device(self, selector: str) -> Device | None:
        """The device that a selector names (what follows ``name:``), None where it names none.

        Optional; default: an index, or a part of a device's description or vendor, without regard to case.
        """
        devices = self.devices()
        if selector.isdecimal():
            return devices[int(selector)] if int(selector) < len(devices) else None
        for device in devices:
            if selector.lower() in f"{device.name} {device.description} {device.vendor}".lower():
                return device
        return None

    def nothing_automatic(self) -> str | None:
        """Why none of the devices is used without being named (optional; default: None, nothing to add)."""
        return None

    def versions(self) -> dict[str, str]:
        """Versions of the libraries and drivers behind the backend, for reports (optional)."""
        return {}

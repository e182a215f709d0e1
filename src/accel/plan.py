"""Plans: what runs for one call or one composition on operands of fixed layouts.

A plan is immutable: output layouts, one allocation of scratch, and launches in order, each with what it is given. It
is a callable of `accel._core`, `plan(inputs, out)`: allocates the outputs (or takes those given), allocates the scratch
and runs the launches. With one output it returns that array, with several a tuple. Threads may run one plan at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from . import _core
from .array import Array
from .backends.base import Call, Device, Launch, Prepared, Slot
from .dtypes import TABLE
from .layout import Layout, layout, span

ALIGNMENT = 256
"""Bytes: pieces of scratch begin at multiples of it, as a GPU's memory transactions and vector registers like it."""

Out = Array | tuple[Array, ...]
"""An op's result: an array, or a tuple of several."""

Plan = Callable[[Sequence[Array], Out | None], Out]
"""plan(inputs, out): what `plan` makes, or a function that does the same by other means."""

Into = Callable[[Sequence[Array], Out], Out | None]
"""into(inputs, out): asked first where outputs are given. None: the launches may write there, and run. Else this is the
call's result, computed in another way, as the outputs overlap what is still to be read."""


@dataclass(frozen=True)
class Operand:
    """What a launch of a plan is given.

    kind: ``input`` or ``output`` of the plan, ``scratch`` (a piece of it), or ``constant``. which: its index, or the
    constant `Array`. offset, layout: of a view of it, which begins so many elements behind its first one and lies as
    the layout says. None: as it is, and scratch as bytes. A view of scratch is how an intermediate is seen: its offset
    counts elements of the layout's dtype from the beginning of the piece. scale: elements of the view that one of the
    array's is; 2 where it sees the parts of complex numbers.
    """

    kind: str
    which: int | Array
    offset: int = 0
    layout: Layout | None = None
    scale: int = 1


class Description(NamedTuple):
    """What a plan was made of: see `plan`."""

    device: Device
    outputs: Sequence[Layout]
    scratch: Sequence[int]
    launches: Sequence[tuple[Launch, Sequence[Operand]]]


def plan(
    device: Device,
    outputs: Sequence[Layout],
    scratch: Sequence[int],
    launches: Sequence[tuple[Launch, Sequence[Operand]]],
    into: Into | None = None,
) -> Any:
    """The plan of launches in order, each with the operands that it takes, in the order of its own.

    outputs: layouts of fresh outputs, without negative strides (given ones have the layout that the launches were
    prepared for). scratch: bytes of each piece. into: see `Into`; None where outputs are never given, or never overlap
    anything.
    Its attribute ``description`` is a `Description`. TypeError where an operand names what is not there.
    """
    starts, total = _pieces(scratch)
    results = tuple((max(1, span(x.shape, x.strides)[1] * x.dtype.itemsize), x) for x in outputs)
    steps = tuple(
        (launch.run, tuple(_template(x, starts, scratch, len(outputs), device) for x in _fitting(launch, operands)))
        for launch, operands in launches
    )
    made = Description(device, outputs, scratch, launches)
    return _core.Plan(device.allocate, results, max(1, total) if scratch else 0, steps, into, made)


def seen_through(
    made: Any, inputs: Sequence[Operand], results: Sequence[Operand], outputs: Sequence[Layout], into: Into | None
) -> Any:
    """A plan's launches on other arrays: inputs and results say of each of the plan's own what it is of those, and
    outputs how those lie that are fresh."""
    its: Description = made.description
    given = {"input": inputs, "output": results}

    def through(x: Operand) -> Operand:
        if x.kind not in given:
            return x
        on = given[x.kind][x.which]
        return Operand(on.kind, on.which, on.offset + x.offset, x.layout or on.layout, on.scale)

    launches = [(launch, tuple(map(through, operands))) for launch, operands in its.launches]
    return plan(its.device, outputs, its.scratch, launches, into)


def bind(
    prepared: Prepared, inputs: Sequence[Operand], outputs: Sequence[Operand], first: int = 0
) -> list[tuple[Launch, tuple[Operand, ...]]]:
    """A kernel's launches with what a plan gives them for the inputs and outputs of their call. first: the number of
    the plan's piece of scratch that the kernel's first one becomes."""
    scratch = [Operand("scratch", first + i) for i in range(len(prepared.scratch))]
    given = {"input": inputs, "output": outputs, "scratch": scratch}
    return [(launch, tuple(_seen(given[s.kind][s.index], s) for s in launch.operands)) for launch in prepared.launches]


def _seen(operand: Operand, slot: Slot) -> Operand:
    """An operand, or the part of it that a slot names."""
    if slot.view is None:
        return operand
    return Operand(operand.kind, operand.which, operand.offset + slot.offset, slot.view, operand.scale)


def single(device: Device, outputs: Sequence[Layout], prepared: Prepared, inputs: int, into: Into | None) -> Any:
    """The plan of one call: a kernel's own inputs and outputs."""
    operands = [Operand("input", i) for i in range(inputs)]
    results = [Operand("output", i) for i in range(len(outputs))]
    return plan(device, outputs, prepared.scratch, bind(prepared, operands, results), into)


def run_on(call: Call, prepared: Prepared, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
    """Runs what a kernel prepared on given arrays, once (tests of kernels)."""
    made = single(call.device, [x.layout for x in outputs], prepared, len(inputs), None)
    made(list(inputs), outputs[0] if len(outputs) == 1 else tuple(outputs))


def prepare(kernel: Any, call: Call) -> Prepared:
    """What a kernel prepares for a call."""
    with _core.FloatEnvironment():  # drivers and compilers are loaded, which may leave another one
        return kernel.prepare(call)


def each(out: Any) -> tuple[Any, ...]:
    """The outputs, or their layouts, one or several; none for None."""
    return out if isinstance(out, tuple) else () if out is None else (out,)


def packed(arrays: Iterable[Array]) -> Out:
    """One array, or a tuple of several."""
    one, *more = arrays
    return (one, *more) if more else one


def _pieces(scratch: Sequence[int]) -> tuple[list[int], int]:
    """Where each piece begins, and the bytes of all."""
    starts, total = [], 0
    for nbytes in scratch:
        starts.append(total)
        total += -(-nbytes // ALIGNMENT) * ALIGNMENT
    return starts, total


def _fitting(launch: Launch, operands: Sequence[Operand]) -> Sequence[Operand]:
    if len(operands) != len(launch.operands):
        raise TypeError(f"{len(operands)} operands for a launch of {len(launch.operands)}")
    return operands


def _template(
    x: Operand, starts: Sequence[int], scratch: Sequence[int], outputs: int, device: Device
) -> tuple[str, Any, int, Layout | None, int]:
    """An operand as `_core.Plan` takes it: scratch by its place in the allocation, a constant as the array that is
    seen."""
    if x.kind == "constant":
        if not isinstance(x.which, Array):
            raise TypeError(f"{x}: expected an Array")
        return "constant", Array(x.which.buffer, x.which.offset + x.offset, x.layout or x.which.layout), 0, None, 1
    count = {"input": None, "output": outputs, "scratch": len(starts)}.get(x.kind, 0)
    if not isinstance(x.which, int) or x.which < 0 or (count is not None and x.which >= count):
        raise TypeError(f"{x}: there is no such operand")
    if x.kind != "scratch":
        return x.kind, x.which, x.offset, x.layout, x.scale
    nbytes = scratch[x.which]
    its = x.layout or layout(TABLE["uint8"], (nbytes,), None, device)
    low, high = (its.dtype.itemsize * (x.offset + at) for at in span(its.shape, its.strides))
    if low < 0 or high > nbytes:
        raise TypeError(f"{x}: it reaches from byte {low} to {high} of a piece of {nbytes}")
    return "scratch", 0, starts[x.which] // its.dtype.itemsize + x.offset, its, 1

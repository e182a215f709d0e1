"""What a backend's scatter needs beside its own launch, from its other kernels: the base copied into the output, and
the cells' order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ..dtypes import INT64
from ..layout import layout
from ..ops.parameters import Sort, scattered_operands
from ..ops.primitive.pointwise import cast_program
from .base import Call, Kernel, Launch, Prepared, Slot


@dataclass(frozen=True)
class Part:
    """A call of another primitive within a scatter: its input and output among the scatter's."""

    call: Call
    source: Slot
    target: Slot


@dataclass(frozen=True)
class Operands:
    """What a backend's own launch gets. order: of the cells; None: they are in order, or none is needed. start: the one
    element that the output is to hold before; None: it does already."""

    values: Slot
    cells: Slot
    order: Slot | None
    sources: Slot | None
    start: Slot | None

    @property
    def given(self) -> tuple[Slot, ...]:
        """Those that there are."""
        every = (self.values, self.cells, self.order, self.sources, self.start)
        return tuple(slot for slot in every if slot is not None)


def kernel(
    name: str,
    source: str,
    others: Sequence[Kernel],
    own: Callable[[Call, Operands], Launch],
    *,
    in_sequence: bool,
    starts: bool = False,
    refusal: Callable[[Call], str | None] = lambda call: None,
) -> Kernel:
    """A backend's kernel row. others: its rows of ``pointwise`` and ``sort``. own(call, operands): its launch, which
    gets the order of the cells where rows meet in a cell and are folded or not taken in sequence. starts: whether that
    takes a base of one element for sums and products, and writes the whole output. refusal(call): why it does not serve
    a call."""

    def started(call: Call) -> bool:
        base, *_ = scattered_operands(call.inputs, call.params)
        return starts and call.params.folds and base is not None and not any(base.strides)

    def parts(call: Call) -> list[Part]:
        base, _, cells, _ = scattered_operands(call.inputs, call.params)
        found = []
        if not call.params.ascending and (call.params.folds or not (call.params.apart or in_sequence)):
            order = layout(INT64, cells.shape, None, call.device)
            sort = replace(call, op="sort", inputs=(cells,), outputs=(order,), params=Sort("indices", 0))
            found.append(Part(sort, Slot("input", (base is not None) + 1), Slot("scratch", 0, 0, order)))
        if base is not None and not started(call):
            program = cast_program(base.dtype, base.dtype)
            copy = replace(call, op="pointwise", inputs=(base,), params=program)
            found.append(Part(copy, Slot("input"), Slot("output")))
        return found

    def chosen(part: Part) -> tuple[Kernel | None, str]:
        refusals = []
        for row in others:
            if row.op == part.call.op:
                why = row.supports(part.call)
                if why is None:
                    return row, ""
                refusals.append(f"{row.name}: {why}")
        return None, "; ".join(refusals)

    def supports(call: Call) -> str | None:
        reasons = [why for row, why in map(chosen, parts(call)) if row is None]
        return reasons[0] if reasons else refusal(call)

    def prepare(call: Call) -> Prepared:
        order = None
        launches: list[Launch] = []
        scratch: tuple[int, ...] = ()
        for part in parts(call):
            row, _ = chosen(part)
            prepared = row.prepare(part.call)
            if part.target.kind == "scratch":  # the order, which is the first piece
                order = part.target
                scratch = (8 * part.call.outputs[0].size,)
            launches += _within(prepared, part, len(scratch))
            scratch = (*scratch, *prepared.scratch)
        base, *_ = scattered_operands(call.inputs, call.params)
        first = int(base is not None)
        operands = Operands(
            Slot("input", first),
            Slot("input", first + 1),
            order,
            Slot("input", first + 2) if call.params.sourced else None,
            Slot("input") if started(call) else None,
        )
        return Prepared((*launches, own(call, operands)), scratch)

    return Kernel("scatter", name, source, supports, prepare)


def _within(prepared: Prepared, part: Part, first: int) -> list[Launch]:
    """A kernel's launches as some of another one's. first: the number that its first piece of scratch gets."""
    given = {"input": part.source, "output": part.target}
    return [
        replace(
            launch,
            operands=tuple(
                Slot("scratch", first + s.index, s.offset, s.view) if s.kind == "scratch" else given[s.kind]
                for s in launch.operands
            ),
        )
        for launch in prepared.launches
    ]

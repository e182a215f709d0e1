"""The launches of a scan on a GPU: one that makes the totals of blocks, one that scans each block after them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

from .backends.base import Call, Slot
from .layout import Shape, collapse, row_major

MOST = 4096
"""Totals of blocks that the launch which scans blocks scans itself; more are scanned by launches of their own."""


@dataclass(frozen=True)
class Place:
    """Where an operand of a launch lies. kept, step: strides along the kept axes, and along the scanned one or from
    block to block, in elements."""

    slot: Slot
    kept: Shape
    step: int


@dataclass(frozen=True)
class Pass:
    """One launch over rows of n elements, in blocks of `width`, which is a power of 16 where there are several.

    kept: collapsed lengths, at least one. totals: the output gets each block's total (that of an incomplete one means
    nothing). Else it gets the scan of each block after what comes before it: of `before`, the blocks' totals, or, where
    they are `scanned`, what their exclusive scan gave. exclusive: an element of the output does not include its own of
    the input; the first is left as it is. initial: the output has the identity before a row's first element.
    """

    n: int
    width: int
    kept: Shape
    x: Place
    out: Place
    before: Place | None = None
    scanned: bool = False
    totals: bool = False
    exclusive: bool = False
    initial: bool = False

    @property
    def rows(self) -> int:
        return prod(self.kept)

    @property
    def blocks(self) -> int:
        return max(1, -(-self.n // self.width))

    @property
    def reads_input(self) -> bool:
        return self.x.slot.kind == "input"

    @property
    def writes_output(self) -> bool:
        return self.out.slot.kind == "output"


def passes(
    call: Call, width_of: Callable[[int, int, Place], int], ranks: Sequence[int] = ()
) -> tuple[list[Pass], list[int]]:
    """The launches of a call, and the accumulators in each piece of scratch. width_of(n, rows, place of the input): the
    elements of a block. ranks: numbers of kept axes to fill up to, with leading axes of length 1."""
    (x,), (out,), axis = call.inputs, call.outputs, call.params.axis
    kept = [a for a in range(x.ndim) if a != axis]
    lengths = tuple(x.shape[a] for a in kept)
    strides = [tuple(layout.strides[a] for a in kept) for layout in (x, out)]
    shape, (x_kept, out_kept) = collapse(lengths, strides)
    fill = next((rank for rank in ranks if rank >= len(shape)), max(1, len(shape))) - len(shape)
    shape = (1,) * fill + shape
    x_kept, out_kept = ((0,) * fill + strides for strides in (x_kept, out_kept))
    source, target = Place(Slot("input"), x_kept, x.strides[axis]), Place(Slot("output"), out_kept, out.strides[axis])
    made: list[Pass] = []
    scratch: list[int] = []

    def add(n: int, x: Place, out: Place, exclusive: bool, initial: bool) -> None:
        width = width_of(n, prod(shape), x)
        blocks = -(-n // width)
        if blocks <= 1:
            made.append(Pass(n, width, shape, x, out, exclusive=exclusive, initial=initial))
            return
        before = piece(blocks, x)
        made.append(Pass(n, width, shape, x, before, totals=True))
        scanned = blocks > MOST
        if scanned:
            totals, before = before, piece(blocks, x)
            add(blocks, totals, before, True, False)
        made.append(Pass(n, width, shape, x, out, before, scanned, exclusive=exclusive, initial=initial))

    def piece(blocks: int, x: Place) -> Place:
        """Scratch for each block of each row, in which rows lie next to each other where those of x do."""
        scratch.append(blocks * prod(shape))
        slot = Slot("scratch", len(scratch) - 1)
        if x.kept[-1] == 1 and x.step != 1:
            step, *steps = row_major((blocks, *shape))
        else:
            *steps, step = row_major((*shape, blocks))
        return Place(slot, tuple(steps), step)

    add(x.shape[axis], source, target, False, call.params.initial)
    return made, scratch

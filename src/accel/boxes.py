"""The copies that a join is made of, as kernels walk them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .backends.base import Call, Slot
from .layout import Shape, collapse


@dataclass(frozen=True)
class Box:
    """One operand and its box of the output.

    slot: of the operand. offset: of the box's first element behind the output's. shape, out_strides, in_strides: its
    axes, as few as possible and from the longest stride of the output to the shortest; none of length 0 or 1.
    """

    slot: Slot
    offset: int
    shape: Shape
    out_strides: Shape
    in_strides: Shape


def boxes(call: Call) -> list[Box]:
    """All that have elements."""
    (output,) = call.outputs
    order = sorted(range(output.ndim), key=lambda a: -abs(output.strides[a]))
    made = []
    for i, (x, start) in enumerate(zip(call.inputs, call.params.starts, strict=True)):
        if x.size:
            offset = sum(s * step for s, step in zip(start, output.strides, strict=True))
            lengths, to, of = (tuple(each[a] for a in order) for each in (x.shape, output.strides, x.strides))
            shape, (out_strides, in_strides) = collapse(lengths, [to, of])
            made.append(Box(Slot("input", i), offset, shape, out_strides, in_strides))
    return made


def batches(made: Sequence[Box], most: int) -> Iterator[Sequence[Box]]:
    """So many at a time, or fewer."""
    for first in range(0, len(made), most):
        yield made[first : first + most]

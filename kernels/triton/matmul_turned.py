"""Products of int8 on sm_90, whose matrix units take operands along k only: one that lies the other way would go
through registers in each tile that reads it. It is copied first, so that its neighbours are along k."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod

from accel.backends.base import Call, Prepared, Slot
from accel.kernels.triton import pointwise
from accel.kernels.triton.reduce import same
from accel.layout import Layout, layout, span

TIMES = 1024
"""Rows (or columns) of the other operand from which on a copy pays. On an H200 an element's copy moves 2 bytes, 0.4 ps
of its memory's speed; its products with 1,024 rows take 1 ps of its matrix units, and the detour doubles the
instructions beside them."""


def turned(call: Call) -> dict[int, Layout]:
    """The operands that are to be copied, and how they lie then; of matrices, not of batches."""
    (a, b, *_), (*batch, m, n) = call.inputs, call.outputs[0].shape
    if call.device.architecture != "sm_90" or a.dtype.name != "int8" or prod(batch) != 1:  # type: ignore[attr-defined]
        return {}
    found, k, none = {}, a.shape[-1], (0,) * len(batch)
    pitch = -(-k // 16) * 16
    if a.strides[-1] != 1 and n >= TIMES and k > 1:
        found[0] = layout(a.dtype, a.shape, (*none, pitch, 1), a.device)
    if b.strides[-2] != 1 and m >= TIMES and k > 1:
        found[1] = layout(b.dtype, b.shape, (*none, 1, pitch), b.device)
    return found


def after_copies(call: Call, its: dict[int, Layout], multiply: Callable[[Call], Prepared]) -> Prepared:
    """A product by copies of operands, in scratch, and what serves it then."""
    inputs = tuple(its.get(i, x) for i, x in enumerate(call.inputs))
    made = multiply(replace(call, inputs=inputs))
    scratch = {i: Slot("scratch", len(made.scratch) + number) for number, i in enumerate(its)}
    launches = []
    for i, to in its.items():
        copy = Call("pointwise", (call.inputs[i],), (to,), same(to.dtype.name), call.device, call.settings)
        (launch,) = pointwise.KERNELS[0].prepare(copy).launches
        places = {"output": scratch[i], "input": Slot("input", i)}
        launches.append(replace(launch, operands=tuple(places[slot.kind] for slot in launch.operands)))
    for launch in made.launches:
        operands = tuple(scratch.get(s.index, s) if s.kind == "input" else s for s in launch.operands)
        launches.append(replace(launch, operands=operands))
    return Prepared(tuple(launches), (*made.scratch, *(span(x.shape, x.strides)[1] for x in its.values())))

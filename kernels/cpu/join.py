"""Arrays side by side in one: each copied to its own box, all in one launch."""

from __future__ import annotations

from accel.backends.base import Call, Kernel, Launch, Prepared, Slot
from accel.backends.cpu import isa, native, threads
from accel.boxes import batches, boxes

MOST = 120
"""Boxes of a launch; csrc/python/launch.cpp takes 128 operands."""


def _supports(call: Call) -> str | None:
    return None


def _prepare(call: Call) -> Prepared:
    instructions, dtype, launches = isa(call.settings.cpu_isa), call.outputs[0].dtype.name, []
    for batch in batches(boxes(call), MOST):
        shapes, offsets = [box.shape for box in batch], [box.offset for box in batch]
        outs, ins = [box.out_strides for box in batch], [box.in_strides for box in batch]
        kernel = native().Join(instructions, dtype, shapes, offsets, outs, ins)
        run = kernel.launch(threads(call.settings))
        launches.append(Launch(run, (*(box.slot for box in batch), Slot("output")), kernel))
    return Prepared(tuple(launches))


KERNELS = (Kernel("join", "cpu.join", "csrc/join.hpp", _supports, _prepare),)

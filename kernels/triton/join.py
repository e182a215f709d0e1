"""Arrays side by side in one: one launch for every few boxes."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import triton.language as tl

from accel.backends.base import Call, Kernel, Launch, Prepared, Slot
from accel.backends.triton_kernel import Pointer, Specialization, prepare
from accel.boxes import Box, batches, boxes
from accel.kernels.triton.device import join as device_code
from accel.kernels.triton.pointwise import needs_wide

COUNTS = (1, 2, 4, 8, 16)
"""Boxes that kernels are compiled for; a launch of fewer gets some that no instance comes to."""

TASK = {"interpreter": 1 << 16}
"""Elements of an instance by architecture; 1024 elsewhere."""


RUNS = 16
"""Elements that lie together in every operand where a kernel is told so, which then moves 16 bytes at a time."""


GENERAL = frozenset(("shapes", "out_strides", "in_strides", "to", "first", "size"))


def runs(made: Sequence[Box]) -> int:
    """RUNS where all of the boxes' elements lie together, so many at least, and begin at their multiples; else 0."""
    together = all(box.out_strides[-1:] == box.in_strides[-1:] == (1,) for box in made)
    places = [(box.offset, *box.shape[-1:], *box.out_strides[:-1], *box.in_strides[:-1]) for box in made]
    return RUNS if together and all(n % RUNS == 0 for numbers in places for n in numbers) else 0


def _supports(call: Call) -> str | None:
    return None


def _prepare(call: Call) -> Prepared:
    made = boxes(call)
    rank = max([1, *(len(box.shape) for box in made)])
    return Prepared(tuple(_launch(call, batch, rank) for batch in batches(made, COUNTS[-1])))


def _launch(call: Call, batch: Sequence[Box], rank: int) -> Launch:
    (out,), device = call.outputs, call.device
    task = TASK.get(device.architecture, 1024)
    count = next(c for c in COUNTS if c >= len(batch))
    spare, first, tasks = count - len(batch), [], 0
    for box in batch:
        first.append(tasks)
        tasks += -(-prod(box.shape) // task)
    far = needs_wide((out.shape, out.strides), *((box.shape, box.in_strides) for box in batch))
    element = Pointer(f"uint{8 * out.dtype.itemsize}")

    def each(values: Sequence[tuple[int, ...]], fill: int) -> tuple[tuple[int, ...], ...]:
        return tuple((fill,) * (rank - len(v)) + v for v in (*values, *[()] * spare))

    arguments: dict[str, Any] = {
        "out": element,
        "inputs": (element,) * count,
        "shapes": each([box.shape for box in batch], 1),
        "out_strides": each([box.out_strides for box in batch], 0),
        "in_strides": each([box.in_strides for box in batch], 0),
        "to": (*(box.offset for box in batch), *[0] * spare),
        "first": (*first, *[tasks] * spare),
        "size": (*(prod(box.shape) for box in batch), *[0] * spare),
        "TASK": task,
        "RUNS": runs(batch),
        "INDEX": tl.int64 if far else tl.int32,
    }
    kernel = device.kernel(device_code.__file__, "join")
    what = Specialization(kernel, arguments, "i64" if far else "i32", general=GENERAL)
    slots = [box.slot for box in batch]
    operands = (Slot("output"), *slots, *slots[:1] * spare)
    return prepare(device, what, tasks, operands, (out.dtype.itemsize,) * len(operands))


KERNELS = (Kernel("join", "triton.join", "triton/device/join.py", _supports, _prepare),)

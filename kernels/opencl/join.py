"""Arrays side by side in one: one launch for as many boxes as its arguments have room for."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

from accel.backends.base import Call, Kernel, Launch, Prepared, Slot
from accel.boxes import Box, batches, boxes
from accel.layout import span

from . import build
from .pointwise import RANKS

if TYPE_CHECKING:
    from accel.backends.opencl_device import OpenCLDevice

COUNTS = (1, 2, 4, 8, 16)
"""Boxes that kernels are compiled for; a launch of fewer gets some that no work-group comes to."""

TASK = 16384
"""Elements of a task on a CPU device, so that starting it costs little."""

LOCAL = 256

TYPES = {1: "uchar", 2: "ushort", 4: "uint", 8: "ulong"}
"""What an element of so many bytes is copied as."""


def rank_of(batch: Sequence[Box]) -> int:
    """The least rank that kernels are compiled for and that has room for every box's axes."""
    most = max([1, *(len(box.shape) for box in batch)])
    return next((r for r in RANKS if r >= most), most)


def task_of(batch: Sequence[Box], geometry: str) -> int:
    """Elements of a task."""
    if geometry != "lanes":
        return TASK
    return LOCAL * (4 if max(prod(box.shape) for box in batch) >= 1 << 20 else 1)


def argument_bytes(count: int, rank: int, wide: bool) -> int:
    """Bytes of a kernel's arguments, as aligned as they may have to be."""
    return 16 * (1 + count) + (8 if wide else 4) * count * (3 * rank + 3) + 8


def reach(batch: Sequence[Box]) -> list[int]:
    """The largest numbers that a batch's kernel computes with."""
    ends = [b for box in batch for s in (box.out_strides, box.in_strides) for b in span(box.shape, s)]
    return [*ends, *(box.offset for box in batch), sum(prod(box.shape) + TASK for box in batch)]


def grouped(made: Sequence[Box]) -> tuple[int, int]:
    """How many boxes a launch takes at most, and the rank of its kernel. 0: none."""
    rank, wide = rank_of(made), build.index_types(*reach(made))["INDEX"] == "long"
    fitting = [count for count in COUNTS if argument_bytes(count, rank, wide) <= build.ARGUMENT_BYTES]
    return (next((c for c in fitting if c >= len(made)), fitting[-1]) if fitting else 0), rank


def definitions(batch: Sequence[Box], count: int, rank: int, itemsize: int, geometry: str) -> dict[str, object]:
    """What join.cl needs defined."""
    return {
        **build.index_types(*reach(batch)),
        "TYPE": TYPES[itemsize],
        "COUNT": count,
        "RANK": rank,
        "BOXES(X)": " ".join(f"X({k})" for k in range(count)),
        "LANES": int(geometry == "lanes"),
        "LOCAL": LOCAL if geometry == "lanes" else 1,
        "TASK": task_of(batch, geometry),
    }


def geometry_fields(batch: Sequence[Box], count: int, rank: int, task: int) -> tuple[list[int], int]:
    """The struct Geometry, and how many tasks there are."""
    axes: list[list[int]] = [[], [], []]
    to, first, size, tasks = [], [], [], 0
    for box in batch:
        missing = rank - len(box.shape)
        for fields, values, fill in zip(axes, (box.shape, box.out_strides, box.in_strides), (1, 0, 0), strict=True):
            fields += [fill] * missing + list(values)
        to.append(box.offset)
        first.append(tasks)
        size.append(prod(box.shape))
        tasks += -(-size[-1] // task)
    spare = count - len(batch)
    for fields, fill in zip(axes, (1, 0, 0), strict=True):
        fields += [fill] * (rank * spare)
    fields = [*axes[0], *axes[1], *axes[2], *to, *[0] * spare, *first, *[tasks] * spare, *size, *[0] * spare]
    return fields, tasks


def source(batch: Sequence[Box], count: int, rank: int, itemsize: int, geometry: str) -> str:
    """The whole OpenCL C of a launch."""
    defined = definitions(batch, count, rank, itemsize, geometry)
    return build.assemble(("join",), defined, "", fp64=False, correctly_rounded=True)


def _supports(call: Call) -> str | None:
    made = boxes(call)
    if grouped(made)[0] == 0:
        return f"{rank_of(made)} axes need more than {build.ARGUMENT_BYTES} bytes of arguments"
    return None


def _prepare(call: Call) -> Prepared:
    device, made, itemsize = build.device_of(call), boxes(call), call.outputs[0].dtype.itemsize
    geometry, launches = device.geometry, []
    count, rank = grouped(made)
    for batch in batches(made, count):
        launches.append(_launch(device, batch, count, rank, itemsize, geometry))
    return Prepared(tuple(launches))


def _launch(device: OpenCLDevice, batch: Sequence[Box], count: int, rank: int, itemsize: int, geometry: str) -> Launch:
    defined = definitions(batch, count, rank, itemsize, geometry)
    kernel = device.kernel("kernels/opencl/join.cl", source(batch, count, rank, itemsize, geometry), "join")
    fields, tasks = geometry_fields(batch, count, rank, int(str(defined["TASK"])))
    build.set_numbers(device, kernel, 2 * (1 + count), build.pack(defined, *fields))
    slots = [box.slot for box in batch]
    slots += [slots[0]] * (count - len(batch))
    local = int(str(defined["LOCAL"]))
    return build.launch(device, kernel, (Slot("output"), *slots), (tasks * local,), (local,))


KERNELS = (Kernel("join", "opencl.join", "opencl/join.cl", _supports, _prepare),)

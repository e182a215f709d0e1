"""Elements that index arrays select, moved by size: one launch, walked as pointwise programs are."""

from __future__ import annotations

from math import prod

from accel.backends.base import Call, Kernel, Prepared, slots
from accel.layout import span
from accel.ops.parameters import Selection, selection

from . import build
from .pointwise import WORK, Walk, each, local_size, walk

WORK_EACH = 30
"""Work of an element that is moved by itself, and of a row that is copied whole, as `build.launch` counts it."""

STORAGE = {1: "uchar", 2: "ushort", 4: "uint", 8: "ulong"}
"""OpenCL C type by the bytes of an element."""


def _walk(call: Call) -> tuple[Selection, Walk]:
    (out,) = call.outputs
    its = selection(call.inputs, out.shape, call.params)
    return its, walk(out.shape, (out.strides, its.base, *its.indices))


def definitions(call: Call, its: Selection, its_walk: Walk, lanes: bool) -> dict[str, object]:
    """What gather.cl needs defined."""
    x, *_ = call.inputs
    reach = [bound for strides in its_walk.strides for bound in span(its_walk.shape, strides)]
    out_step, in_step, *steps = its_walk.steps
    local_x, local_y = local_size(its_walk.shape, "lanes") if lanes else (1, 1)
    return {
        **build.index_types(prod(its_walk.shape), *span(x.shape, x.strides), *its.lengths, *its.steps, *reach),
        "ELEMENT": STORAGE[x.dtype.itemsize],
        "RANK": len(its_walk.shape),
        "OUT_STEP": out_step,
        "IN_STEP": in_step,
        "INDICES": max(1, len(steps)),
        "EACH_INDEX(X)": " ".join(f"X({i}, {step})" for i, step in enumerate(steps)),
        "ALIKE": int(set(steps) <= {"SAME"}),
        "WHOLE": int(out_step == in_step == "UNIT"),
        "NOTHING": int(0 in its.lengths),
        "LANES": int(lanes),
        "LOCAL_X": local_x,
        "LOCAL_Y": local_y,
        "EACH": each(its_walk.shape, "lanes") if lanes else 1,
    }


def _supports(call: Call) -> str | None:
    its, its_walk = _walk(call)
    arrays = len(its.indices) + 2
    nbytes = 8 * len(its_walk.shape) * (arrays + 1) + 16 * len(its.indices) + 16 * arrays + 32
    if nbytes > build.ARGUMENT_BYTES:
        return f"{arrays} operands of {len(its_walk.shape)} axes need {nbytes} bytes of arguments"
    return None


def _prepare(call: Call) -> Prepared:
    device = build.device_of(call)
    its, its_walk = _walk(call)
    lanes = device.geometry == "lanes"
    defined = definitions(call, its, its_walk, lanes)
    code = build.assemble(("gather",), defined, "", fp64=False, correctly_rounded=device.correctly_rounded)
    kernel = device.kernel("kernels/opencl/gather.cl", code, "gather")
    unused = () if its.indices else (0,) * (len(its_walk.shape) + 2)
    strides = (step for strides in its_walk.strides for step in strides)
    fields = build.pack(defined, *its_walk.shape, *strides, *its.lengths, *its.steps, *unused)
    rows, columns = prod(its_walk.shape[:-1]), its_walk.shape[-1]
    first = 2 * (len(its.indices) + 2)
    if lanes:
        local = (defined["LOCAL_X"], defined["LOCAL_Y"])
        across, down = -(-columns // defined["EACH"]), rows
        size = (-(-across // local[0]) * local[0], -(-down // local[1]) * local[1])
        build.set_numbers(device, kernel, first, fields, rows)
    else:
        columns_each = min(columns, WORK)
        rows_each = max(1, WORK // columns_each)
        local, size = (1, 1), (-(-columns // columns_each), -(-rows // rows_each))
        build.set_numbers(device, kernel, first, fields, rows, rows_each, columns_each)
    *inputs, output = slots(call)
    copied = defined["ALIKE"] and defined["WHOLE"]
    work = (WORK_EACH + 2 * columns) * rows if copied else WORK_EACH * rows * columns
    return Prepared((build.launch(device, kernel, (output, *inputs), size, local, work=work),))


KERNELS = (Kernel("gather", "opencl.gather", "opencl/gather.cl", _supports, _prepare),)

"""Places of the true elements of a vector, and how many there are: one launch, a block to a work-group."""

from __future__ import annotations

from math import gcd

from accel.backends.base import Call, Kernel, Prepared, slots
from accel.layout import span

from . import build

ITEMS = {"lanes": 128, "loops": 1}
"""Work-items of a work-group at most, by geometry."""


def _supports(call: Call) -> str | None:
    return None


def _prepare(call: Call) -> Prepared:
    device, (mask, *known), (out,), params = build.device_of(call), call.inputs, call.outputs, call.params
    blocks, counts = -(-mask.size // params.block), params.count is None
    items = gcd(ITEMS[device.geometry], params.block)
    reach = [bound for its in (*call.inputs, out) for bound in span(its.shape, its.strides)]
    types = build.index_types(mask.size, *reach)
    defined = {"INDEX": types["INDEX"], "BLOCK": params.block, "ITEMS": items, "COUNTS": int(counts)}
    code = build.assemble(("compact",), defined, "", fp64=False, correctly_rounded=True)
    kernel = device.kernel("kernels/opencl/compact.cl", code, "compact")
    before_step = 0 if counts else known[0].strides[0]
    fields = build.pack(types, mask.size, params.count or 0, mask.strides[0], before_step, out.strides[0])
    build.set_numbers(device, kernel, 2 * len(call.inputs) + 2, fields)
    *inputs, output = slots(call)
    return Prepared((build.launch(device, kernel, (output, *inputs), (blocks * items,), (items,)),))


KERNELS = (Kernel("compact", "opencl.compact", "opencl/compact.cl", _supports, _prepare),)

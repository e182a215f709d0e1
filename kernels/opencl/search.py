"""Places of values in a sorted vector: one launch, a value to a work-item."""

from __future__ import annotations

from accel.backends.base import Call, Kernel, Prepared, slots
from accel.layout import collapse, span

from . import build
from .sort import key_definitions

EACH = {"lanes": 1, "loops": 1024}
"""Values of a work-item by geometry."""

ITEMS = {"lanes": 128, "loops": 1}
"""Work-items of a work-group by geometry."""


def _supports(call: Call) -> str | None:
    return None


def _prepare(call: Call) -> Prepared:
    device, (x, values), (out,) = build.device_of(call), call.inputs, call.outputs
    shape, (to, source) = collapse(out.shape, [out.strides, values.strides])
    if not shape:
        shape, to, source = (1,), (0,), (0,)
    (length,), (step,) = x.shape, x.strides
    reach = [b for strides in (to, source) for b in span(shape, strides)]
    types = build.index_types(out.size, *reach, *span(x.shape, x.strides), length)
    each, items = EACH[device.geometry], ITEMS[device.geometry]
    defined = {
        **types,
        **key_definitions(x.dtype, descending=False),
        "RIGHT": int(call.params.right),
        "RANK": len(shape),
        "EACH": each,
    }
    code = build.assemble(("sort_keys", "search"), defined, "", fp64=False, correctly_rounded=True)
    kernel = device.kernel("kernels/opencl/search.cl", code, "search")
    build.set_numbers(device, kernel, 6, build.pack(types, *shape, *to, *source, length, step), out.size)
    *inputs, output = slots(call)
    groups = -(-out.size // (each * items))
    return Prepared((build.launch(device, kernel, (output, *inputs), (groups * items,), (items,)),))


KERNELS = (Kernel("search", "opencl.search", "opencl/search.cl", _supports, _prepare),)

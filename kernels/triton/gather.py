"""Elements that index arrays select, moved by size, in blocks of the output's elements."""

from __future__ import annotations

import triton.language as tl

from accel.backends.base import Call, Kernel, Prepared, slots
from accel.backends.triton_kernel import Pointer, Specialization, prepare
from accel.kernels.triton.device import gather as device_code
from accel.kernels.triton.pointwise import needs_wide, power_of_two
from accel.layout import collapse
from accel.ops.parameters import selection

ELEMENTS = {"interpreter": 1 << 16}
"""Elements of a block by architecture; 512 elsewhere."""


def _supports(call: Call) -> str | None:
    return None


def _prepare(call: Call) -> Prepared:
    (x, *indices), (out,), device = call.inputs, call.outputs, call.device
    its = selection(call.inputs, out.shape, call.params)
    shape, steps = collapse(out.shape, [out.strides, its.base, *its.indices])
    shape, steps = (1, *shape), [(0, *s) for s in steps]
    size = 1
    for n in shape:
        size *= n
    block = min(power_of_two(size), ELEMENTS.get(device.architecture, 512))
    far = needs_wide(*((shape, s) for s in steps), (x.shape, x.strides))
    element = f"uint{8 * x.dtype.itemsize}"
    arguments = {
        "out": Pointer(element), "x": Pointer(element), "indices": tuple(Pointer("int64") for _ in indices),
        "size": size, "shape": shape, "out_strides": steps[0], "base": steps[1], "index_strides": tuple(steps[2:]),
        "lengths": its.lengths, "steps": its.steps, "BLOCK": block, "INDEX": tl.int64 if far else tl.int32,
    }  # fmt: skip
    what = Specialization(device.kernel(device_code.__file__, "gather"), arguments, "i64" if far else "i32")
    *inputs, output = slots(call)
    sizes = [out.dtype.itemsize, x.dtype.itemsize, *(8 for _ in indices)]
    return Prepared((prepare(device, what, -(-size // block), (output, *inputs), sizes),))


KERNELS = (Kernel("gather", "triton.gather", "triton/device/gather.py", _supports, _prepare),)

"""Places of the true elements of a vector, and how many there are: a program instance for each block."""

from __future__ import annotations

import triton.language as tl

from accel.backends.base import Call, Kernel, Prepared, slots
from accel.backends.triton_kernel import Pointer, Specialization, prepare
from accel.kernels.triton.device import compact as device_code
from accel.kernels.triton.pointwise import needs_wide

BLOCKS = (16, 256, 4096)
"""Elements of a block that kernels have."""


def _supports(call: Call) -> str | None:
    return None if call.params.block in BLOCKS else f"blocks of {call.params.block} elements"


def _prepare(call: Call) -> Prepared:
    (mask, *known), (out,), params, device = call.inputs, call.outputs, call.params, call.device
    far, counts = needs_wide(*((x.shape, x.strides) for x in (*call.inputs, out))), params.count is None
    arguments = {
        "out": Pointer("int64"), "mask": Pointer("uint8"), "before": Pointer("uint8" if counts else "int64"),
        "n": mask.size, "count": params.count or 0, "step": mask.strides[0],
        "before_step": 0 if counts else known[0].strides[0], "out_step": out.strides[0],
        "GROUPS": params.block // 16, "COUNTS": counts, "INDEX": tl.int64 if far else tl.int32,
    }  # fmt: skip
    index = "i64" if far else "i32"
    what = Specialization(
        device.kernel(device_code.__file__, "compact"), arguments, index, general=frozenset({"n", "count"})
    )
    *inputs, output = slots(call)
    if counts:  # what is not read is the mask again
        inputs, sizes = [*inputs, *inputs], (8, 1, 1)
    else:
        sizes = (8, 1, 8)
    return Prepared((prepare(device, what, -(-mask.size // params.block), (output, *inputs), sizes),))


KERNELS = (Kernel("compact", "triton.compact", "triton/device/compact.py", _supports, _prepare),)

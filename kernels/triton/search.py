"""Places of values in a sorted vector, in blocks of values."""

from __future__ import annotations

import triton.language as tl

from accel.backends.base import Call, Kernel, Prepared, slots
from accel.backends.triton_kernel import Pointer, Specialization, prepare
from accel.kernels.triton.device import search as device_code
from accel.kernels.triton.pointwise import needs_wide, power_of_two
from accel.layout import collapse
from accel.sort_keys import key_rule

ELEMENTS = {"interpreter": 1 << 16}
"""Values of a block by architecture; 256 elsewhere."""


def _supports(call: Call) -> str | None:
    return None


def _prepare(call: Call) -> Prepared:
    (x, values), (out,), device = call.inputs, call.outputs, call.device
    shape, (to, source) = collapse(out.shape, [out.strides, values.strides])
    shape, to, source = (1, *shape), (0, *to), (0, *source)
    far = needs_wide((shape, to), (shape, source), (x.shape, x.strides))
    rule, size = key_rule(x.dtype, False), x.dtype.itemsize
    element = f"uint{8 * size}"
    block = min(power_of_two(out.size), ELEMENTS.get(device.architecture, 256))
    arguments = {
        "out": Pointer("int64"), "x": Pointer(element), "values": Pointer(element), "size": out.size, "shape": shape,
        "out_strides": to, "value_strides": source, "length": x.size, "step": x.strides[0],
        "halvings": max(0, x.size - 1).bit_length(), "SIGN": rule.sign, "INFINITE": rule.infinity,
        "ALL": (1 << 8 * size) - 1, "KEY": getattr(tl, f"uint{8 * max(4, size)}"), "RIGHT": call.params.right,
        "BLOCK": block, "INDEX": tl.int64 if far else tl.int32,
    }  # fmt: skip
    what = Specialization(
        device.kernel(device_code.__file__, "search"), arguments, "i64" if far else "i32",
        general=frozenset({"length", "halvings", "size"}),
    )  # fmt: skip
    *inputs, output = slots(call)
    return Prepared((prepare(device, what, -(-out.size // block), (output, *inputs), (8, size, size)),))


KERNELS = (Kernel("search", "triton.search", "triton/device/search.py", _supports, _prepare),)

"""Convolutions: a program instance makes a tile of outputs and places, one outer product at a time."""

from __future__ import annotations

from typing import Any

import triton.language as tl

from accel.backends.base import Call, Kernel, Prepared, slots
from accel.backends.triton_kernel import Pointer, Specialization, prepare
from accel.convolution_plan import windows
from accel.kernels.triton.device import convolution as device_code
from accel.kernels.triton.pointwise import needs_wide, power_of_two
from accel.numerics import KC

PLACES = {"interpreter": 1024}
"""Places of a tile at most by architecture; 64 elsewhere."""

OUTPUTS = {"interpreter": 64}
"""Outputs of a tile at most by architecture; 16 elsewhere."""


def specialization(call: Call) -> tuple[Specialization, int]:
    """The kernel of a call and its program instances."""
    device, its = call.device, windows(call)
    out = call.outputs[0]
    places = its.batch * its.places[0] * its.places[1] * its.places[2]
    width = min(power_of_two(places), PLACES.get(device.architecture, 64))
    height = min(power_of_two(its.outputs), OUTPUTS.get(device.architecture, 16))
    wide = [n * e for n, e in zip(its.lengths, its.spread, strict=True)]
    wide += [o * s + k * d for o, s, k, d in zip(its.places, its.stride, its.kernel, its.dilation, strict=True)]
    far = needs_wide(*((x.shape, x.strides) for x in (*call.inputs, *call.outputs)), *(((n,), (1,)) for n in wide))
    tiles, rows = -(-places // width), -(-its.outputs // height)
    terms = its.channels * its.kernel[0] * its.kernel[1] * its.kernel[2]
    arguments: dict[str, Any] = {
        "out": Pointer(out.dtype.name), "x": Pointer(out.dtype.name), "weight": Pointer(out.dtype.name),
        "bias": (Pointer(out.dtype.name),) * bool(its.bias),
        "outputs": its.outputs, "channels": its.channels, "terms": terms, "chunks": -(-terms // KC),
        "count": places, "tiles": tiles, "rows": rows,
        "lengths": its.lengths, "kernel": its.kernel, "places": its.places, "stride": its.stride, "low": its.low,
        "dilation": its.dilation, "spread": its.spread,
        "x_strides": its.x, "weight_strides": its.weight, "out_strides": its.out, "bias_strides": its.bias or (0, 0),
        "T": getattr(tl, out.dtype.name), "WIDTH": width, "HEIGHT": height, "KC": KC,
        "INDEX": tl.int64 if far else tl.int32,
    }  # fmt: skip
    kernel = device.kernel(device_code.__file__, "convolve")
    return Specialization(kernel, arguments, "i64" if far else "i32"), tiles * rows * its.groups


def _supports(call: Call) -> str | None:
    return None


def _prepare(call: Call) -> Prepared:
    what, grid = specialization(call)
    *inputs, out = slots(call)
    sizes = [x.dtype.itemsize for x in (*call.outputs, *call.inputs)]
    return Prepared((prepare(call.device, what, grid, (out, *inputs), sizes),))


KERNELS = (Kernel("convolution", "triton.convolution", "triton/device/convolution.py", _supports, _prepare),)

"""Scalar programs over strided, broadcast operands, in two-dimensional tiles.

A tile spans the last axis and the axis along which some operand is contiguous, so that transposes load and store whole
lines; the other axes are taken apart once per program instance.
"""

from __future__ import annotations

import triton.language as tl

from accel.backends.base import Call, Kernel, Prepared, slots
from accel.backends.triton_kernel import WIDE, Pointer, Specialization, prepare, storage
from accel.kernels.triton.device import pointwise as device_code
from accel.layout import Shape, broadcast_strides, collapse, span

ELEMENTS = {"interpreter": 1 << 16}
"""Elements of a tile by architecture. Elsewhere 8 for a thread, of 64-bit results 2: 16 bytes are as wide as a store
is, and float64's pow with 4 at a time needs more registers than a thread has."""

MANY = 24
"""Operands and results beyond which a thread has fewer elements, as it holds all of theirs in registers at once."""


def power_of_two(n: int) -> int:
    """The least power of two that is not below n."""
    return 1 << max(0, n - 1).bit_length()


def needs_wide(*operands: tuple[Shape, Shape]) -> bool:
    """Whether an offset into one of these (shape, strides), or the number of their elements, leaves 32 bits."""
    reach = 0
    for shape, strides in operands:
        low, high = span(shape, strides)
        size = 1
        for n in shape:
            size *= n
        reach = max(reach, -low, high, size)
    return reach + (1 << 20) >= WIDE  # a tile may reach past the end before it is masked


def _supports(call: Call) -> str | None:
    return None


def _prepare(call: Call) -> Prepared:
    outs, device = call.outputs, call.device
    full, count = outs[0].shape, len(outs)
    shape, steps = collapse(full, [x.strides for x in outs] + [broadcast_strides(x, full) for x in call.inputs])
    shape, steps = (1, 1, *shape), [(0, 0, *s) for s in steps]
    last = len(shape) - 1
    other = next((a for s in steps for a in range(2, last) if s[a] == 1), last - 1)
    outer = tuple(a for a in range(2, last) if a != other)
    rows, columns = shape[other], shape[last]
    wide = any(x.dtype.itemsize == 8 for x in outs)
    elements = ELEMENTS.get(device.architecture, (128 if wide else 256) if len(steps) > MANY else 256 if wide else 1024)
    transposes = any(s[other] == 1 for s in steps)
    width = min(power_of_two(columns), 32 if transposes else elements)
    height = min(power_of_two(rows), max(1, elements // width))
    width = min(power_of_two(columns), max(1, elements // height))
    down, across = -(-rows // height), -(-columns // width)
    (program,) = device.functions({"program": call.params})
    far = needs_wide(*((shape, s) for s in steps))
    strides = [(tuple(s[a] for a in outer), s[other], s[last]) for s in steps]
    arguments = {
        "outs": tuple(Pointer(storage(x.dtype.name)) for x in outs),
        "inputs": tuple(Pointer(storage(x.dtype.name)) for x in call.inputs),
        "outer": tuple(shape[a] for a in outer),
        "rows": rows,
        "columns": columns,
        "down": down,
        "across": across,
        "out_strides": tuple(strides[:count]),
        "strides": tuple(strides[count:]),
        "PROGRAM": program,
        "BY": height,
        "BX": width,
        "INDEX": tl.int64 if far else tl.int32,
    }
    what = Specialization(device.kernel(device_code.__file__, "pointwise"), arguments, "i64" if far else "i32")
    grid = down * across
    for a in outer:
        grid *= shape[a]
    its = slots(call)
    n = len(call.inputs)
    sizes = [x.dtype.itemsize for x in (*outs, *call.inputs)]
    return Prepared((prepare(device, what, grid, (*its[n:], *its[:n]), sizes),))


KERNELS = (Kernel("pointwise", "triton.pointwise", "triton/device/pointwise.py", _supports, _prepare),)

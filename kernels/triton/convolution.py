"""Convolutions with an epilogue: a program instance makes a tile of outputs and places, one outer product at a time.

In "fast", float32 goes to matrix units (device/convolution_dot.py), and where there is padding, the canonical kernel
follows for tiles in which a weight that is no finite number has met it: so their epilogue has to keep NaN.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import triton.language as tl

from accel.backends.base import Call, Kernel, Prepared, slots
from accel.backends.triton_kernel import Pointer, Specialization, prepare, storage
from accel.convolution_plan import Windows, windows
from accel.dtypes import TABLE
from accel.kernels.triton.device import convolution as device_code
from accel.kernels.triton.device import convolution_dot as dot_code
from accel.kernels.triton.matmul import allows_matrix_units
from accel.kernels.triton.pointwise import needs_wide, power_of_two
from accel.kernels.triton.reduce import cast, same
from accel.numerics import KC
from accel.scalar import Program

PLACES = {"interpreter": 1024}
"""Places of a tile at most by architecture; 64 elsewhere."""

KEEPING = frozenset(
    ["add", "subtract", "multiply", "divide", "negative", "maximum", "minimum", "relu", "sigmoid", "tanh", "silu",
     "gelu", "exp", "square", "sqrt", "rsqrt"]
)  # fmt: skip
"""Functions that give NaN where any operand is NaN."""

OUTPUTS = {"interpreter": 64}
"""Outputs of a tile at most by architecture; 16 elsewhere."""


def specialization(call: Call, repair: bool = False) -> tuple[Specialization, int]:
    """The canonical kernel of a call and its program instances. repair: only what holds a NaN."""
    device, its = call.device, windows(call)
    out, dtype = call.outputs[0], call.inputs[0].dtype.name
    extras = call.inputs[len(call.inputs) - call.params.extras :]
    places = its.batch * its.places[0] * its.places[1] * its.places[2]
    width = min(power_of_two(places), PLACES.get(device.architecture, 64))
    height = min(power_of_two(its.outputs), OUTPUTS.get(device.architecture, 16))
    wide = [n * e for n, e in zip(its.lengths, its.spread, strict=True)]
    wide += [o * s + k * d for o, s, k, d in zip(its.places, its.stride, its.kernel, its.dilation, strict=True)]
    far = needs_wide(*((x.shape, x.strides) for x in (*call.inputs, *call.outputs)), *(((n,), (1,)) for n in wide))
    tiles, rows = -(-places // width), -(-its.outputs // height)
    terms = its.channels * its.kernel[0] * its.kernel[1] * its.kernel[2]
    widens = repair and out.dtype.name != dtype
    widen, epilogue = device.functions(
        {
            "widen": cast(out.dtype.name, dtype) if widens else same(dtype),
            "epilogue": call.params.epilogue or same(dtype),
        }
    )
    arguments: dict[str, Any] = {
        "out": Pointer(storage(out.dtype.name)), "x": Pointer(dtype), "weight": Pointer(dtype),
        "bias": (Pointer(dtype),) * bool(its.bias), "extras": tuple(Pointer(storage(x.dtype.name)) for x in extras),
        "outputs": its.outputs, "channels": its.channels, "terms": terms, "chunks": -(-terms // KC),
        "count": places, "tiles": tiles, "rows": rows,
        "lengths": its.lengths, "kernel": its.kernel, "places": its.places, "stride": its.stride, "low": its.low,
        "dilation": its.dilation, "spread": its.spread,
        "x_strides": its.x, "weight_strides": its.weight, "out_strides": its.out, "bias_strides": its.bias or (0, 0),
        "extra_strides": its.extras, "WIDEN": widen, "EPILOGUE": epilogue, "T": getattr(tl, dtype), "WIDTH": width,
        "HEIGHT": height, "KC": KC,
        "INDEX": tl.int64 if far else tl.int32, "REPAIR": repair,
    }  # fmt: skip
    kernel = device.kernel(device_code.__file__, "convolve")
    warps = 8 if its.kernel[0] > 1 else 4  # three axes want registers
    return Specialization(kernel, arguments, "i64" if far else "i32", warps), tiles * rows * its.groups


def dot(call: Call) -> tuple[Specialization, int]:
    """The kernel on matrix units and its program instances."""
    what, _ = specialization(call)
    device, its = call.device, windows(call)
    places = what.arguments["count"]
    (width, height, depth), warps = tile(device, places, its.outputs)
    tiles, rows = -(-places // width), -(-its.outputs // height)
    arguments = {
        name: value for name, value in what.arguments.items() if name not in ("chunks", "WIDEN", "T", "KC", "REPAIR")
    }
    arguments |= {
        "tiles": tiles, "rows": rows, "PRECISION": "tf32", "WIDTH": width, "HEIGHT": height, "DEPTH": depth,
        "APART": its.channels % depth == 0, "SPREAD": set(its.spread) != {1},
    }  # fmt: skip
    kernel = device.kernel(dot_code.__file__, "convolve_dot")
    made = replace(what, function=kernel, arguments=arguments, num_warps=warps, num_stages=3)
    return made, tiles * rows * its.groups


def tile(device: Any, places: int, outputs: int) -> tuple[tuple[int, int, int], int]:
    """(places, outputs, terms) of a program instance on matrix units, and its warps."""
    width, height = (max(16, power_of_two(n)) for n in (places, outputs))
    if device.kind == "emulated":  # 32 rows avoid wgmma, which the emulator lacks
        return (min(32, width), min(32, height), 16), 4
    if device.architecture == "interpreter":
        return (min(256, width), min(64, height), 32), 4
    return (min(128, width), min(64, height), 32), 4 if width < 128 else 8


def _on_matrix_units(call: Call, its: Windows) -> bool:
    terms = its.channels * its.kernel[0] * its.kernel[1] * its.kernel[2]
    return allows_matrix_units(call) and its.outputs >= 8 and terms >= 16


def _is_whole(call: Call, its: Windows) -> bool:
    """Whether every place meets an element at every kernel position."""
    return not any((*call.params.low, *call.params.high)) and set(its.spread) == {1}


def _supports(call: Call) -> str | None:
    its = windows(call)
    if call.params.epilogue is None or not _on_matrix_units(call, its) or _is_whole(call, its):
        return None
    return None if keeps_nan(call.params.epilogue) else "its epilogue may hide a NaN, which a second launch looks for"


def keeps_nan(program: Program) -> bool:
    """Whether a program is known to give NaN where its first input is NaN."""
    kept = {0}
    for number, step in enumerate(program.steps, len(program.inputs)):
        floating = TABLE[step.dtype].kind == "f" and (step.function in KEEPING or step.function == "cast")
        if floating and kept.intersection(step.args):
            kept.add(number)
    return len(program.inputs) + len(program.steps) - 1 in kept


def _prepare(call: Call) -> Prepared:
    *inputs, out = slots(call)
    sizes = [x.dtype.itemsize for x in (*call.outputs, *call.inputs)]
    its = windows(call)
    made = [specialization(call)]
    if _on_matrix_units(call, its):
        made = [dot(call), *([] if _is_whole(call, its) else [specialization(call, repair=True)])]
    return Prepared(tuple(prepare(call.device, what, grid, (out, *inputs), sizes) for what, grid in made))


KERNELS = (Kernel("convolution", "triton.convolution", "triton/device/convolution.py", _supports, _prepare),)

"""Convolutions with an epilogue: a work-item makes a row of outputs' channels of one place."""

from __future__ import annotations

from accel.backends.base import Call, Kernel, Prepared, slots
from accel.convolution_plan import Windows, windows
from accel.layout import span
from accel.numerics import KC
from accel.scalar import Program

from . import build

ITEMS = 64
"""Work-items of a work-group: neighbouring places."""

ROWS = 4
"""Outputs that a work-item makes of its place."""


def definitions(call: Call, its: Windows) -> dict[str, object]:
    """What convolution.cl needs defined."""
    reach = [b for x in (*call.inputs, *call.outputs) for b in span(x.shape, x.strides)]
    padded = [n * e for n, e in zip(its.lengths, its.spread, strict=True)]
    ends = [o * s + k * d for o, s, k, d in zip(its.places, its.stride, its.kernel, its.dilation, strict=True)]
    places = its.batch * its.places[0] * its.places[1] * its.places[2]
    return {
        **build.index_types(*reach, *its.numbers, *padded, *ends, places),
        "T": build.STORAGE[call.inputs[0].dtype.name],
        "OUT": build.STORAGE[call.outputs[0].dtype.name],
        "EXTRAS(X)": " ".join(f"X({i}, {build.STORAGE[d]})" for i, d in enumerate(_epilogue(call).inputs[1:])),
        "EXTRA_COUNT": max(1, len(its.extras)),
        "EPILOGUE(sum, extras)": "epilogue(sum extras)",
        "KC": KC,
        "ITEMS": ITEMS,
        "ROWS": min(ROWS, its.outputs),
        "BIAS": int(bool(its.bias)),
    }


def _epilogue(call: Call) -> Program:
    dtype = call.inputs[0].dtype.name
    return call.params.epilogue or build.cast(dtype, dtype)


def _supports(call: Call) -> str | None:
    device, epilogue = build.device_of(call), call.params.epilogue
    if epilogue is not None and build.uses_fp64(epilogue) and (reason := device.missing("float64")):
        return reason
    nbytes = 8 * (4 + 7 * 3 + 3 * 6 + 2 + 6 * call.params.extras) + 16 * (len(call.inputs) + 1)
    if nbytes > build.ARGUMENT_BYTES:
        return f"{len(call.inputs)} operands need {nbytes} bytes of arguments"
    return device.inexact(call.settings)


def source(call: Call, correctly_rounded: bool) -> str:
    """The whole OpenCL C."""
    return build.assemble(
        ("convolution",),
        definitions(call, windows(call)),
        build.function(_epilogue(call), "epilogue"),
        fp64=call.inputs[0].dtype.name == "float64" or build.uses_fp64(_epilogue(call)),
        correctly_rounded=correctly_rounded,
    )


def _prepare(call: Call) -> Prepared:
    device, its = build.device_of(call), windows(call)
    kernel = device.kernel("kernels/opencl/convolution.cl", source(call, device.correctly_rounded), "convolve")
    fields = build.pack(definitions(call, its), *its.numbers, *its.x, *its.weight, *its.out, *(its.bias or (0, 0)),
                        *(step for extra in its.extras or ((0,) * 6,) for step in extra))  # fmt: skip
    *inputs, out = slots(call)
    operands = (out, *inputs)
    build.set_numbers(device, kernel, 2 * len(operands), fields)
    places = its.batch * its.places[0] * its.places[1] * its.places[2]
    rows = -(-its.outputs // min(ROWS, its.outputs))
    size = (-(-places // ITEMS) * ITEMS, rows, its.groups)
    return Prepared((build.launch(device, kernel, operands, size, (ITEMS, 1, 1)),))


KERNELS = (Kernel("convolution", "opencl.convolution", "opencl/convolution.cl", _supports, _prepare),)

"""Products with quantised weights: a work-item for each column of a panel, and a few rows."""

from __future__ import annotations

from accel.backends.base import Call, Kernel, Prepared, slots
from accel.layout import span
from accel.numerics import KC
from accel.ops.weight_formats import FLOATS, PANEL, SUPER

from . import build

ROWS = (1, 2, 4, 8)
"""Rows of the result that a work-item makes."""


def definitions(call: Call) -> dict[str, object]:
    """What quantized_matmul.cl needs defined."""
    (x, codes, scales, *minors), (out,), params = call.inputs, call.outputs, call.params
    m, its = out.shape[0], call.params.its
    reach = (*span(x.shape, x.strides), *span(out.shape, out.strides), m + ROWS[-1], params.n + PANEL, x.shape[1])
    return {
        **build.index_types(*reach),
        "IN": build.STORAGE[x.dtype.name],
        "OUT": build.STORAGE[out.dtype.name],
        "CODE": build.STORAGE[codes.dtype.name],
        "STEPS": its.steps,
        **small_float(its.codes),
        "SCALE": build.STORAGE[scales.dtype.name],
        "SUPER": SUPER // max(1, params.group) if its.super else 0,
        **({"MINOR": build.STORAGE[minors[0].dtype.name]} if minors else {}),
        "EACH": 2 if its.minors == "minima" else 1,
        "ZERO": its.zero,
        "ROWS": next((rows for rows in ROWS if rows >= m), ROWS[-1]),
        "PANEL": PANEL,
        "KC": KC,
    }


def small_float(codes: str) -> dict[str, object]:
    """What weight_of needs defined."""
    its = FLOATS.get(codes)
    if its is None:
        return {"FLOAT": 0}
    return {
        "FLOAT": 1,
        "SIGN": f"{its.sign}u",
        "MANTISSA": its.mantissa,
        "BIAS": its.bias,
        "SPECIAL": f"{its.top + 1}u",
    }


EXPONENT = """
float load_scale(const uchar x) { return as_float(x == 255 ? 0x7fc00000u : x == 0 ? 0x00400000u : (uint)x << 23); }
"""
"""The scale that an exponent stands for."""


def functions(call: Call) -> str:
    """load_scale and finish, as quantized_matmul.cl has them."""
    scales = call.inputs[2].dtype.name
    found = EXPONENT if scales == "uint8" else build.function(build.cast(scales, "float32"), "load_scale")
    return found + build.function(build.cast("float32", call.outputs[0].dtype.name), "finish")


def source(call: Call, correctly_rounded: bool) -> str:
    """The whole OpenCL C."""
    load = build.function(build.cast(call.inputs[0].dtype.name, "float32"), "load")
    stems = ("small_floats", "quantized_matmul")
    return build.assemble(
        stems, definitions(call), load + functions(call), fp64=False, correctly_rounded=correctly_rounded
    )


def _supports(call: Call) -> str | None:
    return build.device_of(call).inexact(call.settings)


def _prepare(call: Call) -> Prepared:
    device, (x, *_), (out,) = build.device_of(call), call.inputs, call.outputs
    defined = definitions(call)
    kernel = device.kernel(
        "kernels/opencl/quantized_matmul.cl", source(call, device.correctly_rounded), "quantized_matmul"
    )
    (m, n), group = out.shape, max(1, call.params.group)
    build.set_numbers(
        device, kernel, 2 * len(call.inputs) + 2, build.pack(defined, m, n, x.shape[1], group, *x.strides, *out.strides)
    )
    *inputs, output = slots(call)
    size = (-(-n // PANEL) * PANEL, -(-m // int(str(defined["ROWS"]))))
    return Prepared((build.launch(device, kernel, (output, *inputs), size, (PANEL, 1)),))


KERNELS = (Kernel("quantized_matmul", "opencl.quantized_matmul", "opencl/quantized_matmul.cl", _supports, _prepare),)

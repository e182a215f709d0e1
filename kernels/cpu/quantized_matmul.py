"""Products with quantised weights: few rows by weights that are widened in registers, many by panels widened once."""

from __future__ import annotations

from accel.backends.base import Call, Kernel, Prepared, one_launch
from accel.backends.cpu import isa, native, threads


def _supports(call: Call) -> str | None:
    return None


def _prepare(call: Call) -> Prepared:
    (x, *_), (out,), params = call.inputs, call.outputs, call.params
    kernel = native().Quantized(isa(call.settings.cpu_isa), params.format, x.dtype.name, out.dtype.name)
    m, n = out.shape
    run = kernel.launch(m, n, x.shape[1], params.group, out.strides, x.strides, threads(call.settings))
    return one_launch(call, run, kernel)


KERNELS = (Kernel("quantized_matmul", "cpu.quantized_matmul", "csrc/quantized.hpp", _supports, _prepare),)

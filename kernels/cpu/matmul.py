"""Matrix products with an epilogue: packed panels, register tiles, chunks of KC."""

from __future__ import annotations

from accel.backends.base import Call, Kernel, Prepared, one_launch
from accel.backends.cpu import isa, native, threads

from .pointwise import compiled


def _supports(call: Call) -> str | None:
    return None


def _prepare(call: Call) -> Prepared:
    (a, b, *extras), (out,) = call.inputs, call.outputs
    name = isa(call.settings.cpu_isa)
    epilogue = None if call.params.epilogue is None else compiled(call.params.epilogue, name)
    kernel = native().Matmul(name, a.dtype.name, out.dtype.name, epilogue, call.settings.numerics != "reproducible")
    *batch, m, n = out.shape
    strides = [x.strides for x in extras]
    run = kernel.launch(batch, m, n, a.shape[-1], a.strides, b.strides, out.strides, strides, threads(call.settings))
    return one_launch(call, run, kernel)


KERNELS = (Kernel("matmul", "cpu.matmul", "csrc/matmul.hpp", _supports, _prepare),)

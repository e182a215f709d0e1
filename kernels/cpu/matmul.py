"""Matrix products with an epilogue: packed panels, register tiles, chunks of KC."""

from __future__ import annotations

from collections.abc import Sequence

from accel.array import Array
from accel.backends.base import Call, Kernel, Launch
from accel.backends.cpu import isa, native, threads

from .pointwise import compiled


def _supports(call: Call) -> str | None:
    return None


def _prepare(call: Call) -> Launch:
    (a, b, *extras), (out,) = call.inputs, call.outputs
    name = isa(call.settings.cpu_isa)
    epilogue = None if call.params.epilogue is None else compiled(call.params.epilogue, name)
    kernel = native().Matmul(name, a.dtype.name, out.dtype.name, epilogue, call.settings.numerics != "reproducible")
    *batch, m, n = out.shape
    k, workers = a.shape[-1], threads(call.settings)
    sizes = [x.dtype.itemsize for x in (a, b, out)]
    further = [(x.dtype.itemsize, x.strides) for x in extras]

    def launch(inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        left, right, *rest = inputs
        (target,) = outputs
        at = [x.buffer.address + x.offset * size for x, size in zip((left, right, target), sizes, strict=True)]
        operands = [(x.buffer.address + x.offset * size, s) for x, (size, s) in zip(rest, further, strict=True)]
        kernel.run(batch, m, n, k, at[0], a.strides, at[1], b.strides, at[2], out.strides, operands, workers)

    return launch


KERNELS = (Kernel("matmul", "cpu.matmul", "csrc/matmul.hpp", _supports, _prepare),)

"""Elements that index arrays select, moved by size."""

from __future__ import annotations

from accel.backends.base import Call, Kernel, Prepared, one_launch
from accel.backends.cpu import isa, native, threads
from accel.ops.parameters import selection


def _supports(call: Call) -> str | None:
    return None


def _prepare(call: Call) -> Prepared:
    (out,) = call.outputs
    kernel = native().Gather(isa(call.settings.cpu_isa), out.dtype.itemsize)
    its = selection(call.inputs, out.shape, call.params)
    run = kernel.launch(its.shape, out.strides, its.base, its.indices, its.lengths, its.steps, threads(call.settings))
    return one_launch(call, run, kernel)


KERNELS = (Kernel("gather", "cpu.gather", "csrc/gather.hpp", _supports, _prepare),)

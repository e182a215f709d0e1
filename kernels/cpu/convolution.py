"""Convolutions: products of the packed weight with windows that are packed by tiles, chunk by chunk."""

from __future__ import annotations

from accel.backends.base import Call, Kernel, Prepared, one_launch
from accel.backends.cpu import isa, native, threads
from accel.convolution_plan import windows


def _supports(call: Call) -> str | None:
    return None


def _prepare(call: Call) -> Prepared:
    its = windows(call)
    kernel = native().Convolution(isa(call.settings.cpu_isa), call.outputs[0].dtype.name)
    run = kernel.launch(its.numbers, its.x, its.weight, its.bias, its.out, threads(call.settings))
    return one_launch(call, run, kernel)


KERNELS = (Kernel("convolution", "cpu.convolution", "csrc/convolution.hpp", _supports, _prepare),)

"""Convolutions with an epilogue: products of the packed weight with windows, which are packed by tiles and chunks."""

from __future__ import annotations

from accel.backends.base import Call, Kernel, Prepared, one_launch
from accel.backends.cpu import isa, native, threads
from accel.convolution_plan import windows

from .pointwise import compiled


def _supports(call: Call) -> str | None:
    if call.outputs[0].dtype is not call.inputs[0].dtype:
        return "the epilogue's result has another dtype than the sums, in whose place it is written"
    return None


def _prepare(call: Call) -> Prepared:
    its = windows(call)
    name = isa(call.settings.cpu_isa)
    epilogue = None if call.params.epilogue is None else compiled(call.params.epilogue, name)
    kernel = native().Convolution(name, call.outputs[0].dtype.name, epilogue)
    run = kernel.launch(its.numbers, its.x, its.weight, its.bias, its.out, its.extras, threads(call.settings))
    return one_launch(call, run, kernel)


KERNELS = (Kernel("convolution", "cpu.convolution", "csrc/convolution.hpp", _supports, _prepare),)

"""Scalar programs over strided, broadcast operands: each step is a compiled array kernel, run over blocks that stay in
L1."""

from __future__ import annotations

from typing import Any

from accel.backends.base import Call, Kernel, Prepared, one_launch
from accel.backends.cpu import isa, native, threads
from accel.layout import broadcast_strides
from accel.scalar import Program


def compiled(program: Program, isa_name: str) -> Any:
    """The program with its steps resolved to array kernels of an instruction set."""
    steps = [(step.function, step.dtype, list(step.args)) for step in program.steps]
    return native().Pointwise(isa_name, list(program.inputs), steps, program.output)


def _supports(call: Call) -> str | None:
    return "the program has several results" if call.params.results else None


def _prepare(call: Call) -> Prepared:
    kernel = compiled(call.params, isa(call.settings.cpu_isa))
    (out,) = call.outputs
    strides = [broadcast_strides(x, out.shape) for x in call.inputs]
    run = kernel.launch(out.shape, out.strides, strides, threads(call.settings))
    return one_launch(call, run, kernel)


KERNELS = (Kernel("pointwise", "cpu.pointwise", "csrc/pointwise.hpp", _supports, _prepare),)

"""Scalar programs over strided, broadcast operands: each step is a compiled array kernel, run over blocks that stay in
L1."""

from __future__ import annotations

from typing import Any

from accel.backends.base import Call, Kernel, Prepared, one_launch
from accel.backends.cpu import isa, native, threads
from accel.layout import broadcast_strides, collapse
from accel.scalar import Program


def compiled(program: Program, isa_name: str) -> Any:
    """The program with its steps resolved to array kernels of an instruction set."""
    return native().Pointwise(isa_name, list(program.inputs), _steps(program), program.output)


def _steps(program: Program) -> list[tuple[str, str, list[int]]]:
    return [(step.function, step.dtype, list(step.args)) for step in program.steps]


def _supports(call: Call) -> str | None:
    return None


def _prepare(call: Call) -> Prepared:
    if call.params.results:
        return _prepare_several(call)
    kernel = compiled(call.params, isa(call.settings.cpu_isa))
    (out,) = call.outputs
    strides = [broadcast_strides(x, out.shape) for x in call.inputs]
    run = kernel.launch(out.shape, out.strides, strides, threads(call.settings))
    return one_launch(call, run, kernel)


def _prepare_several(call: Call) -> Prepared:
    """Several results: a row program without folds, whose rows are along the first output's shortest strides."""
    program = call.params
    inputs = [(dtype, True) for dtype in program.inputs]
    kernel = native().Row(isa(call.settings.cpu_isa), inputs, _steps(program), list(program.values))
    first = call.outputs[0]
    order = sorted(range(first.ndim), key=lambda axis: -abs(first.strides[axis]))
    strides = [*(x.strides for x in call.outputs), *(broadcast_strides(x, first.shape) for x in call.inputs)]
    shape, walked = collapse(
        tuple(first.shape[axis] for axis in order), [tuple(each[axis] for axis in order) for each in strides]
    )
    outputs = len(call.outputs)
    run = kernel.launch(shape[:-1], shape[-1:], walked[:outputs], walked[outputs:], threads(call.settings))
    return one_launch(call, run, kernel)


KERNELS = (Kernel("pointwise", "cpu.pointwise", "csrc/pointwise.hpp", _supports, _prepare),)

"""Scalar programs over strided, broadcast operands: each step is a compiled array kernel, run over blocks that stay in
L1."""

from __future__ import annotations

from collections.abc import Sequence

from accel.array import Array
from accel.backends.base import Call, Kernel, Launch
from accel.backends.cpu import isa, native, threads
from accel.layout import broadcast_strides
from accel.scalar import Program


def compiled(program: Program, isa_name: str) -> object:
    """The program with its steps resolved to array kernels of an instruction set."""
    steps = [(step.function, step.dtype, list(step.args)) for step in program.steps]
    return native().Pointwise(isa_name, list(program.inputs), steps, program.output)


def _supports(call: Call) -> str | None:
    return None


def _prepare(call: Call) -> Launch:
    kernel = compiled(call.params, isa(call.settings.cpu_isa))
    (out,) = call.outputs
    workers, size = threads(call.settings), out.dtype.itemsize
    operands = [(x.dtype.itemsize, broadcast_strides(x, out.shape)) for x in call.inputs]

    def launch(inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        (target,) = outputs
        kernel.run(  # type: ignore[attr-defined]
            out.shape,
            target.buffer.address + target.offset * size,
            out.strides,
            [(x.buffer.address + x.offset * n, s) for x, (n, s) in zip(inputs, operands, strict=True)],
            workers,
        )

    return launch


KERNELS = (Kernel("pointwise", "cpu.pointwise", "csrc/pointwise.hpp", _supports, _prepare),)

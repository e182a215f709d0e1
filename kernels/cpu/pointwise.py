"""Scalar programs over strided, broadcast operands: each step is a compiled array kernel, run over blocks that stay in
L1."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from accel.backends.base import Call, Kernel, Launch, Prepared, Slot, one_launch, slots
from accel.backends.cpu import isa, native, threads
from accel.layout import Shape, broadcast_strides, collapse
from accel.ops.composed.butterfly import Kind, factors_of, kind_of
from accel.scalar import Program


@lru_cache(maxsize=512)
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
    if (of_numbers := _of_complex_numbers(call)) is not None:
        return of_numbers
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


def _of_complex_numbers(call: Call) -> Prepared | None:
    """The launch of a Fourier transform's stage or of a product of complex numbers; None of anything else, and where
    numbers lie one otherwise than the other."""
    kind, order = kind_of(call.params), tuple(range(len(call.inputs)))
    if kind is None:
        factors = factors_of(call.params)
        if factors is None:
            return None
        kind, order = Kind(1, twiddled=True, scaled=False), factors
    numbers, turns = 2 * kind.radix, max(2 * kind.radix - 2, 2) if kind.twiddled else 0
    shape = call.outputs[0].shape
    strides = [broadcast_strides(call.inputs[i], shape) for i in order]
    still: Shape = (0,) * len(shape)

    def alike(walks: list[Shape]) -> bool:
        return all(each == walks[0] for each in walks)

    x, by, rest = strides[:numbers], strides[numbers : numbers + turns] or [still], strides[numbers + turns :]
    y = [out.strides for out in call.outputs]
    if not (alike(x) and alike(by) and alike(y) and alike([still, *rest])):
        return None
    kernel = native().Butterfly(isa(call.settings.cpu_isa), call.inputs[0].dtype.name, *kind)
    run = kernel.launch(shape, x[0], by[0], y[0], threads(call.settings))
    given = (*(Slot("input", i) for i in order), *slots(call)[len(call.inputs) :])
    return Prepared((Launch(run, given, kernel),))


KERNELS = (Kernel("pointwise", "cpu.pointwise", "csrc/pointwise.hpp", _supports, _prepare),)

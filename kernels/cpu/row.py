"""Row programs: scalar steps and folds in stages, each of which goes over tiles that stay in cache."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from accel.backends.base import Call, Kernel, Prepared, one_launch
from accel.backends.cpu import isa, native, threads
from accel.ops.parameters import domain
from accel.scalar import Fold, Index, RowProgram
from accel.scalar.row_program import Item


@lru_cache(maxsize=512)
def compiled(program: RowProgram, isa_name: str) -> Any:
    """The program with its items resolved to kernels of an instruction set."""
    inputs = [(value.dtype, value.each) for value in program.inputs]
    return native().Row(isa_name, inputs, [_step(item) for item in program.steps], list(program.outputs))


def _step(item: Item) -> tuple[str, str, list[int]]:
    if isinstance(item, Index):
        return "index", "", []
    if isinstance(item, Fold):
        return "fold", item.kind, [item.arg]
    return item.function, item.dtype, list(item.args)


def _supports(call: Call) -> str | None:
    return None


def _prepare(call: Call) -> Prepared:
    shape, reduced = domain(call.inputs, call.params), call.params.reduced
    kept = len(shape) - reduced
    kernel = compiled(call.params.program, isa(call.settings.cpu_isa))
    outputs, inputs = ([x.strides for x in layouts] for layouts in (call.outputs, call.inputs))
    run = kernel.launch(shape[:kept], shape[kept:], outputs, inputs, threads(call.settings))
    return one_launch(call, run, kernel)


KERNELS = (Kernel("row", "cpu.row", "csrc/row.hpp", _supports, _prepare),)

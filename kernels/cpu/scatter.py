"""Rows stored, or combined, where numbers of cells say: in sequence, or folded in the order of the cells."""

from __future__ import annotations

from accel.backends import scattering
from accel.backends.base import Call, Launch, Slot
from accel.backends.cpu import isa, native, threads
from accel.ops.parameters import placement

from . import pointwise, sort


def _own(call: Call, operands: scattering.Operands) -> Launch:
    (out,), params = call.outputs, call.params
    its = placement(call.inputs, out, params)
    kernel = native().Scatter(isa(call.settings.cpu_isa), out.dtype.name, params.kind, params.apart)
    run = kernel.launch(
        its.count, its.lengths, its.steps, its.rows, its.out_rows, its.value_rows, its.value_step, its.cell_step,
        operands.order is not None, None if operands.sources is None else (its.held, its.source_step),
        operands.start is not None, threads(call.settings),
    )  # fmt: skip
    return Launch(run, (*operands.given, Slot("output")), kernel)


KERNELS = (
    scattering.kernel(
        "cpu.scatter",
        "csrc/scatter.hpp",
        (*pointwise.KERNELS, *sort.KERNELS),
        _own,
        in_sequence=True,
        starts=True,
    ),
)

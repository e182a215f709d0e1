"""Factorisations of blocks, one after the other, in vectors."""

from __future__ import annotations

from accel.backends.base import Call, Kernel, Prepared, one_launch
from accel.backends.cpu import isa, native, threads


def _supports(call: Call) -> str | None:
    return None


def _prepare(call: Call) -> Prepared:
    x, out = call.inputs[0], call.outputs[0]
    kernel = native().Factor(isa(call.settings.cpu_isa), call.params.kind, x.dtype.name, call.params.pairs)
    count, m, n = out.shape
    outputs = [its.strides if its.ndim == 3 else (*its.strides, 0) for its in call.outputs]
    run = kernel.launch(
        count, m, n, outputs, [its.strides for its in call.inputs], threads(call.settings), call.params.length
    )
    return one_launch(call, run, kernel)


KERNELS = (Kernel("factor", "cpu.factor", "csrc/factor.hpp", _supports, _prepare),)

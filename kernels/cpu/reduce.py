"""Reductions in the canonical order."""

from __future__ import annotations

from accel.backends.base import Call, Kernel, Prepared, one_launch
from accel.backends.cpu import isa, native, threads


def _supports(call: Call) -> str | None:
    return None


def _prepare(call: Call) -> Prepared:
    (x,), (out,) = call.inputs, call.outputs
    kernel = native().Reduce(isa(call.settings.cpu_isa), call.params.kind, x.dtype.name, out.dtype.name)
    axes = call.params.axes
    kept = [a for a in range(x.ndim) if a not in axes]
    kept_strides, reduced_shape, reduced_strides = (
        tuple(x.strides[a] for a in kept),
        tuple(x.shape[a] for a in axes),
        tuple(x.strides[a] for a in axes),
    )
    run = kernel.launch(out.shape, out.strides, kept_strides, reduced_shape, reduced_strides, threads(call.settings))
    return one_launch(call, run, kernel)


KERNELS = (Kernel("reduce", "cpu.reduce", "csrc/reduce.hpp", _supports, _prepare),)

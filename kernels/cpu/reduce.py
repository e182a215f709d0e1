"""Reductions in the canonical order."""

from __future__ import annotations

from collections.abc import Sequence

from accel.array import Array
from accel.backends.base import Call, Kernel, Launch
from accel.backends.cpu import isa, native, threads


def _supports(call: Call) -> str | None:
    return None


def _prepare(call: Call) -> Launch:
    (x,), (out,) = call.inputs, call.outputs
    kernel = native().Reduce(isa(call.settings.cpu_isa), call.params.kind, x.dtype.name, out.dtype.name)
    axes = call.params.axes
    kept = [a for a in range(x.ndim) if a not in axes]
    kept_strides, reduced_shape, reduced_strides = (
        tuple(x.strides[a] for a in kept),
        tuple(x.shape[a] for a in axes),
        tuple(x.strides[a] for a in axes),
    )
    workers, x_size, out_size = threads(call.settings), x.dtype.itemsize, out.dtype.itemsize

    def launch(inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        (source,), (target,) = inputs, outputs
        kernel.run(
            out.shape,
            target.buffer.address + target.offset * out_size,
            out.strides,
            source.buffer.address + source.offset * x_size,
            kept_strides,
            reduced_shape,
            reduced_strides,
            workers,
        )

    return launch


KERNELS = (Kernel("reduce", "cpu.reduce", "csrc/reduce.hpp", _supports, _prepare),)

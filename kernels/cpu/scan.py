"""Scans in the canonical order: along rows, or along columns that lie side by side, many at once."""

from __future__ import annotations

from accel.backends.base import Call, Kernel, Prepared, one_launch
from accel.backends.cpu import isa, native, threads


def _supports(call: Call) -> str | None:
    return None


def _prepare(call: Call) -> Prepared:
    (x,), (out,), params = call.inputs, call.outputs, call.params
    kernel = native().Scan(
        isa(call.settings.cpu_isa), params.kind, x.dtype.name, out.dtype.name, initial=params.initial
    )
    kept = [a for a in range(x.ndim) if a != params.axis]
    run = kernel.launch(
        tuple(x.shape[a] for a in kept),
        tuple(out.strides[a] for a in kept),
        tuple(x.strides[a] for a in kept),
        x.shape[params.axis],
        out.strides[params.axis],
        x.strides[params.axis],
        threads(call.settings),
    )
    return one_launch(call, run, kernel)


KERNELS = (Kernel("scan", "cpu.scan", "csrc/scan.hpp", _supports, _prepare),)

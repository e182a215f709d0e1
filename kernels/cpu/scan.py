"""Scans in the canonical order: along rows, or along columns that lie side by side, many at once."""

from __future__ import annotations

from accel.backends.base import Call, Kernel, Prepared
from accel.backends.cpu import along_axis, isa, native


def _supports(call: Call) -> str | None:
    return None


def _prepare(call: Call) -> Prepared:
    (x,), (out,), params = call.inputs, call.outputs, call.params
    kernel = native().Scan(
        isa(call.settings.cpu_isa), params.kind, x.dtype.name, out.dtype.name, initial=params.initial
    )
    return along_axis(call, kernel, params.axis)


KERNELS = (Kernel("scan", "cpu.scan", "csrc/scan.hpp", _supports, _prepare),)

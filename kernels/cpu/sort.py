"""Sorting along one axis: radix sorts of long rows, comparisons in shorter ones, networks of them in rows of few."""

from __future__ import annotations

from accel.backends.base import Call, Kernel, Prepared
from accel.backends.cpu import along_axis, isa, native


def _supports(call: Call) -> str | None:
    return None


def _prepare(call: Call) -> Prepared:
    (x,), (out,), params = call.inputs, call.outputs, call.params
    kernel = native().Sort(
        isa(call.settings.cpu_isa),
        x.dtype.name,
        indices=params.kind == "indices",
        descending=params.descending,
        count=out.shape[params.axis],
    )
    return along_axis(call, kernel, params.axis)


KERNELS = (Kernel("sort", "cpu.sort", "csrc/sort.hpp", _supports, _prepare),)

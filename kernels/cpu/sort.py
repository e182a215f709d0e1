"""Sorting along one axis: radix sorts of long rows, comparisons in short ones."""

from __future__ import annotations

from accel.backends.base import Call, Kernel, Prepared, one_launch
from accel.backends.cpu import native, threads


def _supports(call: Call) -> str | None:
    return None


def _prepare(call: Call) -> Prepared:
    (x,), (out,), params = call.inputs, call.outputs, call.params
    kernel = native().Sort(x.dtype.name, indices=params.kind == "indices", descending=params.descending)
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


KERNELS = (Kernel("sort", "cpu.sort", "csrc/sort.hpp", _supports, _prepare),)

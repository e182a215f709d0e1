"""Softmax, log-softmax and log-sum-exp along neighbouring elements, in one pass of rows that stay in cache."""

from __future__ import annotations

from math import prod

from accel.backends.base import Call, Kernel, Prepared, one_launch
from accel.backends.cpu import isa, native, threads
from accel.layout import Layout, collapse


def _run(x: Layout, axes: tuple[int, ...]) -> bool:
    """Whether the elements along the axes are one run of memory, in row-major order."""
    shape, (strides,) = collapse(tuple(x.shape[a] for a in axes), [tuple(x.strides[a] for a in axes)])
    return len(shape) == 0 or (len(shape) == 1 and strides[0] == 1)


def _supports(call: Call) -> str | None:
    (x,), (out,), axes = call.inputs, call.outputs, call.params.axes
    if x.size == 0:
        return "there are no elements"
    if not _run(x, axes) or (call.op != "logsumexp" and not _run(out, axes)):
        return "elements along the axes are not neighbours"
    return None


def _prepare(call: Call) -> Prepared:
    (x,), (out,), axes = call.inputs, call.outputs, call.params.axes
    kernel = native().Softmax(isa(call.settings.cpu_isa), call.op, x.dtype.name, out.dtype.name)
    kept = [a for a in range(x.ndim) if a not in axes]
    shape, strides = tuple(x.shape[a] for a in kept), tuple(x.strides[a] for a in kept)
    out_strides = out.strides if call.op == "logsumexp" else tuple(out.strides[a] for a in kept)
    length = prod(x.shape[a] for a in axes)
    run = kernel.launch(shape, out_strides, strides, length, threads(call.settings))
    return one_launch(call, run, kernel)


KERNELS = tuple(
    Kernel(op, f"cpu.{op}", "csrc/softmax.hpp", _supports, _prepare) for op in ("softmax", "log_softmax", "logsumexp")
)

"""Softmax, log-softmax and log-sum-exp of 16-bit floats along neighbouring elements, which they widen on the way; a row
program is slower there, and as fast for wider dtypes."""

from __future__ import annotations

from math import prod

from accel.backends.base import Call, Kernel, Prepared, one_launch
from accel.backends.cpu import isa, native, threads
from accel.layout import Layout, collapse
from accel.ops.primitive.reduce import normalize_axes


def _run(x: Layout, axes: tuple[int, ...]) -> bool:
    """Whether the elements along the axes are one run of memory, in row-major order."""
    shape, (strides,) = collapse(tuple(x.shape[a] for a in axes), [tuple(x.strides[a] for a in axes)])
    return len(shape) == 0 or (len(shape) == 1 and strides[0] == 1)


def _axes(call: Call) -> tuple[int, ...]:
    return normalize_axes(call.op, call.params.keywords["axis"], call.inputs[0].ndim)


def _supports(call: Call) -> str | None:
    (x,), (out,), axes = call.inputs, call.outputs, _axes(call)
    if x.size == 0:
        return "there are no elements"
    if x.dtype.itemsize > 2:
        return "a row program of this dtype is as fast"
    if not _run(x, axes) or (call.op != "logsumexp" and not _run(out, axes)):
        return "elements along the axes are not neighbours"
    return None


def _prepare(call: Call) -> Prepared:
    (x,), (out,), axes = call.inputs, call.outputs, _axes(call)
    kernel = native().Softmax(isa(call.settings.cpu_isa), call.op, x.dtype.name, out.dtype.name)
    kept = [a for a in range(x.ndim) if a not in axes]
    shape, strides = tuple(x.shape[a] for a in kept), tuple(x.strides[a] for a in kept)
    whole = len(out.shape) == x.ndim
    out_strides = tuple(out.strides[a] for a in kept) if whole else out.strides
    length = prod(x.shape[a] for a in axes)
    run = kernel.launch(shape, out_strides, strides, length, threads(call.settings))
    return one_launch(call, run, kernel)


KERNELS = tuple(
    Kernel(op, f"cpu.{op}", "csrc/softmax.hpp", _supports, _prepare) for op in ("softmax", "log_softmax", "logsumexp")
)

"""Every kernel of the CPU, and compositions as a whole, with the device's fault after it, or in its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from accel import registry
from accel.array import Array
from accel.backends.base import Call, Kernel, Launch, Prepared, Slot, slots
from accel.layout import Layout, layout
from accel.ops.parameters import Reduction
from accel.ops.primitive.reduce import normalize_axes

from ..faults import NONE

WHOLE = ("mean", "softmax", "log_softmax", "logsumexp")
"""Composed ops with faults of their own."""


def elements(array: Array, its: Layout) -> np.ndarray:
    """The elements that a launch sees, as a view of memory: the call's layout, from the array's address on."""
    size = its.dtype.itemsize
    return np.ndarray(its.shape, its.dtype.numpy, array.buffer, array.offset * size, [size * s for s in its.strides])


def _spoiled(right: Kernel) -> Kernel:
    def prepare(call: Call) -> Prepared:
        prepared, fault = right.prepare(call), call.device.fault
        if len(call.outputs) <= fault.output or (fault.primitives and call.op not in fault.primitives):
            return prepared
        its = _as_reduction(call) if right.op in WHOLE else call
        first, end = len(call.inputs), len(call.inputs) + len(call.outputs)

        def wrong(arrays: Sequence[Array]) -> None:
            inputs, outputs, scratch = arrays[:first], arrays[first:end], arrays[end:]

            def sound() -> None:
                for launch in prepared.launches:
                    launch.on(inputs, outputs, scratch)

            x = [elements(array, of_array) for array, of_array in zip(inputs, its.inputs, strict=True)]
            fault.run(its, x, elements(outputs[fault.output], its.outputs[fault.output]), sound)

        operands = (*slots(call), *(Slot("scratch", i) for i in range(len(prepared.scratch))))
        return Prepared((Launch(wrong, operands),), prepared.scratch)

    return Kernel(right.op, right.name.replace("cpu.", "wrong."), right.source, right.supports, prepare)


def _whole(op: str) -> Kernel:
    """A composed op in one kernel, by its canonical answer, on devices whose fault is in it and on the one without."""

    def supports(call: Call) -> str | None:
        fault = call.device.fault
        return None if fault is NONE or op in fault.primitives else f"{call.device} has no fault in {op}"

    def prepare(call: Call) -> Prepared:
        def launch(x: Array, out: Array) -> None:
            ((of_x,), (of_out,)) = call.inputs, call.outputs
            elements(out, of_out)[...] = registry.op(op).canonical(elements(x, of_x), **call.params.keywords)

        return Prepared((Launch(lambda arrays: launch(*arrays), slots(call)),))

    return Kernel(op, f"cpu.{op}", __file__, supports, prepare)


def _as_reduction(call: Call) -> Call:
    """A composed op along axes as its faults see it: like the primitive ``reduce``, without kept axes of length 1."""
    (x,), (out,), keywords = call.inputs, call.outputs, call.params.keywords
    axes = normalize_axes(call.op, keywords["axis"], x.ndim)
    if keywords.get("keepdims"):
        kept = [axis for axis in range(out.ndim) if axis not in axes]
        shape, strides = (tuple(of[axis] for axis in kept) for of in (out.shape, out.strides))
        out = layout(out.dtype, shape, strides, out.device)
    return replace(call, params=Reduction(call.op, axes), outputs=(out,))


KERNELS = tuple(map(_spoiled, (*registry.kernels("cpu"), *map(_whole, WHOLE))))

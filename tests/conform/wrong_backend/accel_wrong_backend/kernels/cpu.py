"""Every kernel of the CPU, with the device's fault after it, or in its place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from accel import registry
from accel.array import Array
from accel.backends.base import Call, Kernel, Launch, Prepared, Slot, slots
from accel.layout import Layout


def elements(array: Array, its: Layout) -> np.ndarray:
    """The elements that a launch sees, as a view of memory: the call's layout, from the array's address on."""
    size = its.dtype.itemsize
    return np.ndarray(its.shape, its.dtype.numpy, array.buffer, array.offset * size, [size * s for s in its.strides])


def _spoiled(right: Kernel) -> Kernel:
    def prepare(call: Call) -> Prepared:
        prepared, fault = right.prepare(call), call.device.fault
        if fault.primitives and call.op not in fault.primitives:
            return prepared
        first, end = len(call.inputs), len(call.inputs) + len(call.outputs)

        def wrong(arrays: Sequence[Array]) -> None:
            inputs, outputs, scratch = arrays[:first], arrays[first:end], arrays[end:]

            def sound() -> None:
                for launch in prepared.launches:
                    launch.on(inputs, outputs, scratch)

            x = [elements(array, its) for array, its in zip(inputs, call.inputs, strict=True)]
            fault.run(call, x, elements(outputs[0], call.outputs[0]), sound)

        operands = (*slots(call), *(Slot("scratch", i) for i in range(len(prepared.scratch))))
        return Prepared((Launch(wrong, operands),), prepared.scratch)

    return Kernel(right.op, right.name.replace("cpu.", "wrong."), right.source, right.supports, prepare)


KERNELS = tuple(_spoiled(row) for row in registry.kernels("cpu"))

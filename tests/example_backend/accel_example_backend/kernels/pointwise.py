"""The one kernel: a scalar program over strided, broadcast operands.

A real device prints the program in its own language (`accel.scalar` has printers to OpenCL C, Triton and C++) and
compiles it in `_prepare`; here the NumPy evaluator runs it, which rounds exactly as the bit contract says.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from accel.array import Array
from accel.backends.base import Call, Kernel, Prepared, one_launch
from accel.layout import broadcast_strides
from accel.scalar.evaluate import evaluate_all


def _supports(call: Call) -> str | None:
    return None  # or the reason why this row does not serve the call: accel explain prints it


def _elements(array: Array, shape: tuple[int, ...], strides: tuple[int, ...]) -> np.ndarray:
    """The array's elements as a NumPy view of its buffer; offset and strides are in elements."""
    dtype = array.dtype.numpy
    steps = tuple(step * dtype.itemsize for step in strides)
    return np.ndarray(shape, dtype, array.buffer, array.offset * dtype.itemsize, steps)


def _prepare(call: Call) -> Prepared:
    """Describes what is to run: here one launch, of the inputs and then the outputs, and no scratch memory."""
    program, shape = call.params, call.outputs[0].shape  # several results have one shape
    strides = [*(broadcast_strides(x, shape) for x in call.inputs), *(x.strides for x in call.outputs)]

    def run(arrays: Sequence[Array]) -> None:
        elements = [_elements(x, shape, steps) for x, steps in zip(arrays, strides, strict=True)]
        operands, results = elements[: len(call.inputs)], elements[len(call.inputs) :]
        for result, value in zip(results, evaluate_all(program, *operands), strict=True):
            result[...] = value

    return one_launch(call, run, program)


KERNELS = (Kernel("pointwise", "example.pointwise", "accel_example_backend/kernels/pointwise.py", _supports, _prepare),)

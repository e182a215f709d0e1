"""The one kernel: a scalar program over strided, broadcast operands.

A real device prints the program in its own language (`accel.scalar` has printers to OpenCL C, Triton and C++) and
compiles it in `_prepare`; here the NumPy evaluator runs it, which rounds exactly as the bit contract says.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from accel.array import Array
from accel.backends.base import Call, Kernel, Launch
from accel.layout import broadcast_strides
from accel.scalar.evaluate import evaluate


def _supports(call: Call) -> str | None:
    return None  # or the reason why this row does not serve the call: accel explain prints it


def _elements(array: Array, shape: tuple[int, ...], strides: tuple[int, ...]) -> np.ndarray:
    """The array's elements as a NumPy view of its buffer; offset and strides are in elements."""
    dtype = array.dtype.numpy
    steps = tuple(step * dtype.itemsize for step in strides)
    return np.ndarray(shape, dtype, array.buffer, array.offset * dtype.itemsize, steps)


def _prepare(call: Call) -> Launch:
    program, (out,) = call.params, call.outputs
    strides = [broadcast_strides(x, out.shape) for x in call.inputs]

    def launch(inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        operands = [_elements(x, out.shape, steps) for x, steps in zip(inputs, strides, strict=True)]
        _elements(outputs[0], out.shape, out.strides)[...] = evaluate(program, *operands)

    return launch


KERNELS = (Kernel("pointwise", "example.pointwise", "accel_example_backend/kernels/pointwise.py", _supports, _prepare),)

"""Places of values in a sorted vector, many values at once."""

from __future__ import annotations

from accel.backends.base import Call, Kernel, Prepared, one_launch
from accel.backends.cpu import native, threads


def _supports(call: Call) -> str | None:
    return None


def _prepare(call: Call) -> Prepared:
    (x, values), (out,) = call.inputs, call.outputs
    kernel = native().Search(x.dtype.name, call.params.right)
    run = kernel.launch(out.shape, out.strides, values.strides, x.size, x.strides[0], threads(call.settings))
    return one_launch(call, run, kernel)


KERNELS = (Kernel("search", "cpu.search", "csrc/search.hpp", _supports, _prepare),)

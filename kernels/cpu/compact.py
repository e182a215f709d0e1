"""Places of the true elements of a vector, and how many there are, block by block."""

from __future__ import annotations

from accel.backends.base import Call, Kernel, Prepared, one_launch
from accel.backends.cpu import native, threads


def _supports(call: Call) -> str | None:
    return None


def _prepare(call: Call) -> Prepared:
    (mask, *known), (out,), params = call.inputs, call.outputs, call.params
    kernel, step = native().Compact(), mask.strides[0]
    if params.count is None:
        run = kernel.counts(mask.size, step, params.block, out.strides[0], threads(call.settings))
        return one_launch(call, run, kernel)
    (before,) = known
    run = kernel.launch(
        mask.size, step, params.block, before.strides[0], params.count, out.strides[0],
        threads(call.settings),
    )  # fmt: skip
    return one_launch(call, run, kernel)


KERNELS = (Kernel("compact", "cpu.compact", "csrc/search.hpp", _supports, _prepare),)

"""Products of groups of rows: each group is a product of `cpu.matmul`'s, in strips of columns that threads share."""

from __future__ import annotations

from accel.backends.base import Call, Kernel, Prepared, one_launch
from accel.backends.cpu import isa, native, threads


def _supports(call: Call) -> str | None:
    return None


def _prepare(call: Call) -> Prepared:
    (a, b, ends), (out,), contracted = call.inputs, call.outputs, call.params.contracted
    settings = call.settings
    kernel = native().GroupedMatmul(
        isa(settings.cpu_isa), a.dtype.name, out.dtype.name, settings.numerics != "reproducible"
    )
    strides = [x.strides if x.ndim == 3 else (0, *x.strides) for x in (a, b, out)]
    run = kernel.launch(
        ends.shape[0],
        *out.shape[-2:],
        a.shape[1],
        contracted,
        *strides,
        ends.dtype.name,
        threads(settings),
    )
    return one_launch(call, run, kernel)


KERNELS = (Kernel("grouped_matmul", "cpu.grouped_matmul", "csrc/matmul_groups.hpp", _supports, _prepare),)

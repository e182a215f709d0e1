"""CLBlast's matrix product, through pyclblast where that is installed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

DTYPES = ("float16", "float32", "float64")


def modules() -> tuple[ModuleType, ModuleType] | None:
    """pyopencl and pyclblast; None where one is not installed, or its library does not load."""
    try:
        import pyclblast
        import pyopencl
        import pyopencl.array
    except (ImportError, OSError):
        return None
    return pyopencl, pyclblast


def gemm(operands: Sequence[np.ndarray], device_kind: str) -> Callable[[], Any] | None:
    """The product of two matrices on the first OpenCL device of a kind ("cpu", "gpu", "accelerator"), where operands
    and result stay; None where CLBlast cannot compute it. Transposed views are passed as what they are."""
    a, b = operands
    if a.ndim != 2 or b.ndim != 2 or a.dtype.name not in DTYPES or (found := modules()) is None:
        return None
    cl, blas = found
    device = _device(cl, device_kind)
    if device is None:
        return None
    _, queue = device
    (m, k), n = a.shape, b.shape[1]
    turned = [not x.flags.c_contiguous for x in (a, b)]
    left, right = (cl.array.to_device(queue, x.T if t else x) for x, t in zip((a, b), turned, strict=True))
    result = cl.array.zeros(queue, (m, n), a.dtype)

    def product() -> Any:
        blas.gemm(
            queue, m, n, k, left, right, result, left.shape[1], right.shape[1], n,
            a_transp=turned[0], b_transp=turned[1],
        )  # fmt: skip
        queue.finish()
        return result

    return product


@cache
def _device(cl: ModuleType, kind: str) -> tuple[Any, Any] | None:
    """A context of the first device of a kind, and a queue of it, one for the process; None where there is no device.
    The context is kept, as Intel's runtime gives up one that only its queue holds."""
    wanted = getattr(cl.device_type, kind.upper(), None)
    if wanted is None:
        return None
    try:
        platforms = cl.get_platforms()
    except cl.Error:
        return None
    device = next((d for p in platforms for d in p.get_devices() if d.type & wanted), None)
    if device is None:
        return None
    context = cl.Context([device])
    return context, cl.CommandQueue(context)

"""What a case costs at least: operations, bytes moved, memory; without its operands being there."""

from __future__ import annotations

from functools import lru_cache
from math import prod

import numpy as np

from ... import creation, registry, work
from ...config import config
from ...dtypes import TABLE, DType
from ...errors import AccelError
from ...fuse import graph_of
from ...layout import Layout, Shape
from ...scalar import FUNCTIONS
from .case import Workload
from .subproblem import part
from .workload import call, known

RESULTS = 3
"""Results that are in memory at a time: accel's, and a baseline's before and after its activation."""

REFERENCE = 88
"""Bytes that the reference, the bound and the canonical answer take for each element of the part that is checked."""


@lru_cache(maxsize=4096)
def _layouts(workload: Workload) -> tuple[tuple[Layout, ...], tuple[Shape, DType]]:
    """Layouts of the operands and shape and dtype of the result: of the same call on a device that computes nothing."""
    with config(fallback="error", override=(), verbose=()):
        operands = []
        for x in workload.operands:
            turned = x.layout == "transposed"
            shape = (*x.shape[:-2], x.shape[-1], x.shape[-2]) if turned else x.shape
            made = creation.empty(shape, dtype=x.dtype, device="null")
            operands.append(made.mT if turned else made)
        result = call(workload)(*operands)
    registry.backend("null").devices()[0].launches.clear()  # type: ignore[attr-defined]
    return tuple(x.layout for x in operands), (result.shape, result.dtype)


def output(workload: Workload) -> tuple[Shape, DType]:
    """Shape and dtype of the result. Raises UnsupportedError where accel has no such op, and what the op raises where
    it does not take the operands."""
    known(workload)
    return _layouts(workload)[1]


@lru_cache(maxsize=4096)
def flops(workload: Workload) -> float:
    """Operations of one call (`work`). Raises as `output` does."""
    spec, (inputs, result) = known(workload), _layouts(workload)
    if spec.flops is None and spec.decompose is not None:
        with config(fallback="error", override=(), verbose=()):
            return float(work.of_graph(graph_of(call(workload), spec.name, inputs)))
    params = spec.infer(inputs, None).params if spec.name in FUNCTIONS else None
    return float(work.of_call(spec, inputs, (result,), params))


def moved_bytes(workload: Workload) -> float:
    """Bytes that one call must read and write at least. Raises as `output` does."""
    spec, (inputs, result) = known(workload), _layouts(workload)
    return float(spec.bytes(inputs, (result,)))


def needs_bytes(workload: Workload) -> int:
    """Host memory that building, running and checking a case takes at most, where the device's memory is the host's:
    the operands twice (drawn, and on the device), RESULTS results, and what the check computes.

    Memory that the runner takes for itself, such as for emptying caches, is not counted. An op that accel has not, or
    that refuses the operands, is taken to give a result as large as its largest operand.
    """
    sizes = [prod(x.shape) * TABLE[x.dtype].itemsize for x in workload.operands]
    try:
        shape, dtype = output(workload)
    except (AccelError, NotImplementedError):
        return 2 * sum(sizes) + RESULTS * max(sizes, default=0)
    return 2 * sum(sizes) + RESULTS * prod(shape) * dtype.itemsize + REFERENCE * _checked(workload)


def _checked(workload: Workload) -> int:
    """Elements of the operands that the check reads."""
    operands = [np.broadcast_to(np.zeros((), TABLE[x.dtype].numpy), x.shape) for x in workload.operands]
    some = part(known(workload), operands, dict(workload.keywords)).operands
    return sum(x.size for x in some if isinstance(x, np.ndarray))

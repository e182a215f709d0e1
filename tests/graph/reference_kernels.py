"""Kernels of the CPU backend that compute groups in NumPy by the primitives' canonical forms: they take every group, so
that grouping is tested whatever a backend's own kernels refuse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pytest

from accel import dispatch, registry
from accel.array import Array
from accel.backends.base import Call, Kernel, Prepared, one_launch
from accel.conversion import on_host
from accel.layout import Layout, broadcast_strides, layout
from accel.ops.primitive.row import evaluate
from accel.scalar.evaluate import evaluate_all


def _elements(x: Array, its: Layout) -> np.ndarray:
    return on_host(Array(x.buffer, x.offset, its))


def _write(results: Sequence[np.ndarray], outputs: Sequence[Array], layouts: Sequence[Layout]) -> None:
    for result, out, its in zip(results, outputs, layouts, strict=True):
        view = _elements(out, its)
        view.flags.writeable = True
        view[...] = result.reshape(its.shape)


def _row(call: Call) -> Prepared:
    def run(arrays: Sequence[Array]) -> None:
        results = evaluate(call.params, *map(_elements, arrays[: len(call.inputs)], call.inputs))
        _write(results if isinstance(results, tuple) else (results,), arrays[len(call.inputs) :], call.outputs)

    return one_launch(call, run)


def _pointwise(call: Call) -> Prepared:
    shape = call.outputs[0].shape
    full = [layout(x.dtype, shape, broadcast_strides(x, shape), x.device) for x in call.inputs]

    def run(arrays: Sequence[Array]) -> None:
        _write(evaluate_all(call.params, *map(_elements, arrays[: len(full)], full)), arrays[len(full) :], call.outputs)

    return one_launch(call, run)


def _several(call: Call) -> str | None:
    return None if call.params.results else "one result, which the C++ kernel has"


ROWS = (
    Kernel("row", "reference.row", "", lambda call: None, _row),
    Kernel("pointwise", "reference.pointwise", "", _several, _pointwise),
)


@contextmanager
def reference_kernels(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The CPU backend with these kernels before its own."""
    real = registry.kernels

    def kernels(name: str) -> tuple[Kernel, ...]:
        return (*ROWS, *real(name)) if name == "cpu" else real(name)

    try:
        with monkeypatch.context() as patch:
            patch.setattr(registry, "kernels", kernels)
            dispatch.forget()
            yield
    finally:
        dispatch.forget()

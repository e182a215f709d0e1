"""Rule 6: fused updates, the first of the largest as pivot, which triangle is read, zeros beside a factor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import numpy as np

from accel.backends.base import Call
from accel.ops.primitive import factor, jacobi

from .fault import Run, fault, spoil


def _with(name: str, function: Callable[..., Any]) -> Run:
    """The first output by the canonical form with another function in a place of it."""

    def run(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
        right()
        with patch.object(factor, name, function), np.errstate(all="ignore"):
            out[...] = factor.answer(call.params, (), *inputs)[0]

    return run


def _unfused(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    return a * b + c


def _last(column: np.ndarray) -> np.ndarray:
    """The last of the largest."""
    return column.shape[-1] - 1 - right_pivot(np.ascontiguousarray(column[..., ::-1]))


def _in_order(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A sum of products without lanes."""
    total = np.zeros(np.broadcast_shapes(x.shape, y.shape)[:1] + np.broadcast_shapes(x.shape, y.shape)[2:], x.dtype)
    for i in range(x.shape[1]):
        total = factor.fma(x[:, i], y[:, i], total)
    return total


def _numbers_only(column: np.ndarray) -> np.ndarray:
    return right_pivot(np.where(np.isnan(column), 0, column).astype(column.dtype))


def _upper(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
    """The other triangle of a symmetric matrix is read."""
    right()
    if call.params.kind == "cholesky":
        out[...] = factor.cholesky(inputs[0].mT)


def _leftovers(call: Call, out: np.ndarray) -> None:
    if call.params.kind == "cholesky":
        out[...] += np.triu(np.ones(out.shape, out.dtype), 1)


def _turned(name: str, function: Any) -> Run:
    """Rows that are made orthogonal with another function, or number, in a place of the canonical form."""

    def run(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
        right()
        if call.params.kind == "jacobi":
            with patch.object(jacobi, name, function), np.errstate(all="ignore"):
                out[...] = jacobi.steps(call.params.length, *inputs)[0]

    return run


def _fused(top: np.ndarray, bottom: np.ndarray, s: np.ndarray, tau: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows' changes are contracted."""
    return factor.fma(-s, factor.fma(tau, top, bottom), top), factor.fma(s, factor.fma(-tau, bottom, top), bottom)


def _other_rounds(pairs: int) -> Any:
    """The pairs of a sweep, the last round first."""
    return right_rounds(pairs)[::-1]


def _squared(x: np.ndarray) -> np.ndarray:
    """A sum without lanes."""
    return np.add.accumulate(x, axis=-1)[..., -1]


right_pivot = factor.pivot
right_rounds = jacobi.rounds

BLOCKS = "cholesky_block float32, lu_block float64, qr_block float64, solve_block float32"

FAULTS = {
    "factor-unfused": fault("updates are fused", BLOCKS, _with("fma", _unfused)),
    "factor-last-pivot": fault("the first of the largest is the pivot", "lu_block float32", _with("pivot", _last)),
    "factor-skips-nan": fault("NaN is the largest pivot", "lu_block float64", _with("pivot", _numbers_only)),
    "factor-dots-in-order": fault("lanes of the sums in QR", "qr_block float32, qr float64", _with("dot", _in_order)),
    "factor-turns-fused": fault(
        "no step of a rotation is contracted", "jacobi_rows float32, svd float64", _turned("turned", _fused)
    ),
    "factor-sweep-backwards": fault(
        "the order of the pairs", "jacobi_rows float64, eigh float32", _turned("rounds", _other_rounds)
    ),
    "factor-turns-in-order": fault("lanes of the sums in rotations", "jacobi_rows float32", _turned("total", _squared)),
    "factor-turns-all": fault(
        "which pairs are turned",
        "jacobi_rows float32",
        _turned("TOLERANCE", {"float32": 2.0**-21, "float64": 2.0**-50}),
    ),
    "factor-few-sweeps": fault("sweeps until nothing is turned", "jacobi_rows float64", _turned("SWEEPS", 3)),
    "factor-upper": fault("Cholesky's lower triangle is read", "cholesky_block float64", _upper),
    "factor-leftovers": fault(
        "zeros above a lower factor", "cholesky_block float32, cholesky float32", spoil(_leftovers)
    ),
}

"""Rule 2 within rows: blocks, lanes, NaN in folds; and that every row and element is written."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any
from unittest.mock import patch

import numpy as np

from accel.backends.base import Call
from accel.numerics import BLOCK, LANES
from accel.ops import canonical
from accel.ops.primitive.row import evaluate

from .fault import Run, fault


def _folded(reduce: Callable[..., np.ndarray]) -> Run:
    """The first output by another fold."""

    def run(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
        right()
        with patch.object(canonical, "reduce", reduce), np.errstate(all="ignore"):
            results = evaluate(call.params, *inputs)
        out[...] = results[0] if isinstance(results, tuple) else results

    return run


right_reduce = canonical.reduce


def _by_numpy(kind: str, x: np.ndarray, axes: Any, output: Any) -> np.ndarray:
    if kind not in ("sum", "prod"):
        return right_reduce(kind, x, axes, output)
    return np.asarray(getattr(np, kind)(np.ascontiguousarray(x), axis=axes, dtype=output.numpy))


def _without_nan(kind: str, x: np.ndarray, axes: Any, output: Any) -> np.ndarray:
    if kind not in ("max", "min"):
        return right_reduce(kind, x, axes, output)
    return (np.fmax if kind == "max" else np.fmin).reduce(x, axis=axes)


def _without_tail(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
    """Elements beyond the last whole lanes of a row are left as they were."""
    shape = call.inputs[0].shape
    kept = len(shape) - call.params.reduced
    if call.outputs[0].shape != shape or call.params.reduced != 1:
        right()
        return
    n = prod(shape[kept:])
    before = np.array(out[..., n // LANES * LANES :])
    right()
    out[..., n // LANES * LANES :] = before


def _without_last_row(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
    before = np.array(out[-1:]) if out.ndim else None
    right()
    if before is not None and out.shape[0] > 1:
        out[-1:] = before


FAULTS = {
    "row-block-8192": fault("blocks of 4096", "row float32", _folded(partial(right_reduce, block=2 * BLOCK))),
    "row-lanes-32": fault("64 lanes", "row float32", _folded(partial(right_reduce, lanes=LANES // 2))),
    "row-by-numpy": fault("the order of a fold", "row float32", _folded(_by_numpy)),
    "row-drops-nan": fault("NaN propagates in a row's max and min", "row float16", _folded(_without_nan)),
    "row-without-tail": fault("every element of a row is written", "row float32", _without_tail),
    "row-without-last": fault("every row is written", "row bfloat16", _without_last_row),
}

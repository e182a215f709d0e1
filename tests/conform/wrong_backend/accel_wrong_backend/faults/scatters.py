"""Rows that sources name: which of the values each is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from accel.backends.base import Call
from accel.ops.parameters import scattered_operands
from accel.ops.primitive.scatter import evaluate

from .fault import Run, fault

CASES = "scatter float32, scatter int16"


def _rows(chosen: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Run:
    """Rows that are chosen otherwise. chosen(values, sources)."""

    def run(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
        base, values, cells, sources = scattered_operands(inputs, call.params)
        if sources is None:
            right()
            return
        held = out.copy() if base is None else np.broadcast_to(base, out.shape)
        rows = chosen(np.asarray(values), np.asarray(sources))
        out[...] = evaluate(replace(call.params, sourced=False), held, rows, np.asarray(cells))

    return run


def _without_the_end(values: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """A source below 0 is out of range."""
    good = (sources >= 0) & (sources < len(values))
    return np.where(good.reshape(-1, *(1,) * (values.ndim - 1)), values[np.where(good, sources, 0)], 0)


def _nearest(values: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """One that is out of range is the nearest row."""
    n = len(values)
    return values[np.clip(np.where(sources < 0, sources + n, sources), 0, n - 1)]


FAULTS = {
    "sources-ignored": fault("row i is that at source i", CASES, _rows(lambda v, s: v[np.arange(len(s)) % len(v)])),
    "sources-below-zero": fault("a source below 0 counts from the end", CASES, _rows(_without_the_end)),
    "sources-beyond": fault("a row that there is not is zeros", CASES, _rows(_nearest)),
}

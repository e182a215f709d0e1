"""OpenCL's scatters by every width of a row: by vectors and rests of them, with steps, of several axes, sourced; cells
of one row, of a few, of lanes and some, and of more than a block. Against the canonical answer, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import accel
from accel import dispatch
from accel.numerics import BLOCK, LANES
from accel.ops.parameters import Scatter
from accel.ops.primitive.scatter import SCATTER, evaluate
from accel.testing.compare import differing, place

COUNTS = (1, 2, 3, 7, LANES, LANES + 1, 2 * LANES + 5)
"""Rows of a cell."""


def check(device: accel.Device, values: np.ndarray, cells: np.ndarray, kind: str, **how: Any) -> np.ndarray:
    """Into the first axis of what has a cell that nothing is put into. Returns the answer."""
    rng = np.random.default_rng(5)
    shape = (int(cells.max()) + 2, *values.shape[1:])
    x = rng.integers(0, 9, shape).astype(values.dtype)
    sources = [rng.integers(-len(values) - 1, len(values) + 1, cells.size)] if how.get("sourced") else []
    params = Scatter(shape, (-1, *range(1, values.ndim)), kind, **how)
    got = np.asarray(dispatch.call(SCATTER, tuple(place(a, device) for a in (x, values, cells, *sources)), params))
    want = evaluate(params, x, values, cells, *sources)
    assert (got.shape, got.dtype) == (want.shape, want.dtype)
    assert not differing(got, want).any(), (values.shape, kind, how)
    return want


def cells_of(rng: np.random.Generator) -> np.ndarray:
    """Some of each count, mixed, and a row of none."""
    return rng.permutation(np.repeat(np.arange(-1, len(COUNTS)), (1, *COUNTS)))


@pytest.mark.parametrize("kind", ["add", "multiply", "max", "min", "set"])
def test_scatters_by_width(variant: accel.Device, kind: str) -> None:
    """Fewer than a vector, some of them, and a rest; of which many are not whole numbers, some NaN or zeros."""
    rng = np.random.default_rng(7)
    cells = cells_of(rng)
    for columns in (1, 7, 8, 37, 64, 150):
        values = rng.standard_normal((cells.size, columns)).astype(np.float32)
        values[rng.random(values.shape) < 0.01] = np.nan
        values[rng.random(values.shape) < 0.1] = -0.0
        want = check(variant, values, cells, kind)
        if kind == "add" and columns == 37:
            other = rng.permutation(cells.size)
            params = Scatter(want.shape, (-1, 1), kind)
            again = evaluate(params, np.zeros_like(want), values[other], cells[other])
            once = evaluate(params, np.zeros_like(want), values, cells)
            assert differing(again, once).any(), "another order of the additions is seen"


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64", "float64"])
def test_scatters_by_dtype(variant: accel.Device, dtype: str) -> None:
    """Integers wrap; of floats, bits."""
    rng = np.random.default_rng(8)
    cells = cells_of(rng)
    values = (rng.standard_normal((cells.size, 40)) * 90).astype(dtype)
    for kind in ("add", "multiply", "min"):
        check(variant, values, cells, kind)


def test_scatters_by_layout(variant: accel.Device) -> None:
    """Columns with steps, rows of two axes that are not one, sources, cells in order, and each there once."""
    rng = np.random.default_rng(9)
    cells = cells_of(rng)
    values = rng.standard_normal((cells.size, 20, 18)).astype(np.float32)
    check(variant, values[:, :, 0].T.copy().T, cells, "add")
    check(variant, values[:, ::-1, 1:], cells, "add")
    check(variant, values[:, 0], cells, "add", sourced=True)
    check(variant, values[:, 0], np.sort(cells), "add", ascending=True)
    check(variant, values[:, 0], np.sort(cells), "max", ascending=True)
    check(variant, values[:, 0], rng.permutation(cells.size), "set", apart=True)
    check(variant, values[:, 0], rng.permutation(cells.size), "max", apart=True)


@pytest.mark.parametrize("columns", [1, 9])
def test_scattered_rows_of_blocks(variant: accel.Device, columns: int) -> None:
    """Blocks of rows, and blocks' sums in lanes."""
    rng = np.random.default_rng(10)
    cells = rng.permutation(np.repeat(np.arange(3), (5, 2 * BLOCK + 70, BLOCK)))
    check(variant, rng.standard_normal((cells.size, columns)).astype(np.float32), cells, "add")

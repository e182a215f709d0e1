"""OpenCL's gathers by every walk: whole rows, rows with steps, single elements, several indices, nothing to read."""

from __future__ import annotations

import numpy as np
import pytest

import accel
from accel.dtypes import TABLE
from accel.testing.compare import place


def check(device: accel.Device, x: np.ndarray, *indices: np.ndarray) -> None:
    """x[indices] of numbers in range, below zero too."""
    got = np.asarray(place(x, device)[tuple(place(i, device) for i in indices)])
    assert (got.shape, got.dtype) == (x[indices].shape, x.dtype)
    assert (got == x[indices]).all()


@pytest.mark.parametrize("dtype", ["int8", "uint16", "float32", "float64"])
def test_rows_and_elements(variant: accel.Device, dtype: str) -> None:
    """Rows of whole vectors, of a vector and some, and shorter; reversed and stepped ones; elements."""
    rng = np.random.default_rng(1)
    for columns in (37, 3):
        x = rng.integers(0, 100, (50, columns)).astype(TABLE[dtype].numpy)
        rows = rng.integers(-50, 50, 70)
        check(variant, x, rows)
        check(variant, x[::2, ::-1], rows % 25)
        check(variant, x.reshape(-1), rng.integers(-50 * columns, 50 * columns, 700))
        check(variant, x, rows[:, None], rng.integers(-columns, columns, (70, 9)))
        check(variant, x, rows, rng.integers(-columns, columns, 70))


def test_what_is_out_of_range_gives_zero(variant: accel.Device) -> None:
    """Of rows and of elements; nothing is read."""
    x = np.arange(1, 41, dtype=np.float32).reshape(8, 5)
    far = np.array([0, -8, 8, -9, 2**62, -(2**63), 7])
    good = (far >= -8) & (far < 8)
    rows = np.where(good[:, None], x[np.where(good, far, 0)], 0)
    with accel.config(check="off"):
        placed, index = place(x, variant), place(far, variant)
        assert (np.asarray(accel.take(placed, index, axis=0)) == rows).all()
        columns = accel.take(placed.mT, index, axis=1)
        assert (np.asarray(columns) == rows.T).all()
        flat = accel.take(placed[:, 0], index)
        assert (np.asarray(flat) == rows[:, 0]).all()
        nothing = accel.take(accel.zeros((0, 5), device=variant), index, axis=0)
        assert nothing.shape == (7, 5) and not np.asarray(nothing).any()

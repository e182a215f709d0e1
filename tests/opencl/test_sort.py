"""OpenCL's sorts in every form: runs by insertion, by digits and in local memory, and merges of runs of any number."""

from __future__ import annotations

import numpy as np
import pytest

import accel
from accel import registry
from accel.dtypes import TABLE
from accel.kernels.opencl import sort
from accel.ops.primitive.sort import first_places
from accel.testing.compare import differing, place


def operand(n: int, rows: int, dtype: str) -> np.ndarray:
    """Numbers of which many are equal, with both zeros, NaN and infinities where there are any."""
    rng, row = np.random.default_rng(n), TABLE[dtype]
    if row.kind == "b":
        return rng.random((rows, n)) < 0.5
    if row.kind in "iu":
        info = np.iinfo(row.numpy)
        x = rng.integers(info.min, info.max, (rows, n), row.numpy, endpoint=True)
        return np.where(rng.random((rows, n)) < 0.5, x, x & 15).astype(row.numpy)
    x = np.round(8 * rng.standard_normal((rows, n))) * 10.0 ** rng.integers(-3, 3, (rows, n))
    for value in (0.0, -0.0, np.nan, -np.nan, np.inf, -np.inf):
        x[rng.random((rows, n)) < 0.02] = value
    return x.astype(row.numpy)


def check(device: accel.Device, x: np.ndarray, axis: int) -> None:
    """Both ops in both directions."""
    placed = place(x, device)
    for op in ("sort", "argsort"):
        for descending in (False, True):
            got = np.asarray(getattr(accel, op)(placed, axis=axis, descending=descending))
            want = np.asarray(registry.OPS[op].canonical(x, axis, descending))
            assert got.dtype == want.dtype
            assert not differing(got, want).any(), (op, x.shape, descending)


@pytest.mark.parametrize("dtype", ["bool", "int8", "float16", "uint32", "float32", "int64", "float64"])
def test_runs_of_every_class(device: accel.Device, dtype: str) -> None:
    """One element, the longest row that is inserted, digits of few and of many elements."""
    for n, rows in ((1, 3), (sort.FEW, 5), (sort.FEW + 1, 7), (1500, 2)):
        check(device, operand(n, rows, dtype), 1)


def test_strided_rows(device: accel.Device) -> None:
    x = operand(140, 36, "float32")
    check(device, x[::-2, ::3], 1)
    check(device, x.T[1:], 0)
    check(device, x[:, ::-1].reshape(6, 6, 140)[:, ::2], 0)


@pytest.mark.parametrize("parts", [2, 3, 5])
def test_merges_of_any_number_of_runs(device: accel.Device, parts: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last run is short, and without a neighbour in some launches; digits that are the same in all are left out."""
    run = sort.CHUNK["loops"]
    monkeypatch.setattr(sort, "parts_of", lambda rows, n, units: (parts, run))
    accel.dispatch.forget()
    x = operand((parts - 1) * run + 1001, 2, "float32")
    check(device, x, 1)
    check(device, np.sign(x), 1)
    accel.dispatch.forget()


def test_first_places(device: accel.Device, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer than a row has, which end in a run, at a chunk's end and behind it."""
    for patched in (False, True):
        if patched:
            monkeypatch.setattr(sort, "parts_of", lambda rows, n, units: (3, sort.CHUNK["loops"]))
            accel.dispatch.forget()
        x = operand(2 * sort.CHUNK["loops"] + 77, 2, "float32")
        want = np.asarray(registry.OPS["argsort"].canonical(x, 1, True))
        for count in (1, 7, sort.CHUNK["loops"], sort.CHUNK["loops"] + 1):
            got = np.asarray(first_places(accel.asarray(x, device=device), count, True))
            assert (got == want[:, :count]).all()
    accel.dispatch.forget()


def test_both_geometries(variant: accel.Device) -> None:
    check(variant, operand(5000, 2, "float32"), 1)


def test_runs_are_for_rows_that_leave_units_idle() -> None:
    assert sort.parts_of(1, 100, 8) == (1, 100)
    assert sort.parts_of(8, 1 << 20, 8) == (1, 1 << 20)
    assert sort.parts_of(1, 1 << 20, 2) == (2, 1 << 19)
    assert sort.parts_of(3, 1 << 20, 8) == (3, 352256)
    for rows, n, units in ((1, 16385, 64), (1, 10**6, 64), (5, 10**6, 7), (1, 65537, 3)):
        parts, run = sort.parts_of(rows, n, units)
        assert (parts - 1) * run < n <= parts * run
        assert parts == 1 or 2 * run % sort.CHUNK["loops"] == 0

"""OpenCL's scans by single work-items, in blocks of every width, against the canonical algorithm, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

import accel
from accel import registry
from accel.dtypes import TABLE
from accel.kernels.opencl import scan
from accel.testing.compare import differing, place


@pytest.mark.parametrize("width", [256, 4096, 65536])
def test_blocks_of_every_width(device: accel.Device, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups up to just before, at and just past sixteen of a level; the last block is short. By vectors, and where
    elements are not next to each other, by single ones."""
    monkeypatch.setattr(scan, "width", lambda *given, simple: width)
    accel.dispatch.forget()
    rng = np.random.default_rng(width)
    canonical = registry.OPS["cumulative_sum"].canonical
    for n in (17 * 65536 + 37, width + 15, 2 * width, 2 * width + 257):
        x = rng.standard_normal(n).astype(np.float32)
        got = np.asarray(accel.cumulative_sum(accel.asarray(x, device=device), include_initial=True))
        assert not differing(got, np.asarray(canonical(x, include_initial=True))).any(), n
    got = np.asarray(accel.cumulative_sum(accel.asarray(x, device=device)[::-2]))
    assert not differing(got, np.asarray(canonical(x[::-2]))).any()
    accel.dispatch.forget()


@pytest.mark.parametrize("op", ["cumulative_sum", "cumulative_prod"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint64", "int32", "bfloat16"])
def test_rows_of_one_block(device: accel.Device, op: str, dtype: str) -> None:
    """Lengths around groups and spans, rows of any place, and zeros whose signs a wrong identity would change."""
    rng, row = np.random.default_rng(5), TABLE[dtype]
    for n in (256, 257, 271, 272, 4095, 4096 + 16):
        x = rng.integers(1, 1 << 31, (3, n)) if row.kind in "iu" else 1 + rng.standard_normal((3, n)) / 100
        x = x.astype(row.numpy)
        if row.kind == "f":
            x[0, :40], x[1, 3:7], x[2, 200] = -0.0, 0.0, np.nan
        got = np.asarray(getattr(accel, op)(place(x, device), axis=1))
        assert not differing(got, np.asarray(registry.OPS[op].canonical(x, axis=1))).any(), n


def test_the_control() -> None:
    """Sums in another order would be seen."""
    x = np.random.default_rng(1).standard_normal(65536).astype(np.float32)
    assert differing(np.cumsum(x), np.asarray(registry.OPS["cumulative_sum"].canonical(x))).any()


def test_wide_blocks_are_for_rows_that_keep_every_unit_busy() -> None:
    x = scan.Place(scan.Slot("input"), (0,), 1)
    widths = {n: scan.width("loops", 2, n, 1, x, False) for n in (16, 17, 8 * 65536 - 1, 8 * 65536)}
    assert list(widths.values()) == [16, 4096, 4096, 65536]
    assert scan.width("loops", 2, 1 << 22, 8, x) == 1 << 22


def test_one_block_is_for_rows_that_vectors_are_fast_with() -> None:
    x = scan.Place(scan.Slot("input"), (0,), 1)
    assert scan.width("loops", 2, scan.ALONE, 1, x) == scan.ALONE
    assert scan.width("loops", 2, scan.ALONE + 1, 1, x) == 4096
    assert scan.width("loops", 2, scan.ALONE, 1, scan.Place(x.slot, (0,), 2)) == 4096

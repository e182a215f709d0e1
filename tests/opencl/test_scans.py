"""OpenCL's scans by single work-items, in blocks of every width, against the canonical algorithm, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

import accel
from accel import registry
from accel.kernels.opencl import scan
from accel.testing.compare import differing


@pytest.mark.parametrize("width", [256, 4096, 65536])
def test_blocks_of_every_width(device: accel.Device, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups up to just before, at and just past sixteen of a level; the last block is short."""
    monkeypatch.setattr(scan, "width", lambda geometry, units, n, rows, x: width)
    accel.dispatch.forget()
    rng = np.random.default_rng(width)
    canonical = registry.OPS["cumulative_sum"].canonical
    for n in (17 * 65536 + 37, width + 15, 2 * width, 2 * width + 257):
        x = rng.standard_normal(n).astype(np.float32)
        got = np.asarray(accel.cumulative_sum(accel.asarray(x, device=device), include_initial=True))
        assert not differing(got, np.asarray(canonical(x, include_initial=True))).any(), n
    accel.dispatch.forget()


def test_the_control() -> None:
    """Sums in another order would be seen."""
    x = np.random.default_rng(1).standard_normal(65536).astype(np.float32)
    assert differing(np.cumsum(x), np.asarray(registry.OPS["cumulative_sum"].canonical(x))).any()


def test_wide_blocks_are_for_rows_that_keep_every_unit_busy() -> None:
    x = scan.Place(scan.Slot("input"), (0,), 1)
    widths = {n: scan.width("loops", 2, n, 1, x) for n in (16, 17, 8 * 65536 - 1, 8 * 65536)}
    assert list(widths.values()) == [16, 4096, 4096, 65536]
    assert scan.width("loops", 2, 1 << 22, 8, x) == 1 << 22

"""The kit sees a fault in each rule and clause of the contract with its default settings, and none where there is
none."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from accel.testing import conform

sys.path.append(str(Path(__file__).parent / "wrong_backend"))
from accel_wrong_backend.faults import FAULTS

sys.path.pop()

pytestmark = pytest.mark.usefixtures("wrong_backend")

SLOW = re.compile("attention-(?!short-weights|times-zero)|quantized-(?!scaled-last|whole-panels)")
"""Faults whose examples take seconds each in NumPy."""

CASES = sorted({case for fault in FAULTS.values() for case in fault.cases})


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if SLOW.match(name) else []) for name in FAULTS]
)
def test_a_fault_is_seen(name):
    unseen = []
    for op, dtype in FAULTS[name].cases:
        (row,) = conform.run(f"wrong:{name}", [op], dtypes=[dtype]).rows
        if row.status != "fail":
            unseen.append(row)
        assert "Error" not in row.detail, f"it was to compute, and fails: {row.detail}"
    assert not unseen


FIRST = dict(reversed(CASES))
"""The dtype in which an op runs without --deep."""


@pytest.mark.parametrize(
    ("op", "dtype"),
    [pytest.param(*case, marks=[pytest.mark.slow] * (FIRST[case[0]] != case[1])) for case in CASES],
    ids=[f"{op}-{dtype}" for op, dtype in CASES],
)
def test_without_a_fault_nothing_is_seen(op, dtype):
    """The control: the same kernels through the same wrapper."""
    (row,) = conform.run("wrong:nothing", [op], dtypes=[dtype]).rows
    assert row.status in ("pass", "compiled", "decomposition"), row.detail

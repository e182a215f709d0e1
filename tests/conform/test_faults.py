"""The kit sees a fault in each rule and clause of the contract with its default settings, and none where there is
none."""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path

import pytest

import accel
from accel.testing import conform

sys.path.append(str(Path(__file__).parent / "wrong_backend"))
from accel_wrong_backend.faults import FAULTS

sys.path.pop()

pytestmark = pytest.mark.usefixtures("wrong_backend")

CASES = sorted({case for fault in FAULTS.values() for case in fault.cases})


@lru_cache(maxsize=1)
def told(op: str, dtype: str) -> conform.Told:
    """What a spec says of the examples of an op and dtype: the tests of its faults follow each other."""
    return {}


def failing(name: str, op: str, dtype: str) -> conform.Row | None:
    """The first example of a run with the default settings that fails: drawn ones, which are small, before edges."""
    device = accel.device(f"wrong:{name}")
    ((spec, its_dtype),) = conform.cases([op], [dtype])
    edges = spec.samples(its_dtype).edges
    by_size = sorted(range(len(edges)), key=lambda i: edges[i].size)
    for number in (*range(len(edges), len(edges) + 20), *by_size):
        row = conform.one(spec, its_dtype, device, 0, example=number, told=told(op, dtype))
        if row.status == "fail":
            return row
    return None


@pytest.mark.parametrize("name", sorted(FAULTS, key=lambda name: FAULTS[name].cases))
def test_a_fault_is_seen(name):
    for op, dtype in FAULTS[name].cases:
        row = failing(name, op, dtype)
        assert row is not None, f"not seen in {op} {dtype}"
        assert "Error" not in row.detail, f"it was to compute, and fails: {row.detail}"


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

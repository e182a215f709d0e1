"""Every op, dtype and device: the canonical bits, and the error bound around the exact answer, on samples of the op's
own spec."""

from __future__ import annotations

import pytest

import accel
from accel.registry import OPS
from accel.testing import conform

CASES = conform.cases()

# 16-bit products use matrix units in "default" and the canonical order in "reproducible"
HALVES = [(OPS[op], accel.dtypes.as_dtype(d)) for op in ("matmul", "linear") for d in ("float16", "bfloat16")]


def examples(request: pytest.FixtureRequest, quick: int) -> int:
    return 100 if request.config.getoption("--deep") else quick


@pytest.mark.parametrize(("spec", "dtype"), CASES, ids=[f"{spec.name}-{dtype}" for spec, dtype in CASES])
def test_op(request, target, spec, dtype):
    with target.in_force() as device:
        known = conform.known_failures(device.backend).get((spec.name, dtype.name))
        row = conform.one(spec, dtype, device, examples(request, target.examples), known)
    print(f"largest error / bound: {row.error:.3g}")
    assert row.status in ("pass", "decomposition", "known"), f"{row.status}: {row.detail}"


@pytest.mark.parametrize(("spec", "dtype"), HALVES, ids=[f"{spec.name}-{dtype}" for spec, dtype in HALVES])
def test_reproducible(request, target, spec, dtype):
    with target.in_force() as device, accel.config(numerics="reproducible"):
        row = conform.one(spec, dtype, device, examples(request, target.examples))
    assert row.status in ("pass", "decomposition"), f"{row.status}: {row.detail}"


def test_contract(target):
    with target.in_force() as device:
        for row in conform.contract_rows(device):
            assert row.status == "pass", f"{row.op}: {row.detail}"

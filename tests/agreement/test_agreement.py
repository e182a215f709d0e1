"""Every op, dtype and device: the canonical bits, and the error bound around the exact answer, on examples of the op's
own spec."""

from __future__ import annotations

import pytest

from accel.dtypes import BFLOAT16, FLOAT16, FLOAT32
from accel.registry import PRIMITIVES
from accel.scalar import FUNCTIONS
from accel.testing import conform

CASES = conform.cases()

WIDELY, ELSEWHERE = ("cpu-avx512", "cpu-avx2", "gpu"), ("cpu-baseline", "cpu-neon", "intel", "interpreter")
"""Targets that run composed ops in all dtypes, and in float32, without --deep; their kernels are those of the
primitives, which every target runs."""

ALIKE = ("cumulative_prod", "cumulative_max", "cumulative_min", "logcumsumexp", "put_along_axis", "index_add")
"""Ops whose kernels are those of `cumulative_sum` with another operation, or those of `scatter` around others: they run
as composed ones do."""


def with_deep_only(target, spec, dtype) -> bool:
    """Whether what an example would show is shown by others already: ops of the kernels of others, scalar functions of
    16-bit floats, which are those of float32 between casts that every program has, and scatter in most dtypes."""
    if target.name in WIDELY:
        return False
    if (spec.decompose is not None and spec.name not in PRIMITIVES) or spec.name in ALIKE:
        return target.name not in ELSEWHERE or dtype is not (FLOAT32 if FLOAT32 in spec.dtypes else spec.dtypes[0])
    if spec.name == "scatter" and target.name.startswith("emulated"):
        return dtype.name not in ("float32", "int16")  # compiled anew for every element that is added
    return spec.name in FUNCTIONS and dtype in (FLOAT16, BFLOAT16) and spec.name not in CASTING


CASTING = ("add", "multiply", "exp", "where", "nextafter")
"""Scalar functions that are run in 16 bits everywhere."""


def edges(request: pytest.FixtureRequest, target, device) -> int | None:
    """Elements of the largest edge examples."""
    return conform.largest(device) if request.config.getoption("--deep") else target.edges


@pytest.mark.parametrize(("spec", "dtype"), CASES, ids=[f"{spec.name}-{dtype}" for spec, dtype in CASES])
def test_op(request, target, spec, dtype):
    deep = request.config.getoption("--deep")
    if not deep and with_deep_only(target, spec, dtype):
        pytest.skip("this op runs in this dtype on this device with --deep")
    with target.in_force() as device:
        known = conform.known_failures(device.backend).get((spec.name, dtype.name))
        row = conform.one(spec, dtype, device, 100 if deep else target.examples, known, edges(request, target, device))
    print(f"largest error / bound: {row.error:.3g}")
    assert row.status in ("pass", "compiled", "decomposition", "known"), f"{row.status}: {row.detail}"


def test_contract(target):
    with target.in_force() as device:
        for row in conform.contract_rows(device):
            assert row.status == "pass", f"{row.op}: {row.detail}"

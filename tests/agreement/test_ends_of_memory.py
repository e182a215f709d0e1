"""No kernel reads or writes past the end of an operand, a result or scratch: a page lies behind each that nobody may
touch, and what touches it ends the process (tests/fixtures/guard_pages.py)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pytest
from guard_pages import guarded_device

import accel
from accel.dtypes import FLOAT16, DType
from accel.ops.spec import OpSpec
from accel.registry import PRIMITIVES
from accel.testing import compare, conform

POINTWISE = ("add", "astype", "exp", "frexp", "where")
"""Of the pointwise ops, whose kernels are one."""

COMPOSED = ("int8_linear", "layer_norm", "linear", "packed_linear", "quantized_matmul", "grouped_matmul", "softmax")
"""Of the composed ops, those whose kernels read as no primitive's do."""

DTYPES = ("float32", "float16", "int8")
COMPILED = ("attention", "grouped_matmul", "matmul", "quantized_matmul", "searchsorted", "sum", "take")
"""What OpenCL devices run without --deep, where each kernel is compiled, of 16-bit floats (else of their first dtype),
which some kernels read in vectors where they read others one by one."""

PRODUCTS = ("grouped_matmul", "quantized_matmul")
"""Which read in blocks only what is longer than the small examples."""

CASES = [
    (spec, dtype)
    for spec, dtype in conform.cases(dtypes=DTYPES)
    if (spec.name in (*POINTWISE, *COMPOSED) or (spec.primitive in PRIMITIVES and spec.primitive != "pointwise"))
]


def is_compiled(spec: OpSpec, dtype: DType) -> bool:
    wanted = FLOAT16 if FLOAT16 in spec.dtypes else spec.dtypes[0]
    return spec.name in COMPILED and dtype is wanted


def parameters(deep: bool) -> list[Any]:
    found = [("cpu", *case) for case in CASES if deep or not case[0].name.endswith("_pairs")]  # long in NumPy
    found += [("opencl:intel", *case) for case in CASES if deep or is_compiled(*case)]
    found += [("opencl:pocl", *case) for case in CASES if deep]
    return [pytest.param(*row, id=f"{row[0]}-{row[1].name}-{row[2]}") for row in found]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "spec" in metafunc.fixturenames:
        metafunc.parametrize(("name", "spec", "dtype"), parameters(metafunc.config.getoption("--deep")))


@lru_cache
def device_of(name: str) -> accel.Device | str:
    """The device, or why there is none."""
    try:
        return guarded_device(name)
    except accel.AccelError as error:
        return str(error)


def test_ends(request, name, spec, dtype, monkeypatch):
    device = device_of(name)
    if isinstance(device, str):
        pytest.skip(f"{name} cannot be had: {device}")
    monkeypatch.setattr(compare, "GUARD", 0)  # bytes that belong to operands, before and behind their elements
    deep = request.config.getoption("--deep")
    known = conform.known_failures(device.backend).get((spec.name, dtype.name))
    row = conform.one(
        spec, dtype, device, 20 if deep else 2, known, 20_000 if deep else 5_000 if spec.name in PRODUCTS else 300
    )
    assert row.status in ("pass", "compiled", "decomposition", "known"), f"{row.status}: {row.detail}"

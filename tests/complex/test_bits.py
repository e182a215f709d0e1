"""Complex ops on every device: the bits of their rules on the canonical real algorithms."""

from __future__ import annotations

import numpy as np
import pytest

import accel
from accel.graph.interpret import canonical

UNARY = (
    *("abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "conj", "cos", "cosh", "exp", "expm1", "isfinite"),
    *("log", "log10", "log1p", "log2", "negative", "reciprocal", "round", "sign", "sin", "sinh", "sqrt", "square"),
    *("tan", "tanh", "sum", "prod", "mean", "all", "any"),
)
CALLS = {
    **{name: (lambda x, y, r, name=name: getattr(accel, name)(x)) for name in UNARY},
    "add": lambda x, y, r: accel.add(x, y),
    "add a real": lambda x, y, r: accel.add(r, x),
    "multiply": lambda x, y, r: accel.multiply(x, y),
    "multiply by a real": lambda x, y, r: accel.multiply(x, r),
    "divide": lambda x, y, r: accel.divide(x, y),
    "divide a real": lambda x, y, r: accel.divide(r, y),
    "equal": lambda x, y, r: accel.equal(x, y),
    "pow": lambda x, y, r: accel.pow(x, y),
    "where": lambda x, y, r: accel.where(accel.greater(r, 0.0), x, y),
    "matmul": lambda x, y, r: accel.matmul(x, accel.matrix_transpose(y)),
    "matmul with a real": lambda x, y, r: accel.matmul(r, accel.matrix_transpose(y)),
    "sum of rows": lambda x, y, r: accel.sum(x, axis=1),
    "cumulative_sum": lambda x, y, r: accel.cumulative_sum(y, axis=0),
    "cumulative_prod": lambda x, y, r: accel.cumulative_prod(y, axis=1, include_initial=True),
    "concat": lambda x, y, r: accel.concat([x, accel.flip(y)], axis=1),
    "roll": lambda x, y, r: accel.roll(x, 2, axis=1),
    "astype": lambda x, y, r: accel.astype(r, x.dtype),
    "vecdot": lambda x, y, r: accel.vecdot(x, y),
}
FEW = ("add", "multiply", "divide", "exp", "log", "sqrt", "matmul", "sum", "roll")
FEWEST = ("multiply", "exp", "matmul", "roll")
"""What runs without --deep on devices that compile, and on those that are emulated: the real kernels are the same."""


def operands(dtype) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(5)
    x, y = ((rng.standard_normal((5, 9)) + 1j * rng.standard_normal((5, 9))).astype(dtype) for _ in range(2))
    x[0, :5] = [0, complex("inf"), complex("nan"), -1, complex(-0.0, -0.0)]
    y[1] = x[1]
    return x, y, rng.standard_normal((5, 9)).astype(x.real.dtype)


def equal_bits(x: np.ndarray, y: np.ndarray) -> bool:
    """Whether arrays have the same parts, of which any NaN is like any other."""
    words = [np.ascontiguousarray(v).view(v.real.dtype) for v in (x, y)]
    for each in words:
        if each.dtype.kind == "f":
            each[np.isnan(each)] = np.nan
    return x.dtype == y.dtype and x.shape == y.shape and words[0].tobytes() == words[1].tobytes()


@pytest.mark.parametrize("fusion", ["on", "off"])
@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_bits(request, target, dtype, fusion):
    deep, on_cpu = request.config.getoption("--deep"), target.name.startswith("cpu")
    if not deep and (fusion == "off" or dtype is np.complex128) and target.name not in ("cpu-avx512", "cpu-avx2"):
        pytest.skip("this runs on this device with --deep")
    names = CALLS if deep or on_cpu else FEWEST if target.name.startswith("emulated") else FEW
    with target.in_force() as device:
        given = operands(dtype)
        arrays = [accel.asarray(x, device=device) for x in given]
        for name in names:
            if device.missing("float64") and dtype is np.complex128:
                continue
            want = canonical(CALLS[name], *given)
            with accel.config(fusion=fusion):
                got = np.asarray(CALLS[name](*arrays).to_device("cpu"))
            assert equal_bits(got, np.asarray(want)), name


def test_other_bits_are_seen():
    x, y, r = operands(np.complex64)
    want = np.asarray(canonical(CALLS["multiply"], x, y, r))
    assert equal_bits(want, want.copy())
    fused = (x.astype(np.complex128) * y.astype(np.complex128)).astype(np.complex64)  # rounded once
    assert not equal_bits(fused, want)
    assert not equal_bits(np.array([0j]), np.array([complex(-0.0, 0.0)]))

"""Which functions take complex numbers, and the dtypes of their results: as array-api-strict has them."""

from __future__ import annotations

import warnings
from typing import Any

import array_api_strict as strict
import numpy as np
import pytest

import accel

UNARY = (
    *("abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "conj", "cos", "cosh", "exp", "expm1"),
    *("floor", "imag", "isfinite", "isinf", "isnan", "log", "log10", "log1p", "log2", "logical_not", "negative"),
    *("positive", "real", "reciprocal", "round", "sign", "signbit", "sin", "sinh", "sqrt", "square", "tan", "tanh"),
    *("trunc", "max", "min", "sum", "prod", "mean", "std", "var", "any", "all", "argmax", "argmin", "sort", "argsort"),
    *("cumulative_sum", "cumulative_prod"),
)
BINARY = (
    *("add", "subtract", "multiply", "divide", "pow", "equal", "not_equal", "less", "greater_equal", "maximum"),
    *("minimum", "atan2", "copysign", "hypot", "logaddexp", "nextafter", "remainder", "floor_divide", "bitwise_and"),
    *("logical_or", "matmul", "vecdot"),
)
DTYPES = ("float32", "float64", "complex64", "complex128")


def outcome(namespace: Any, name: str, *dtypes: str) -> str:
    """The dtype of a function's result, or that it refuses its operands."""
    function = getattr(namespace, name)
    operands = [namespace.asarray(np.array([0.25, 0.5]).astype(dtype)) for dtype in dtypes]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            result = function(*operands)
        except (TypeError, accel.DtypeError):
            return "refused"
    return str(result.dtype).rpartition(".")[2]


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with accel.config(device="cpu"):
        yield


@pytest.mark.parametrize("name", UNARY)
def test_one_operand(name):
    for dtype in DTYPES:
        if name == "imag" and dtype.startswith("float"):
            continue
        assert outcome(accel, name, dtype) == outcome(strict, name, dtype), dtype


@pytest.mark.parametrize("name", BINARY)
def test_two_operands(name):
    for first in DTYPES:
        for second in DTYPES:
            assert outcome(accel, name, first, second) == outcome(strict, name, first, second), (first, second)


def test_refusals_and_dtypes_are_seen():
    assert outcome(accel, "floor", "complex64") == "refused"
    assert outcome(accel, "exp", "complex64") == "complex64"
    assert outcome(accel, "abs", "complex128") == "float64"


def test_promotion():
    for first in (*DTYPES, "bool", "int8", "uint64"):
        for second in DTYPES:
            a, b = getattr(strict, first), getattr(strict, second)
            try:
                want = str(strict.result_type(a, b)).rpartition(".")[2]
            except TypeError:  # the standard leaves integers beside floats open
                continue
            assert accel.result_type(getattr(accel, first), getattr(accel, second)).name == want
            assert accel.can_cast(first, second) == strict.can_cast(a, b)

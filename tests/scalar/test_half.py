"""float16 and bfloat16: computed in float32 and rounded once, for all 65,536 values of every unary function."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from scalar_reference import round_to
from scalar_samples import NUMPY, UNARY_FLOAT, differences, random

from accel.scalar import FUNCTIONS, program_for
from accel.scalar.evaluate import evaluate

HALVES = ("float16", "bfloat16")
FRACTION = {"float16": (10, -14, 15), "bfloat16": (7, -126, 127)}


def every(dtype: str) -> np.ndarray:
    return np.arange(1 << 16, dtype=np.uint16).view(NUMPY[dtype])


def unit(values: np.ndarray, dtype: str) -> np.ndarray:
    """Units in the last place around float64 values."""
    fraction, lowest, highest = FRACTION[dtype]
    with np.errstate(all="ignore"):
        exponent = np.clip(np.frexp(values)[1] - 1, lowest, highest)
    return np.ldexp(1.0, exponent - fraction)


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("name", UNARY_FLOAT)
def test_rounds_the_float32_result_once(name: str, dtype: str) -> None:
    """The result is NumPy's or ml_dtypes' rounding of the float32 result, and within the bound of the exact one."""
    x = every(dtype)
    got = evaluate(program_for(name, (dtype,)), x)
    single = evaluate(program_for(name, ("float32",)), x.astype(np.float32))
    if FUNCTIONS[name].result == "bool":
        assert not differences(got, single, x)
        return
    with np.errstate(all="ignore"):
        assert not differences(got, single.astype(NUMPY[dtype]), x)
        exact = evaluate(program_for(name, ("float64",)), x.astype(np.float64))  # accurate to 2**-40 of these units
        end = 2.0 ** (FRACTION[dtype][2] + 1)
        error = np.abs(np.clip(got.astype(np.float64), -end, end) - np.clip(exact, -end, end)) / unit(exact, dtype)
        own = unit(np.maximum(np.abs(exact), FUNCTIONS[name].least), dtype) / unit(exact, dtype)  # 1 but near zeros
    at = np.isfinite(exact)
    bound = 0.5 + FUNCTIONS[name].ulp[0] * 2.0 ** (FRACTION[dtype][0] - 23) * own[at] + 2.0**-30
    print(f"{name} {dtype}: worst {error[at].max():.4f} ULP, {(error[at] / bound).max():.4f} of the bound")
    assert (error[at] <= bound).all()
    assert np.array_equal(np.isnan(got), np.isnan(exact))


@pytest.mark.parametrize("dtype", HALVES)
def test_widening_is_exact(dtype: str) -> None:
    x = every(dtype)
    assert not differences(evaluate(program_for("cast", (dtype,), "float32"), x), x.astype(np.float32), x)


@pytest.mark.parametrize("dtype", HALVES)
def test_narrowing_rounds_half_to_even(dtype: str) -> None:
    """Every value, every midpoint of neighbours, and the float32s beside both; and random bits."""
    finite = every(dtype).astype(np.float32)
    values = np.unique(finite[np.isfinite(finite)].astype(np.float64))
    middles = (values[1:] + values[:-1]) / 2
    bits = np.concatenate([values, middles]).astype(np.float32).view(np.int32)
    x = np.concatenate([(bits + d).view(np.float32) for d in (-1, 0, 1)] + [random("float32", 100_000)])
    got = evaluate(program_for("cast", ("float32",), dtype), x)
    with np.errstate(all="ignore"):
        assert not differences(got, x.astype(NUMPY[dtype]), x)
    some = np.flatnonzero(np.isfinite(x) & (x != 0))[::97]
    exact = np.array([round_to(Fraction(float(v)), dtype) for v in x[some]]).astype(NUMPY[dtype])
    assert not differences(got[some], exact, x[some])


def test_two_roundings_would_be_seen() -> None:
    """The control: rounding to float16 through bfloat16 changes results."""
    x = random("float32", 10_000)
    with np.errstate(all="ignore"):
        twice = x.astype(NUMPY["bfloat16"]).astype(np.float16)
    assert differences(evaluate(program_for("cast", ("float32",), "float16"), x), twice, x)

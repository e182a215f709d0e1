"""Casts between all dtypes against exact rational arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
from scalar_reference import round_to
from scalar_samples import NUMPY, differences, random, special

from accel.scalar import Program, Step, program_for
from accel.scalar.convert import DTYPES
from accel.scalar.evaluate import evaluate
from accel.scalar.expr import INTEGERS, limits

FLOATS = ("float16", "bfloat16", "float32", "float64")


def cast_of(value: object, source: str, target: str) -> object:
    """The result that the casts' rules give for one Python value of the source dtype."""
    if target == "bool":
        return value != 0
    if source in FLOATS and (math.isnan(value) or math.isinf(value) or value == 0):
        if target in FLOATS:
            return value
        low, high = limits(target)
        return 0 if math.isnan(value) or value == 0 else (high if value > 0 else low)
    if target in FLOATS:
        return round_to(Fraction(value), target)
    low, high = limits(target)
    if source in FLOATS:
        return min(max(math.trunc(value), low), high)
    return (int(value) - low) % (high - low + 1) + low


def samples(source: str) -> np.ndarray:
    """Special and random values; for wide integers and float64 also the neighbours of midpoints of narrower floats."""
    values = [special(source), random(source, 700)]
    if source in ("int64", "uint64", "int32", "uint32"):
        width = 63 if "64" in source else 31
        near = [
            ((1 << 8) + 2 * k + 1 << shift) + d for k in (0, 1, 60) for shift in range(width - 9) for d in (-1, 0, 1)
        ]
        near += [
            ((1 << 24) + 2 * k + 1 << shift) + d for k in (0, 1) for shift in range(width - 25) for d in (-1, 0, 1)
        ]
        values.append(np.array(near, source))
    if source == "float64":
        near = [
            m * s
            for m in (1 + 2.0**-8, 1 + 2.0**-7 * 3 / 2, 1 + 2.0**-11, 1 + 2.0**-24)
            for s in (1, 2.0**-20, 2.0**-130, 1e4)
        ]
        near = np.array(near)
        values += [near, np.nextafter(near, 0), np.nextafter(near, np.inf), -near]
    if source in FLOATS:
        with np.errstate(all="ignore"):
            edges = [float(limits(t)[k]) + d for t in INTEGERS for k in (0, 1) for d in (-1, -0.5, 0, 0.5, 1)]
            values.append(np.array(edges).astype(NUMPY[source]))
    return np.concatenate(values)


@pytest.mark.parametrize("source", DTYPES)
@pytest.mark.parametrize("target", DTYPES)
def test_cast(source: str, target: str) -> None:
    values = samples(source)
    got = evaluate(program_for("cast", (source,), target), values)
    assert got.dtype == NUMPY[target]
    expected = [cast_of(v, source, target) for v in values.tolist()]
    with np.errstate(all="ignore"):  # values are of the target dtype already
        exact = (
            np.array(expected, np.float64).astype(NUMPY[target])
            if target in FLOATS
            else np.array(expected, NUMPY[target])
        )
    assert not differences(got, exact, values)


def test_twice_rounded_would_be_seen() -> None:
    """The control: the samples tell one rounding from two for the casts that could round twice."""
    for source, target in (
        ("int64", "bfloat16"),
        ("uint32", "bfloat16"),
        ("float64", "float16"),
        ("float64", "bfloat16"),
    ):
        values = samples(source)
        with np.errstate(all="ignore"):
            twice = values.astype(np.float32).astype(NUMPY[target])
        assert differences(evaluate(program_for("cast", (source,), target), values), twice, values), (source, target)


def test_cast_to_the_same_dtype_is_the_identity() -> None:
    values = special("bfloat16")
    program = Program(("bfloat16",), (Step("cast", "bfloat16", (0,)),), "bfloat16")
    assert values.dtype == ml_dtypes.bfloat16
    assert np.array_equal(evaluate(program, values).view(np.uint16), values.view(np.uint16))

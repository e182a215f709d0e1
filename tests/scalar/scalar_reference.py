"""Exact values of scalar functions by mpmath, and errors in units in the last place."""

from __future__ import annotations

import math
from fractions import Fraction

import ml_dtypes
import mpmath
import numpy as np
from mpmath import mp
from scalar_samples import NUMPY

from accel.scalar import FUNCTIONS

# Bits of working precision: enough for the cancellations of the definitions; a floor of a quotient needs all its bits.
PRECISION = 160
LONG = {"fmod": 2400, "remainder": 2400, "floor_divide": 2400}


def exact(name: str, *x: float) -> mpmath.mpf:
    """The function of finite floats, to PRECISION bits."""
    with mpmath.workprec(LONG.get(name, PRECISION)):
        return +mpmath.mpf(FUNCTIONS[name].reference(mp, *(mpmath.mpf(v) for v in x)))


def unit(value: mpmath.mpf, dtype: str) -> mpmath.mpf:
    """The distance of the floats around a value; beyond the largest, that below it."""
    info = ml_dtypes.finfo(NUMPY[dtype])
    lowest = int(np.log2(float(info.smallest_normal))) if dtype != "float64" else -1022
    highest = {"float16": 15, "float64": 1023}.get(dtype, 127)
    exponent = mpmath.frexp(value)[1] - 1 if value else lowest
    return mpmath.ldexp(1, min(max(exponent, lowest), highest) - info.nmant)


def error(got: float, value: mpmath.mpf, dtype: str, least: float = 0.0) -> float:
    """|got - value| in units in the last place, at least that of `least`; an infinite got counts as the float after the
    largest."""
    if np.isnan(got):
        return float("inf")
    end = mpmath.ldexp(1, {"float16": 16, "float64": 1024}.get(dtype, 128))
    with mpmath.workprec(2400):
        number = mpmath.sign(got) * end if np.isinf(got) else mpmath.mpf(float(got))
        limited = min(max(value, -end), end)
        return float(abs(number - limited) / unit(max(abs(limited), least), dtype))


def worst_error(name: str, dtype: str, got: np.ndarray, *arrays: np.ndarray) -> tuple[float, list[float]]:
    """The largest error over elements with finite arguments and an exact value, and the arguments there."""
    worst, where = -1.0, []
    for result, *x in zip(got.tolist(), *(a.tolist() for a in arrays), strict=True):
        if not np.isfinite(x).all():
            continue
        try:
            value = exact(name, *x)
        except (ZeroDivisionError, ValueError, TypeError):  # a pole, or not a real number: special values, tested apart
            continue
        if not mpmath.isfinite(value):
            continue
        found = error(result, value, dtype, FUNCTIONS[name].least)
        if found > worst:
            worst, where = found, x
    return worst, where


def round_to(value: Fraction, dtype: str) -> float:
    """A rational rounded once to a float dtype, half to even."""
    largest = {"float16": 15, "float64": 1023}.get(dtype, 127)
    fraction, lowest = {"float16": (10, -14), "bfloat16": (7, -126), "float32": (23, -126), "float64": (52, -1022)}[
        dtype
    ]
    if value == 0:
        return 0.0
    exponent = abs(value.numerator).bit_length() - value.denominator.bit_length()
    if abs(value) < Fraction(2) ** exponent:
        exponent -= 1
    step = Fraction(2) ** (max(exponent, lowest) - fraction)
    rounded = round(value / step) * step  # Python rounds half to even
    if abs(rounded) >= Fraction(2) ** (largest + 1):
        return float("inf") if value > 0 else float("-inf")
    return math.copysign(float(rounded), value)

"""Exact IEEE 754 binary32 and binary64 arithmetic on NumPy arrays: error-free transformations and fma.

NumPy has no fused multiply-add. ``fma32`` and ``fma64`` are the C library's, element by element: one rounding (to
nearest, ties to even) for every input, subnormal, infinite and NaN included; NaN payloads and signs are the host's.
They raise no floating-point warnings. The tests hold them against rational numbers, and against an emulation. Nothing
of accel but ``_core`` is imported here.

Sources: D. E. Knuth, The Art of Computer Programming, 4.2.2 (``two_sum``); S. Boldo and G. Melquiond, "Emulation of a
FMA and correctly rounded sums: proved algorithms using rounding to odd", 2008 (``odd_sum``).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _core

Float = npt.NDArray[np.floating]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

SIGNED = {np.dtype(np.float32): np.dtype(np.int32), np.dtype(np.float64): np.dtype(np.int64)}


def two_sum(a: Float, b: Float) -> tuple[Float, Float]:
    """Rounded sum of two arrays of one float dtype, and its exact error (NaN if the sum is not finite)."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def odd_sum(a: Float, b: Float) -> Float:
    """a + b of one float dtype, rounded to odd: an inexact sum becomes the neighbour whose last bit is 1.

    Rounding the result again, to any format with at least two bits less precision, gives what rounding the exact sum
    would. A sum that overflows is infinite.
    """
    s, err = two_sum(a, b)
    bits = s.view(SIGNED[s.dtype])
    inexact = (np.abs(err) > 0) & (bits & 1 == 0)
    if inexact.any():
        # The bit pattern grows with the magnitude, so an error of the sum's sign adds 1 and the other subtracts 1.
        s = (bits + inexact * np.where((err > 0) == (s > 0), 1, -1)).astype(bits.dtype).view(s.dtype)
    return s


def fma32(a: Float32, b: Float32, c: Float32) -> Float32:
    """a * b + c of float32 arrays (broadcast together), rounded once."""
    return _fused(_core.fma32, np.float32, a, b, c)


def fma64(a: Float64, b: Float64, c: Float64) -> Float64:
    """a * b + c of float64 arrays (broadcast together), rounded once."""
    return _fused(_core.fma64, np.float64, a, b, c)


def _fused(fma: Callable[..., Any], dtype: type, *values: Float) -> Float:
    arrays = [np.asarray(v) for v in values]
    for array in arrays:
        if array.dtype != dtype:
            raise TypeError(f"{fma.__name__} takes {np.dtype(dtype)} arrays, not {array.dtype}")
    np.broadcast(*arrays)  # raises where the shapes do not go together
    result: Float = np.asarray(fma(*arrays), dtype)[()]
    return result

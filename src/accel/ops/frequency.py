"""Sample frequencies of Fourier transforms, and the order in which they stand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .._core import FloatEnvironment
from ..arguments import integer, integers, real
from ..array import Array
from ..backends.base import Device
from ..conversion import cast_on_host, from_blocks
from ..creation import device_of
from ..dtypes import FLOAT32, as_dtype
from ..errors import ArgumentError, DtypeError
from .composed.movement import roll
from .primitive.reduce import normalize_axes
from .views import viewed


def _frequencies(op: str, n: Any, d: Any, dtype: Any, device: str | Device | None, negative: bool) -> Array:
    """k / (d n), the product and the quotient in float64, rounded to the dtype; k counts up from 0, and where there are
    negative frequencies these are its second half, up to -1."""
    count, spacing = integer(op, "n", n), real(op, "d", d)
    if count < 1:
        raise ArgumentError(f"{op}: n: expected at least one sample, got {count}")
    if spacing == 0 or not math.isfinite(spacing):
        raise ArgumentError(f"{op}: d: expected a finite number other than 0, got {d}")
    wanted = FLOAT32 if dtype is None else as_dtype(dtype, f"{op}: dtype")
    if wanted.kind != "f":
        raise DtypeError(f"{op}: dtype: expected a floating dtype, got {wanted}")
    with FloatEnvironment():
        span = spacing * count

    def block(i: int, j: int) -> np.ndarray:
        k = np.arange(i, j)
        if negative:
            k = np.where(k < (count + 1) // 2, k, k - count)
        with FloatEnvironment():
            return cast_on_host(k / span, wanted)

    return from_blocks(count if negative else count // 2 + 1, wanted, device_of(device), block)


def fftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: str | Device | None = None) -> Array:
    """Frequencies of the elements of `fft`'s result, in cycles for each unit of the sample spacing d: 0, 1, … and then
    the negative ones up to -1, each divided by d n (in float64, rounded once).

    n: samples, at least 1. dtype: floating, by default float32. Raises ArgumentError, DtypeError, DeviceError.
    """
    return _frequencies("fftfreq", n, d, dtype, device, True)


def rfftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: str | Device | None = None) -> Array:
    """Frequencies of the elements of `rfft`'s result: 0 to n // 2, each divided by d n (in float64, rounded once).

    n: samples, at least 1. dtype: floating, by default float32. Raises ArgumentError, DtypeError, DeviceError.
    """
    return _frequencies("rfftfreq", n, d, dtype, device, False)


def fftshift(x: Any, /, *, axes: int | tuple[int, ...] | None = None) -> Any:
    """Elements moved so that frequency 0, the first along each of the axes, comes to the middle, place n // 2.

    axes: all of them by default. Raises AxisError, ArgumentError.
    """
    return _shifted("fftshift", x, axes, 1)


def ifftshift(x: Any, /, *, axes: int | tuple[int, ...] | None = None) -> Any:
    """Elements moved back to where they were before `fftshift`.

    axes: all of them by default. Raises AxisError, ArgumentError.
    """
    return _shifted("ifftshift", x, axes, -1)


def _shifted(op: str, x: Any, axes: Any, direction: int) -> Any:
    array, _ = viewed(op, x)
    along = normalize_axes(op, None if axes is None else integers(op, "axes", axes), array.ndim)
    by = tuple(direction * (array.shape[axis] // 2) for axis in along)
    return roll(x, by, axis=along) if along else roll(x, 0)

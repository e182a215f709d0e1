"""Fourier transforms by NumPy's, in more digits than the operands have (float64's only where the platform has a wider
format and NumPy 2 is there), and bounds on the errors of accel's."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import log2, sqrt
from typing import Any

import numpy as np

from ...dtypes import DType, as_dtype
from .. import bounds
from .exact_precision import wide

Parts = tuple[np.ndarray, np.ndarray]


def examples(name: str, dtype: DType) -> Any:
    """Those of an op."""
    from ...testing import fourier_family

    return fourier_family.FAMILIES[name](dtype)


def samples(name: str) -> Callable[[DType], Any]:
    """What an op's spec is given for its examples."""
    return partial(examples, name)


def _parts(x: np.ndarray) -> Parts:
    return x.real, x.imag


def _complex(re: np.ndarray, im: np.ndarray) -> np.ndarray:
    made = np.empty(re.shape, np.result_type(wide(re), np.complex64))
    made.real, made.imag = re, im
    return made


def fourier(re: np.ndarray, im: np.ndarray, axis: int = -1, inverse: bool = False, scale: float = 1.0) -> Parts:
    """Both parts."""
    x = _complex(re, im)
    if not x.size:
        return _parts(x)
    found = np.fft.ifft(x, axis=axis, norm="forward") if inverse else np.fft.fft(x, axis=axis)
    return _parts(found * _factor(re, scale))


def fourier_of_reals(x: np.ndarray, axis: int = -1, scale: float = 1.0) -> Parts:
    """Both parts."""
    shape = list(x.shape)
    shape[axis] = shape[axis] // 2 + 1
    found = np.fft.rfft(wide(x), axis=axis) if x.size else np.empty(shape, np.complex128)
    return _parts(found * _factor(x, scale))


def reals_of_fourier(re: np.ndarray, im: np.ndarray, n: int, axis: int = -1, scale: float = 1.0) -> np.ndarray:
    """NumPy's, where the imaginary parts that count as 0 are 0."""
    x = np.moveaxis(_complex(re, im), axis, -1)
    x.imag[..., 0] = 0
    if n % 2 == 0:
        x.imag[..., n // 2] = 0
    found = np.fft.irfft(x, n, norm="forward") if x.size else np.empty((*x.shape[:-1], n))
    return np.moveaxis(found, -1, axis) * _factor(re, scale)


def _factor(x: np.ndarray, scale: float) -> Any:
    """A factor as it is rounded beside an array."""
    return x.dtype.type(scale).astype(wide(x).dtype)


def bound(reference: Any, *operands: np.ndarray, **keywords: Any) -> Any:
    """For every element of a result the bound on the 2-norm of all along the axis: eta u sqrt(n) |x|, where each stage
    adds to eta what its sums and products lose."""
    several = isinstance(reference, tuple)
    axis, scale = keywords.get("axis", -1), abs(keywords.get("scale", 1.0))
    exact = reference if several else (reference,)
    n = keywords.get("n") or operands[0].shape[axis]
    x = [wide(part) for part in operands]
    dtype = as_dtype(operands[0].dtype)
    size = np.sqrt(sum(np.square(part).sum(axis=axis, keepdims=True) for part in x))
    size = size * (2 if not several else 1)  # of which the half that is not given is the mirrored one
    absolute = eta(n) * bounds.product_roundoff(dtype) * sqrt(n) * size + 16 * n * bounds.smallest(dtype)
    # what is multiplied by the factor last, or by a chirp of which some are small first, may be larger before
    reached = size * sqrt(n) * n * 8 * max(1.0, scale)
    safe = np.isfinite(size) & (reached < bounds.largest(dtype))
    each = np.where(safe, (absolute * scale + bounds.smallest(dtype)).astype(np.float64), np.inf)
    found = tuple(np.broadcast_to(each, part.shape) for part in exact)
    return found if several else found[0]


def eta(n: int) -> float:
    """Units of rounding that a transform of n points loses at most, in norm: of a butterfly of 2^a points a sums, three
    for a constant and a twiddle factor; of others as many as a sum of r products in any order; of a convolution three
    transforms, each times the largest quotient of the chirp's spectrum by its mean, and the chirps."""
    from .transform import convolution_length, factors

    order = factors(n)
    if order is None:
        return 9 * eta(convolution_length(n)) + 64
    return 16 + sum(log2(r) + 6 if r in (2, 4, 8) else (r + 6) * sqrt(r) for r in order)

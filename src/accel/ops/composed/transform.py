"""The discrete Fourier transform of pairs of real arrays, re and im: X_k = sum of x_j exp(-2 pi i jk / n) over j.

A length is a product of factors, each of which is one stage: Stockham's autosorting form of the Cooley-Tukey algorithm
(Cochran et al. 1967), decimation in frequency. The order of the factors is fixed (`factors`), every stage is scalar
programs or products of matrices, and tables are rounded once, so a result has the same bits everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod

import numpy as np

from ... import dispatch
from ...array import Array
from ...backends.base import Device
from ...composition import recorded_by
from ...conversion import constant, from_numpy, on_host, table
from ...devices import device as device_named
from ...dtypes import DType
from ..pieces import filled, joined
from ..primitive.matmul import matmul
from ..primitive.pointwise import PROGRAM
from ..views import permute_dims, reshape
from .butterfly import RADICES, butterfly, constants, turned
from .roots_of_unity import roots

Parts = tuple[Array, Array]
"""A complex array: its real and its imaginary parts, of one shape."""

LARGEST = 100
"""Largest prime factor that is a product with a matrix; of lengths with a larger one all is a convolution."""


@lru_cache(maxsize=1024)
def factors(n: int) -> tuple[int, ...] | None:
    """The factors of a length in the order of their stages: as many 8 as leave no single 2 behind a pair of them, 4, 2,
    then odd primes, ascending. None where a prime is above LARGEST."""
    twos = (n & -n).bit_length() - 1
    eights, left = divmod(twos, 3)
    if left == 1 and eights:  # 4 4 for 8 2
        eights, left = eights - 1, 4
    found = [8] * eights + [4] * (left // 2) + [2] * (left % 2)
    rest, prime = n >> twos, 3
    while rest > 1:
        if prime > LARGEST:
            return None
        while rest % prime == 0:
            found.append(prime)
            rest //= prime
        prime += 2
    return tuple(found)


def transform(re: Array, im: Array, axis: int, inverse: bool = False, scale: float = 1.0) -> Parts:
    """The transform along an axis, not negative, of length 1 or more, times a factor. inverse: with exp(2 pi i jk / n),
    which is the transform with the parts changing places, before and after."""
    if inverse:
        im, re = transform(im, re, axis, False, scale)
        return re, im
    n = re.shape[axis]
    order = factors(n)
    if n == 1:
        return (re, im) if scale == 1.0 else (re * scale, im * scale)
    if order is None:
        return _convolved(re, im, axis, scale)
    x = tuple(part.view(_with_runs(part.shape, axis), _with_runs(part.strides, axis, 0)) for part in (re, im))
    *before, last = ((radix, _stage if radix in RADICES else _matrix_stage) for radix in order)
    for radix, stage in before:
        x = stage(x, axis, radix, 1.0)
    radix, stage = last
    return stage(x, axis, radix, scale)


# stages: of arrays with the axes (…, left, runs, …), left points of transforms that are still to be done, and runs
# points of those that are done; the last one's results have one axis in the place of both


def _with_runs(values: Sequence[int], axis: int, run: int = 1) -> tuple[int, ...]:
    return (*values[: axis + 1], run, *values[axis + 1 :])


def _stage(x: Parts, axis: int, radix: int, scale: float) -> Parts:
    """A butterfly of points that are left / radix apart, the results of which lie side by side."""
    re, _ = x
    dtype, device, left = re.dtype, re.device, re.shape[axis]
    m = left // radix
    lead, after = (slice(None),) * axis, re.ndim - axis - 1
    places = [slice(k * m, (k + 1) * m) if m > 1 else k for k in range(radix)]
    operands = [part[(*lead, place)] for place in places for part in x]
    if m > 1:
        turns = twiddles(left, radix, dtype, device)
        operands += [
            turns[part, k].view((m, *(1,) * after), (1, *(0,) * after)) for k in range(radix - 1) for part in (0, 1)
        ]
    numbers = [*constants(radix), *([scale] if scale != 1.0 else [])]
    operands += [constant(value, dtype, device) for value in numbers]
    found = dispatch.call(PROGRAM, operands, butterfly(radix, dtype.name, m > 1, scale != 1.0))
    return tuple(joined(found[part::2], axis + (m > 1)) for part in (0, 1))


def twiddles(left: int, radix: int, dtype: DType, device: Device, first: int = 1) -> Array:
    """cos and sin of 2 pi jk / left: (2, radix - first, left / radix), for k from `first` and j from 0 on."""

    def make() -> np.ndarray:
        m = left // radix
        places = np.arange(first, radix)[:, None] * np.arange(m)
        return np.stack([x[places] for x in roots(left)]).astype(dtype.numpy)

    return table(("twiddles", left, radix, first, dtype.name), make, device)


def circle(n: int, dtype: DType, device: Device) -> Array:
    """cos and sin of 2 pi k / n for k from 0 to n / 2: (2, n // 2 + 1)."""
    count = n // 2 + 1
    return table(("circle", n, dtype.name), lambda: np.stack([x[:count] for x in roots(n)]).astype(dtype.numpy), device)


def _matrix_stage(x: Parts, axis: int, radix: int, scale: float) -> Parts:
    """The same for any radix: products with the matrix of cosines, and that of sines."""
    re, _ = x
    dtype, device = re.dtype, re.device
    *lead, left, runs = re.shape[: axis + 2]
    trail, m = re.shape[axis + 2 :], re.shape[axis] // radix
    points = tuple(reshape(part, (*lead, radix, m * runs * prod(trail))) for part in x)
    (cos, sin), (a, b) = _matrices(radix, dtype, device), points
    found = matmul(cos, a) + matmul(sin, b), matmul(cos, b) - matmul(sin, a)
    if scale != 1.0:
        found = tuple(part * scale for part in found)
    order = (*range(axis), axis + 1, axis, *range(axis + 2, re.ndim + 1))
    apart = tuple(permute_dims(reshape(part, (*lead, radix, m, runs, *trail)), order) for part in found)
    if m > 1:
        turns = twiddles(left, radix, dtype, device, 0)
        shape, steps = ((m, radix, *(1,) * (len(trail) + 1)), (1, m, *(0,) * (len(trail) + 1)))
        by = [turns[part].view(shape, steps) for part in (0, 1)]
        apart = dispatch.call(PROGRAM, (*apart, *by), turned(dtype.name, True))
        apart = tuple(joined([part], axis) for part in apart)  # in row-major order
    return tuple(reshape(part, (*lead, *((m,) if m > 1 else ()), radix * runs, *trail)) for part in apart)


def _matrices(radix: int, dtype: DType, device: Device) -> Array:
    """cos and sin of 2 pi jk / radix: (2, radix, radix)."""

    def make() -> np.ndarray:
        j = np.arange(radix)
        return np.stack([x[j[:, None] * j % radix] for x in roots(radix)]).astype(dtype.numpy)

    return table(("matrices", radix, dtype.name), make, device)


# lengths with large primes


def convolution_length(n: int) -> int:
    """The length that a convolution of n points is computed with: the least of 2^a, 3 2^a and 5 2^a that is not below
    2 n - 1."""
    least = 2 * n - 1
    return min(odd << max(0, -(-least // odd) - 1).bit_length() for odd in (1, 3, 5))


def _convolved(re: Array, im: Array, axis: int, scale: float) -> Parts:
    """Bluestein's form (1970): jk = (j^2 + k^2 - (k - j)^2) / 2 makes the transform a convolution with a chirp,
    between products with the chirp."""
    n, dtype, device = re.shape[axis], re.dtype, re.device
    length = convolution_length(n)
    after = re.ndim - axis - 1

    def along(numbers: Array, part: int) -> Array:
        return numbers[part].view((numbers.shape[1], *(1,) * after), (1, *(0,) * after))

    chirp, spectrum = _chirp(n, dtype, device), _spectrum(n, dtype, device)
    turn = [along(chirp, part) for part in (0, 1)]
    x = dispatch.call(PROGRAM, (re, im, *turn), turned(dtype.name, True))
    rest = (*re.shape[:axis], length - n, *re.shape[axis + 1 :])
    x = tuple(joined([part, filled(0.0, rest, dtype, device)], axis) for part in x)
    x = transform(*x, axis)
    x = dispatch.call(PROGRAM, (*x, *(along(spectrum, part) for part in (0, 1))), turned(dtype.name, False))
    x = transform(*x, axis, True)
    kept = (*(slice(None),) * axis, slice(0, n))
    factor = [constant(scale, dtype, device)] if scale != 1.0 else []
    found: Parts = dispatch.call(
        PROGRAM, (*(part[kept] for part in x), *turn, *factor), turned(dtype.name, True, bool(factor))
    )
    return found


def _turns(n: int) -> np.ndarray:
    """cos and sin of pi j^2 / n for j below n: (2, n)."""
    squares = [j * j % (2 * n) for j in range(n)]
    return np.stack([x[squares] for x in roots(2 * n)])


def _chirp(n: int, dtype: DType, device: Device) -> Array:
    return table(("chirp", n, dtype.name), lambda: _turns(n).astype(dtype.numpy), device)


def _spectrum(n: int, dtype: DType, device: Device) -> Array:
    """The transform of the chirp that the convolution is with, over its length: computed in float64 on the CPU."""

    def make() -> np.ndarray:
        length = convolution_length(n)
        wave = np.zeros((2, length))
        wave[:, :n] = _turns(n)
        wave[:, length - n + 1 :] = wave[:, n - 1 : 0 : -1]
        return np.stack([on_host(x) for x in _at_once(wave, 1.0 / length)]).astype(dtype.numpy)

    return table(("spectrum", n, dtype.name), make, device)


def _at_once(wave: np.ndarray, scale: float) -> Parts:
    """The transform of a wave of float64, whatever records calls."""
    cpu = device_named("cpu")
    with recorded_by(None):
        return transform(*(from_numpy(part, cpu) for part in wave), 0, scale=scale)

"""Compression of a photograph: patches of 8x8 pixels, projected on their principal components, rounded to 8 bits.

The components are the leading eigenvectors of the patches' covariance, by orthogonal iteration (Golub and Van Loan,
Matrix Computations, 4th ed., 8.2.4) with modified Gram-Schmidt (ibid., 5.2.8), in matmuls and pointwise operations.
"""

from __future__ import annotations

import math
import zlib

import numpy as np

import accel
from accel import Array, Device

from . import data
from .result import Result

PATCH = 8
"""Pixels along an edge of a patch; a patch is a row of PATCH * PATCH * 3 values."""

COMPONENTS = 48
ITERATIONS = 12
STEP = 16.0
"""Coefficients are stored as whole multiples of STEP, as int8."""


def to_patches(image: Array) -> Array:
    """A uint8 image (h, w, 3) as float32 rows, one per patch; an edge that does not fill a patch is repeated."""
    height, width, channels = image.shape
    rows, columns = -(-height // PATCH), -(-width // PATCH)
    padded = accel.zeros((rows * PATCH, columns * PATCH, channels), device=image.device)
    padded[:height, :width] = accel.astype(image, accel.float32)
    padded[height:, :width] = padded[height - 1 : height, :width]
    padded[:, width:] = padded[:, width - 1 : width]
    grid = accel.reshape(padded, (rows, PATCH, columns, PATCH, channels))
    return accel.reshape(accel.permute_dims(grid, (0, 2, 1, 3, 4)), (rows * columns, PATCH * PATCH * channels))


def from_patches(patches: Array, shape: tuple[int, ...]) -> Array:
    """The image of that shape again, in the patches' dtype."""
    height, width, channels = shape
    rows, columns = -(-height // PATCH), -(-width // PATCH)
    grid = accel.reshape(patches, (rows, columns, PATCH, PATCH, channels))
    image = accel.reshape(accel.permute_dims(grid, (0, 2, 1, 3, 4)), (rows * PATCH, columns * PATCH, channels))
    return image[:height, :width]


def orthonormalise(basis: Array) -> None:
    """Modified Gram-Schmidt on the rows of basis (r, n), in place: each row, scaled, is taken out of all later ones."""
    for j in range(basis.shape[0]):
        row = basis[j]
        row = row / accel.sqrt(accel.sum(row * row))
        basis[j] = row
        later = basis[j + 1 :]
        if later.shape[0]:
            basis[j + 1 :] = later - accel.expand_dims(accel.matmul(later, row), axis=1) * row


def start(rows: int, columns: int) -> np.ndarray:
    """A fixed float32 matrix of whole numbers from -1000 to 1000 (Park and Miller's generator, 1988)."""
    state, values = 1, []
    for _ in range(rows * columns):
        state = state * 48271 % 2147483647
        values.append(state % 2001 - 1000)
    return np.array(values, np.float32).reshape(rows, columns)


def principal_components(centred: Array, count: int, iterations: int) -> Array:
    """Rows (count, n): orthonormal, spanning the directions in which the rows of centred (m, n) vary most."""
    covariance = accel.matmul(centred.T, centred)
    basis = accel.asarray(start(count, centred.shape[1]), device=centred.device, copy=True)
    for _ in range(iterations):
        basis = accel.matmul(basis, covariance)
        orthonormalise(basis)
    return basis


def compress(name: str, device: Device) -> Result:
    """The photograph after compression on a device, with its peak signal-to-noise ratio and the ratio of bytes."""
    pixels = data.photograph(name)
    image = accel.asarray(pixels, device=device)
    patches = to_patches(image)
    mean = accel.mean(patches, axis=0)
    centred = patches - mean
    basis = accel.astype(principal_components(centred, COMPONENTS, ITERATIONS), accel.float16)
    directions = accel.astype(basis, accel.float32)
    stored = accel.astype(accel.round(accel.matmul(centred, directions.T) / STEP), accel.int8)
    restored = accel.matmul(accel.astype(stored, accel.float32) * STEP, directions) + mean
    values = from_patches(accel.clip(accel.round(restored), 0.0, 255.0), pixels.shape)
    error = float(accel.mean(accel.square(values - accel.astype(image, accel.float32))))
    psnr = 10 * math.log10(255**2 / error)
    arrays = {"components": np.asarray(basis), "coefficients": np.asarray(stored), "mean": np.asarray(mean)}
    ratio = pixels.nbytes / deflated(arrays)
    return Result(
        f"{psnr:.2f} dB PSNR at {ratio:.1f}:1",
        {"psnr_db": psnr, "ratio": ratio},
        arrays | {"reconstruction": np.asarray(restored)},
        np.ascontiguousarray(accel.astype(values, accel.uint8)),
    )


def deflated(arrays: dict[str, np.ndarray]) -> int:
    """Bytes of what has to be kept, each part deflated, one component's coefficients after the other's."""
    return sum(len(zlib.compress(np.asfortranarray(x).tobytes(order="A"), 9)) for x in arrays.values())

"""Samples at places by their definition: places and weights by the op's own steps, which are a part of it, in the
dtype that they are computed in; sums exact."""

from __future__ import annotations

from itertools import product

import numpy as np

from ...dtypes import DType, as_dtype, promote
from .. import bounds
from .exact_pooling import total
from .exact_precision import wide


def _unnormalized(g: np.ndarray, n: int, padding: str, corners: bool) -> np.ndarray:
    at = (g + 1) / 2 * (n - 1) if corners else ((g + 1) * n - 1) / 2
    odd = ~np.isfinite(at) if padding == "reflection" else np.isnan(at)
    return np.where(odd, at.dtype.type(0 if corners else -0.5), at)


def _mapped(at: np.ndarray, n: int, padding: str, corners: bool) -> np.ndarray:
    """Places that the padding has, by mirror images."""
    if padding == "reflection":
        edge, period = (0.0, 2 * n - 2) if corners else (-0.5, 2 * n)
        if not period:
            return np.zeros_like(at)
        turned = np.fmod(np.abs(at - at.dtype.type(edge)), at.dtype.type(period))
        at = np.where(turned > period / 2, period - turned, turned) + at.dtype.type(edge)
    if padding != "zeros":
        at = np.clip(at, 0, n - 1)
    return at


def _axis(g: np.ndarray, n: int, mode: str, padding: str, corners: bool) -> list[tuple[np.ndarray, np.ndarray]]:
    """Places and weights of the elements along an axis; a weight of 0 is an absent one."""
    at = _unnormalized(g, n, padding, corners)
    if mode != "bicubic":
        at = _mapped(at, n, padding, corners)
    if padding != "reflection":
        at = np.clip(at, -4, n + 3)
    one = at.dtype.type(1)
    if mode == "nearest":
        found = [(np.rint(at), np.ones_like(at))]
    else:
        low = np.floor(at)
        t = at - low
        if mode == "bilinear":
            found = [(low, one - t), (low + 1, t)]
        else:
            near = [((1.25 * d - 2.25) * d * d + 1) for d in (t, np.abs(t - one))]
            far = [((-0.75 * d + 3.75) * d - 6) * d + 3 for d in (t + one, np.abs(t - one - one))]
            far[0] = np.where(t + one < 2, far[0], 0)
            far[1] = np.where(np.abs(t - one - one) < 2, far[1], 0)
            found = [(low - 1, far[0]), (low, near[0]), (low + 1, near[1]), (low + 2, far[1])]
            found = [(_mapped(p, n, padding, corners), w) for p, w in found]
    return [(np.clip(p, 0, n - 1).astype(int), np.where((p >= 0) & (p < n), w, 0)) for p, w in found]


def _dtype(input: np.ndarray, grid: np.ndarray) -> DType:
    """Of the result."""
    return promote(as_dtype(input.dtype), as_dtype(grid.dtype))


def _terms(input: np.ndarray, grid: np.ndarray, mode: str, padding_mode: str, align_corners: bool | None) -> np.ndarray:
    """Elements times weights, along a last axis of their own."""
    dtype = as_dtype(_dtype(input, grid).accumulator).numpy
    axes, x = input.ndim - 2, wide(input.astype(dtype))
    made = []
    along = [
        _axis(grid[..., axes - 1 - axis].astype(dtype), length, mode, padding_mode, bool(align_corners))
        for axis, length in enumerate(x.shape[2:])
    ]
    for chosen in product(*along):
        weight = chosen[0][1]
        for _, other in chosen[1:]:
            weight = weight * other
        elements = [image[(slice(None), *(places[b] for places, _ in chosen))] for b, image in enumerate(x)]
        taken = np.reshape(elements, (*x.shape[:2], *weight.shape[1:]))
        made.append(np.where(weight[:, None] == 0, 0, taken * weight[:, None].astype(x.dtype)))
    return np.stack(made, axis=-1)


def grid_sample(
    input: np.ndarray,
    grid: np.ndarray,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> np.ndarray:
    with np.errstate(all="ignore"):
        return total(_terms(input, grid, mode, padding_mode, align_corners))


def bound_grid_sample(
    reference: np.ndarray,
    input: np.ndarray,
    grid: np.ndarray,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> np.ndarray:
    """Of one product and the sum; none where elements that are not finite say what the sum is."""
    output = _dtype(input, grid)
    dtype = as_dtype(output.accumulator)
    with np.errstate(all="ignore"):
        terms = np.abs(_terms(input, grid, mode, padding_mode, align_corners)).astype(np.float64)
        finite, count = np.isfinite(terms), terms.shape[-1]
        size = np.where(finite, terms, 0).sum(-1)
        absolute = bounds.gamma(count + 1, bounds.unit_roundoff(dtype)) * size + count * bounds.smallest(dtype)
        absolute = np.where(size < bounds.largest(dtype) / 2, np.where(finite.all(-1), absolute, 0.0), np.inf)
    return bounds.rounded(reference, absolute, dtype, output)


def affine_grid(theta: np.ndarray, size: tuple[int, ...], align_corners: bool | None = None) -> np.ndarray:
    n, _, *lengths = size
    held, axes = (np.float64 if theta.dtype == np.float64 else np.float32), len(lengths)
    centres = []
    for length in lengths:
        i = np.arange(length)
        centres.append(2 * i / max(length - 1, 1) - (length > 1) if align_corners else (2 * i + 1) / length - 1)
    x = np.stack(np.meshgrid(*centres, indexing="ij")[::-1], axis=-1).astype(held)
    places = wide(np.concatenate([x, np.ones_like(x[..., :1])], axis=-1))
    with np.errstate(all="ignore"):
        return total(places[..., None, :] * wide(theta).reshape(n, *(1,) * axes, axes, axes + 1))

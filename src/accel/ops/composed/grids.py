"""Samples of images at places that arrays say, and the places of an affine map. The functions are torch's."""

from __future__ import annotations

from functools import partial, reduce
from itertools import product
from math import prod
from typing import Any

import numpy as np

from ...arguments import integers, switch, word
from ...array import Array
from ...conversion import table
from ...dtypes import INT64, DType, promote
from ...errors import ArgumentError, ShapeError, shown
from ..compose import Operand, composed
from ..pieces import filled
from ..primitive.gather import gathered
from ..primitive.pointwise import astype, fn
from ..views import reshape
from . import exact_grids as exact
from .pooling import by_lanes

TAPS = {"nearest": (0,), "bilinear": (0, 1), "bicubic": (-1, 0, 1, 2)}
"""By mode: the elements along an axis that a sample is made of, counted from the one at or before it."""

KEYS = -0.75
"""The constant of the cubic kernel."""


def examples(name: str, dtype: DType) -> Any:
    """Those of an op of this file."""
    from ...testing import grids_family

    return grids_family.FAMILIES[name](dtype)


@composed(reference=exact.grid_sample, bound=exact.bound_grid_sample, samples=partial(examples, "grid_sample"))
def grid_sample(
    input: Operand,
    grid: Operand,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Array:
    """Samples of images at the places of a grid (PyTorch's grid_sample).

    input: (n, channels, h, w), or (n, channels, d, h, w). grid: (n, h', w', 2), or (n, d', h', w', 3): for each sample
    its place (x, y) or (x, y, z), x along the last axis. -1 and 1 are the outermost elements where align_corners, else
    the outer edges of theirs; NaN is taken as -1. Result: (n, channels, h', w'), or (n, channels, d', h', w').
    mode: ``bilinear`` (of three axes trilinear), ``nearest`` (a tie goes to the even element), ``bicubic`` of two axes.
    padding_mode, of places outside: ``zeros``, ``border`` (the nearest element) or ``reflection`` at the outermost
    elements or their edges, which takes infinite places as -1.
    Places and weights are computed in the promoted dtype (16-bit floats: in float32). An element whose weight is 0, or
    of the padding with zeros, is absent. Raises ShapeError, DtypeError, ArgumentError.
    """
    op = "grid_sample"
    how = word(op, "mode", mode, tuple(TAPS))
    outside = word(op, "padding_mode", padding_mode, ("zeros", "border", "reflection"))
    corners = bool(switch(op, "align_corners", align_corners, none=True))
    axes = input.ndim - 2
    if axes not in (2, 3):
        raise ShapeError(f"{op}: input: expected (n, channels, …) with two or three axes behind, got {input.shape}")
    lengths = input.shape[2:]
    if 0 in lengths:
        raise ShapeError(f"{op}: input: expected at least one element along the last {axes} axes, got {input.shape}")
    if grid.ndim != input.ndim or grid.shape[0] != input.shape[0] or grid.shape[-1] != axes:
        names = "h', w'" if axes == 2 else "d', h', w'"
        raise ShapeError(f"{op}: grid: expected shape ({input.shape[0]}, {names}, {axes}), got {grid.shape}")
    if how == "bicubic" and axes == 3:
        raise ArgumentError(f"{op}: mode: 'bicubic' is of two axes behind (n, channels), got shape {input.shape}")
    dtype = promote(input.dtype, grid.dtype)
    (n, channels), out = input.shape[:2], grid.shape[1:-1]
    if not n * channels * prod(out):
        return filled(0.0, (n, channels, *out), dtype, input.device)
    x, grid = (astype(array, dtype, copy=False) for array in (input, grid))
    places, weights = [], []
    for axis, length in enumerate(lengths):
        along = (*(1,) * axis, len(TAPS[how]), *(1,) * (axes - axis - 1), n, 1, *out)
        at = _coordinate(grid[..., axes - 1 - axis], length, how, outside, corners)
        at = at.view((*(1,) * axes, n, 1, *out), (*(0,) * axes, at.strides[0], 0, *at.strides[1:]))
        offsets = _offsets(how, along, axis, at)
        place, weight = _taps(at, offsets, length, how, outside, corners)
        places.append(place)
        weights.append(weight)
    # one index array, which the channels share
    index = reduce(lambda total, its: total * its[1] + its[0], zip(places[1:], lengths[1:], strict=True), places[0])
    rows = reshape(x, (n, channels, prod(lengths)))
    taken = gathered("take", rows, [index], (axes, axes + 1, -1), [None])
    terms = {}
    for number, tap in enumerate(product(range(len(TAPS[how])), repeat=axes)):
        its = [weight[tuple(t if a == axis else 0 for a, t in enumerate(tap))] for axis, weight in enumerate(weights)]
        weight = reduce(fn.multiply, its)
        terms[number] = fn.where(fn.equal(weight, 0.0), 0.0, taken[tap] * weight)
    return by_lanes(terms)


def _offsets(how: str, along: tuple[int, ...], axis: int, at: Array) -> Array:
    """The elements that samples are made of, along an axis of their own."""
    numbers = np.array(TAPS[how], at.dtype.numpy)
    held = table(("grid taps", how, at.dtype.name), lambda: numbers, at.device)
    shape = (*(1,) * axis, len(numbers), *(1,) * (len(along) - axis - 1))
    return held.view(shape, tuple(held.strides[0] if a == axis else 0 for a in range(len(along))))


def _coordinate(g: Array, length: int, how: str, outside: str, corners: bool) -> Array:
    """Places in elements of an axis; with taps of their own behind the end where they are no more than absent."""
    at = (g + 1.0) * 0.5 * float(length - 1) if corners else ((g + 1.0) * float(length) - 1.0) * 0.5
    odd = fn.logical_not(fn.isfinite(at)) if outside == "reflection" else fn.isnan(at)
    at = fn.where(odd, 0.0 if corners else -0.5, at)
    if how == "bicubic" or outside == "zeros":
        # beyond these all elements are absent, or the last one
        return at if outside == "reflection" else fn.minimum(fn.maximum(at, -4.0), float(length + 3))
    if outside == "reflection":
        at = _reflected(at, length, corners)
    return fn.minimum(fn.maximum(at, 0.0), float(length - 1))


def _reflected(at: Array, length: int, corners: bool) -> Array:
    """Places thrown back at both ends as often as it takes."""
    low, span = (0.0, float(length - 1)) if corners else (-0.5, float(length))
    if not span:
        return at * 0.0
    rest = fn.fmod(fn.abs(at - low), 2.0 * span)
    return fn.minimum(rest, 2.0 * span - rest) + low


def _taps(at: Array, offsets: Array, length: int, how: str, outside: str, corners: bool) -> tuple[Array, Array]:
    """int64 places of the elements, all in range, and their weights, 0 of those that are absent."""
    first = fn.round(at) if how == "nearest" else fn.floor(at)
    place, last = first + offsets, float(length - 1)
    if how == "nearest":
        weight = fn.equal(offsets, 0.0)
        weight = astype(weight, at.dtype)
    elif how == "bilinear":
        weight = fn.where(fn.equal(offsets, 0.0), 1.0 - (at - first), at - first)
    else:
        weight = _cubic(fn.abs(at - first - offsets))
        if outside == "reflection":
            place = _reflected(place, length, corners)
        if outside != "zeros":
            place = fn.minimum(fn.maximum(place, 0.0), last)
    inside = fn.logical_and(place >= 0.0, place <= last)
    return astype(fn.minimum(fn.maximum(place, 0.0), last), INT64), fn.where(inside, weight, 0.0)


def _cubic(d: Array) -> Array:
    """The kernel of cubic convolution (Keys 1981) at distances from 0 to 2."""
    inner = ((KEYS + 2.0) * d - (KEYS + 3.0)) * d * d + 1.0
    outer = ((KEYS * d - 5.0 * KEYS) * d + 8.0 * KEYS) * d - 4.0 * KEYS
    return fn.where(d < 1.0, inner, fn.where(d < 2.0, outer, 0.0))


@composed(reference=exact.affine_grid, samples=partial(examples, "affine_grid"))
def affine_grid(theta: Operand, size: Any, align_corners: bool | None = None) -> Array:
    """The places that affine maps give the elements of images, for `grid_sample` (PyTorch's affine_grid).

    theta: (n, 2, 3) or (n, 3, 4): rows of a matrix and what is added. size: of the images, (n, channels, h, w) or
    (n, channels, d, h, w). Result: (n, h, w, 2) or (n, d, h, w, 3): theta's x, y (and z) of each element, whose own are
    those that `grid_sample` gives to the element with the same align_corners (an axis of one element: 0). They are
    computed in float64 and rounded once, and x · a + y · b + c is added up from the left.
    Raises ShapeError, DtypeError, ArgumentError.
    """
    op = "affine_grid"
    corners = bool(switch(op, "align_corners", align_corners, none=True))
    lengths = integers(op, "size", size)
    axes = len(lengths) - 2
    if axes not in (2, 3) or min(lengths) < 1:
        raise ArgumentError(f"{op}: size: expected 4 or 5 numbers from 1 on, got {shown(size)}")
    if theta.shape != (lengths[0], axes, axes + 1):
        raise ShapeError(f"{op}: theta: expected shape ({lengths[0]}, {axes}, {axes + 1}), got {theta.shape}")
    n, *its = lengths[:1] + lengths[2:]
    total = None
    for k in range(axes + 1):
        column = theta[..., k]
        strides = (column.strides[0], *(0,) * axes, column.strides[1])
        column = column.view((n, *(1,) * axes, axes), strides)
        if k < axes:
            axis = axes - 1 - k  # the first column is of the last axis
            column = column * _centres(its[axis], corners, axis - axes - 1, theta)
        total = column if total is None else total + column
    return total


def _centres(n: int, corners: bool, axis: int, like: Array) -> Array:
    """Where elements of an axis are, from -1 to 1; axis: of the result's, counted from its end."""

    def make() -> np.ndarray:
        i = np.arange(n, dtype=np.float64)
        if n == 1:
            return np.zeros(1, like.dtype.numpy)
        made: np.ndarray = 2 * i / (n - 1) - 1 if corners else (2 * i + 1) / n - 1
        return made.astype(like.dtype.numpy)

    held = table(("grid centres", n, corners, like.dtype.name), make, like.device)
    return held.view((n, *(1,) * (-axis - 1)), (held.strides[0], *(0,) * (-axis - 1)))

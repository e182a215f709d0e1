"""Resampling by interpolation, one axis after the other, the last one first. The function is torch's.

Places and weights are computed in float64 and weights are rounded once. A weight of 0 is an absent element.
"""

from __future__ import annotations

from functools import lru_cache, partial
from math import floor, prod
from typing import Any

import numpy as np

from ...arguments import switch, word
from ...array import Array
from ...conversion import constant, table
from ...dtypes import FLOATS, INT64, DType
from ...errors import ArgumentError, ShapeError, shown
from ...layout import Shape, check_size
from ...memory import host_memory_for
from ..compose import Operand, composed
from ..primitive.gather import gathered
from ..primitive.pointwise import astype, fn
from ..primitive.reduce import sum
from ..views import reshape
from . import exact_resampling as exact
from .adaptive import averaged
from .pooling import by_lanes
from .taps import taps
from .windows import TAPS, spatial

MODES = ("nearest", "nearest-exact", "linear", "bilinear", "bicubic", "trilinear", "area")
AXES = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}
"""Modes that are of one number of axes."""


def examples(name: str, dtype: DType) -> Any:
    """Those of an op of this file."""
    from ...testing import resampling_family

    return resampling_family.FAMILIES[name](dtype)


@composed(reference=exact.interpolate, samples=partial(examples, "interpolate"), dtypes=FLOATS, widen=False)
def interpolate(
    x: Operand,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Array:
    """The last axes at another size: enlarged or made smaller by interpolation.

    x: (n, channels, …) with one to three axes behind, floating. size: their new lengths; or scale_factor: what they are
    multiplied by, rounded down; one number, or one for each axis. With scale_factor it, and not the quotient of the
    lengths, says where samples are, unless recompute_scale_factor.
    mode: ``nearest`` (the element at floor(i n / m)), ``nearest-exact`` (at floor((i + 1/2) n / m)), ``linear``,
    ``bilinear``, ``trilinear`` of one, two, three axes, ``bicubic`` of two, ``area`` (the means of adaptive_avg_pool).
    align_corners: whether the first and the last samples are the outermost elements, of the linear and cubic modes.
    antialias: of bilinear and bicubic, whether the filter is as wide as the samples of a smaller result are apart.
    float16 and bfloat16 are computed in float32 and rounded once. Raises ShapeError, DtypeError, ArgumentError.
    """
    op = "interpolate"
    axes = x.ndim - 2
    if not 1 <= axes <= 3:
        raise ShapeError(f"{op}: x: expected (n, channels, …) with one to three axes behind, got shape {x.shape}")
    how, lengths = word(op, "mode", mode, MODES), spatial(op, x, axes)
    if AXES.get(how, axes) != axes:
        raise ArgumentError(f"{op}: mode: {how!r} is of {AXES[how]} axes behind (n, channels), got shape {x.shape}")
    corners = switch(op, "align_corners", align_corners, none=True)
    if corners is not None and how not in AXES:
        raise ArgumentError(f"{op}: align_corners: mode {how!r} takes none, got {corners}")
    smooth = switch(op, "antialias", antialias)
    if smooth and how not in ("bilinear", "bicubic"):
        raise ArgumentError(f"{op}: antialias: expected mode 'bilinear' or 'bicubic', got {how!r}")
    sizes, steps = _sizes(op, lengths, size, scale_factor)
    check_size(sizes, INT64)  # which places have
    if switch(op, "recompute_scale_factor", recompute_scale_factor, none=True):
        if scale_factor is None:
            raise ArgumentError(f"{op}: recompute_scale_factor: expected scale_factor to be given")
        steps = [None] * axes
    if how == "area":
        return averaged(x, lengths, sizes)
    with host_memory_for(f"{op}: the places of samples"):
        if how in ("nearest", "nearest-exact"):
            return _nearest(x, sizes, steps, 0.5 if how == "nearest-exact" else 0.0)
        wide = astype(x, x.dtype.accumulator, copy=False)
        for axis in range(axes)[::-1]:
            n, m = lengths[axis], sizes[axis]
            if n != m or (steps[axis] not in (None, 1.0) and not corners):
                wide = _along(wide, 2 + axis, *taps(n, m, steps[axis], how == "bicubic", bool(corners), smooth))
    return astype(wide, x.dtype, copy=wide is x)


def _sizes(op: str, lengths: Shape, size: Any, scale_factor: Any) -> tuple[Shape, list[float | None]]:
    """The new lengths, and how far samples are apart where that is given."""
    if (size is None) == (scale_factor is None):
        raise ArgumentError(f"{op}: size, scale_factor: expected one of them, got {shown(size)}, {shown(scale_factor)}")
    name, value = ("size", size) if scale_factor is None else ("scale_factor", scale_factor)
    given = value if isinstance(value, tuple) else (value,) * len(lengths)
    kinds = (int,) if scale_factor is None else (int, float)
    if len(given) != len(lengths) or not all(isinstance(v, kinds) and not isinstance(v, bool) and v > 0 for v in given):
        raise ArgumentError(f"{op}: {name}: expected a number above 0 or {len(lengths)} of them, got {shown(value)}")
    if scale_factor is None:
        return given, [None] * len(lengths)
    try:
        sizes = tuple(floor(n * v) for n, v in zip(lengths, given, strict=True))
    except (OverflowError, ValueError):
        raise ArgumentError(f"{op}: scale_factor: expected finite numbers, got {shown(value)}") from None
    if 0 in sizes:
        raise ShapeError(f"{op}: scale_factor: {shown(value)} leaves no element of {lengths}")
    return sizes, [1.0 / v for v in given]


def _nearest(x: Array, sizes: Shape, steps: list[float | None], shift: float) -> Array:
    lengths = x.shape[2:]
    found = [nearest(n, m, step, shift) for n, m, step in zip(lengths, sizes, steps, strict=True)]
    repeats = [
        m // n if (p == np.arange(m) // max(m // n, 1)).all() and m % n == 0 else 0
        for n, m, p in zip(lengths, sizes, found, strict=True)
    ]
    for axis, (times, places) in enumerate(zip(repeats, found, strict=True), 2):
        if not times:
            x = _taken(x, places, axis)
    shape, strides, whole = list(x.shape[:2]), list(x.strides[:2]), list(x.shape[:2])
    for n, step, times in zip(x.shape[2:], x.strides[2:], repeats, strict=True):
        shape += [n, max(times, 1)]
        strides += [step, 0]
        whole.append(n * max(times, 1))
    return reshape(x.view(tuple(shape), tuple(strides)), tuple(whole), copy=True)


def _taken(x: Array, places: np.ndarray, axis: int) -> Array:
    """Elements at places along an axis, which are in range; the places' axes take the axis' place."""
    behind, more = x.ndim - axis - 1, places.ndim
    positions = table(("positions", places.shape, places.tobytes()), lambda: places.astype(np.int64), x.device)
    index = positions.view(
        (*(1,) * axis, *places.shape, *(1,) * behind), (*(0,) * axis, *positions.strides, *(0,) * behind)
    )
    walks = (*range(axis), -1, *range(axis + more, axis + more + behind))
    return gathered("take", x, [index], walks, [None])


@lru_cache(maxsize=64)
def nearest(n: int, m: int, step: float | None, shift: float) -> np.ndarray:
    """The places of the nearest elements: floor((i + shift) n / m), exactly, or floor((i + shift) step)."""
    i = np.arange(m)
    twice = (2 * i + int(2 * shift)) * n // (2 * m) if step is None else np.floor((i + shift) * step).astype(np.int64)
    return np.minimum(twice, n - 1)


def _along(x: Array, axis: int, places: np.ndarray, weights: np.ndarray) -> Array:
    """Sums of weight times element by rule 2, absent elements skipped."""
    (count, m), behind = places.shape, x.ndim - axis - 1
    if not count * m * prod(x.shape):
        return reshape(x, (*x.shape[:axis], m, *x.shape[axis + 1 :]))
    rounded = weights.astype(x.dtype.numpy)
    key = ("weights", x.dtype.name, weights.shape, weights.tobytes())
    factors = table(key, lambda: rounded, x.device)
    taken = _taken(x, places, axis)
    lead = (slice(None),) * axis
    if count > TAPS:
        shape, strides = (count, m, *(1,) * behind), (m, 1, *(0,) * behind)
        products = _product(taken, factors.view(shape, strides), (rounded == 0).any())
        result: Array = sum(products, axis=axis)
        return result
    terms = {}
    for tap in range(count):
        if (rounded[tap] == 0).all():
            continue
        its = factors.view((m, *(1,) * behind), (1, *(0,) * behind), tap * m)
        terms[tap] = _product(taken[(*lead, tap)], its, (rounded[tap] == 0).any())
    return by_lanes(terms)


def _product(x: Array, weights: Array, absent: bool) -> Array:
    """x * weights; -0, which no sum sees, where a weight is 0."""
    products = x * weights
    if not absent:
        return products
    return fn.where(fn.equal(weights, 0.0), constant(-0.0, x.dtype, x.device), products)  # type: ignore[no-any-return]

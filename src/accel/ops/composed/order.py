"""Quantiles and medians: elements of sorted rows, and what lies between two neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import ceil, floor
from math import prod as product
from typing import Any

from ...arguments import real, switch, word
from ...array import Array
from ...dtypes import DType
from ...errors import ArgumentError, shown
from ...layout import Shape
from ..compose import Operand, composed
from ..pieces import filled, joined, of_segments
from ..primitive.gather import take_along_axis
from ..primitive.pointwise import astype, copy, fn
from ..primitive.reduce import Axes, normalize_axes, sum
from ..primitive.sort import sort
from ..views import reshape
from . import exact_order as exact

METHODS = (
    "inverted_cdf", "averaged_inverted_cdf", "closest_observation", "interpolated_inverted_cdf", "hazen", "weibull",
    "linear", "median_unbiased", "normal_unbiased", "lower", "higher", "midpoint", "nearest",
)  # fmt: skip
"""The definitions of Hyndman and Fan (1996) in their order, and four others that NumPy has."""

CONTINUOUS = {
    "interpolated_inverted_cdf": (0.0, 1.0),
    "hazen": (0.5, 0.5),
    "weibull": (0.0, 0.0),
    "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8),
}
"""Hyndman and Fan's alpha and beta, of which the place is n q + alpha + q (1 - alpha - beta), counted from 1."""


def examples(name: str, dtype: DType) -> Any:
    """Those of an op of this file."""
    from ...testing import order_family

    return order_family.FAMILIES[name](dtype)


@composed(reference=exact.median, samples=partial(examples, "median"), namespace="", widen=False)
def median(x: Operand, /, axis: Axes = None, *, keepdims: bool = False) -> Array:
    """The middle element over axes (None: all) in sorted order; of an even number, the mean of the two in the middle.

    NaN where an element is NaN, and of nothing. x: floating. Raises DtypeError for other dtypes, AxisError,
    ArgumentError.
    """
    axes = normalize_axes("median", axis, x.ndim)
    rows = _rows(x, axes)
    n = rows.shape[-1]
    if n == 0:
        return _shaped("median", _nothing(rows.shape[:-1], x), x.shape, axes, keepdims)
    rows = sort(rows)
    low, high, last = (_wide(rows[..., i]) for i in ((n - 1) // 2, n // 2, n - 1))
    middle = low if n % 2 else (low + high) * 0.5
    found = fn.where(fn.isnan(last), last, middle)
    return _shaped("median", astype(found, x.dtype, copy=False), x.shape, axes, keepdims)


@composed(reference=exact.nanmedian, samples=partial(examples, "nanmedian"), namespace="", widen=False)
def nanmedian(x: Operand, /, axis: Axes = None, *, keepdims: bool = False) -> Array:
    """The `median` over axes of the elements that are not NaN; NaN where all are.

    Raises DtypeError for dtypes that are not floating, AxisError, ArgumentError.
    """
    axes = normalize_axes("nanmedian", axis, x.ndim)
    rows = _rows(x, axes)
    if rows.shape[-1] == 0:
        return _shaped("nanmedian", _nothing(rows.shape[:-1], x), x.shape, axes, keepdims)
    count = sum(astype(fn.logical_not(fn.isnan(rows)), "int64"), axis=-1, keepdims=True)
    rows = sort(rows)  # NaN is last: where there are no others, place 0 and, as -1, the last one have it
    low, high = (_wide(take_along_axis(rows, fn.floor_divide(i, 2), axis=-1)) for i in (count - 1, count))
    odd = fn.equal(fn.remainder(count, 2), 1)
    found = fn.where(odd, low, (low + high) * 0.5)
    return _shaped("nanmedian", astype(found, x.dtype, copy=False)[..., 0], x.shape, axes, keepdims)


@composed(reference=exact.quantile, samples=partial(examples, "quantile"), namespace="", widen=False)
def quantile(
    x: Operand, /, q: float | Sequence[float], axis: Axes = None, *, method: str = "linear", keepdims: bool = False
) -> Array:
    """The elements over axes (None: all) below which a share q of them lies.

    q: a number from 0 to 1, or numbers in a list, a tuple or an array of one axis, which is read on the host; there the
    result has a first axis for them. method: NumPy's, by which a place between two elements is made of them; all but
    ``inverted_cdf``, ``closest_observation``, ``lower``, ``higher`` and ``nearest`` interpolate. Places are computed in
    float64; between neighbours a and b the result is a + (b - a) t, or b - (b - a) (1 - t) for t from 0.5 on, of 16-bit
    floats in float32 and rounded once. NaN where an element is NaN, and of nothing. x: floating.
    Raises DtypeError for other dtypes, AxisError, ArgumentError.
    """
    axes = normalize_axes("quantile", axis, x.ndim)
    how = word("quantile", "method", method, METHODS)
    shares = shares_of("quantile", q)
    rows = _rows(x, axes)
    n = rows.shape[-1]
    if n == 0:
        found = _nothing((*rows.shape[:-1], len(shares)), x)
    else:
        rows = sort(rows)
        places = [_neighbours(n, share, how) for share in shares]
        nearer, low, high = (_picked(rows, [place[i] for place in places]) for i in range(3))
        weight = _listed([place[3] for place in places], low)
        step = high - low
        last = _wide(rows[..., -1:])
        between = nearer + fn.where(fn.equal(high, low), 0.0, step * weight)
        found = astype(fn.where(fn.isnan(last), last, between), x.dtype, copy=False)
    if not isinstance(q, tuple):
        return _shaped("quantile", found[..., 0], x.shape, axes, keepdims)
    first = found.permute((found.ndim - 1, *range(found.ndim - 1)))
    kept = tuple(1 if a in axes else m for a, m in enumerate(x.shape))
    return reshape(first, (len(shares), *kept)) if switch("quantile", "keepdims", keepdims) else first


def shares_of(op: str, q: Any, most: float = 1.0) -> tuple[float, ...]:
    """Numbers from 0 to the most, as parts of it. Raises ArgumentError."""
    given = tuple(real(op, "q", each) for each in (q if isinstance(q, tuple) else (q,)))
    if not all(0.0 <= each <= most for each in given):
        raise ArgumentError(f"{op}: q: expected numbers from 0 to {most:g}, got {shown(q)}")
    return tuple(each / most for each in given)


def _neighbours(n: int, share: float, method: str) -> tuple[int, int, int, float]:
    """Of a share of n sorted elements: the place of the nearer neighbour, those of both, and what of their difference
    is added to the nearer one."""
    if method in ("inverted_cdf", "closest_observation"):
        place = n * share - (1.0 if method == "inverted_cdf" else 1.5)
        exact = place == floor(place) and (method == "inverted_cdf" or floor(place) % 2 == 1)
        at = min(n - 1, max(0, floor(place) + (not exact)))
        return at, at, at, 0.0
    place = (n - 1) * share
    if method in ("lower", "higher", "nearest"):
        at = {"lower": floor, "higher": ceil, "nearest": round}[method](place)
        return at, at, at, 0.0
    if method == "averaged_inverted_cdf":
        place = n * share - 1
    elif method in CONTINUOUS:
        alpha, beta = CONTINUOUS[method]
        place = n * share + (alpha + share * (1 - alpha - beta)) - 1
    if place >= n - 1:
        return n - 1, n - 1, n - 1, 0.0
    if place < 0:
        return 0, 0, 0, 0.0
    low = floor(place)
    part = place - low
    if method == "averaged_inverted_cdf":
        part = 1.0 if part else 0.5
    elif method == "midpoint":
        part = 0.5 if part else 0.0
    if part == 0.0:
        return low, low, low, 0.0
    return (low, low, low + 1, part) if part < 0.5 else (low + 1, low, low + 1, part - 1)


def _rows(x: Array, axes: Shape) -> Array:
    """The elements of each result along a last axis."""
    kept = [a for a in range(x.ndim) if a not in axes]
    moved = x.permute((*kept, *axes))
    rows: Array = reshape(moved, (*(x.shape[a] for a in kept), product(x.shape[a] for a in axes)))
    return rows


def _nothing(shape: Shape, x: Array) -> Array:
    """Of no elements: NaN."""
    result: Array = copy(filled(float("nan"), shape, x.dtype, x.device))
    return result


def _wide(x: Array) -> Array:
    result: Array = astype(x, x.dtype.accumulator, copy=False)
    return result


def _picked(rows: Array, places: list[int]) -> Array:
    """The elements at places of the last axis."""
    if len(places) == 1:
        return _wide(rows[..., places[0] : places[0] + 1])
    whole = [[(0, n, 1)] for n in rows.shape[:-1]]
    return _wide(of_segments(rows, [*whole, [(place, 1, 1) for place in places]]))


def _listed(numbers: list[float], like: Array) -> Any:
    """Numbers as a vector, or the one that there is."""
    if len(numbers) == 1:
        return numbers[0]
    return joined([filled(each, (1,), like.dtype, like.device) for each in numbers], 0)


def _shaped(op: str, found: Array, shape: Shape, axes: Shape, keepdims: Any) -> Array:
    """A result without the reduced axes, with or without them."""
    if not switch(op, "keepdims", keepdims):
        return found
    result: Array = reshape(found, tuple(1 if a in axes else n for a, n in enumerate(shape)))
    return result

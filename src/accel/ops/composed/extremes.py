"""The largest elements of rows, and running extremes, with the places where they are. The functions are torch's."""

from __future__ import annotations

from functools import partial
from math import isqrt
from typing import Any

from ...arguments import integer, switch
from ...array import Array
from ...conversion import index_range
from ...dtypes import TABLE, DType
from ...errors import ArgumentError
from ..compose import AnyOperand, composed
from ..concatenation import concat
from ..primitive.gather import take_along_axis
from ..primitive.pointwise import fn
from ..primitive.reduce import all, max, min
from ..primitive.scan import cumulative_max, cumulative_min, one_axis
from ..primitive.sort import first_places, sort
from ..views import broadcast_to, reshape
from . import exact_extremes

LONG = 4096
"""Elements of rows in which the largest ones are searched for in blocks."""


def examples(name: str, dtype: DType) -> Any:
    """Those of an op of this file."""
    from ...testing import extreme_family

    return extreme_family.FAMILIES[name](dtype)


@composed(
    reference=exact_extremes.topk,
    samples=partial(examples, "topk"),
    namespace="",
    dtypes=tuple(TABLE.values()),
    exact=True,
)
def topk(x: AnyOperand, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> tuple[Array, Array]:
    """The k largest elements along an axis from the largest on, and their int64 indices; or the smallest ones from the
    smallest on.

    The order is that of `sort`: NaN is larger than every number, -0 comes before +0, and of equal elements the first
    ones are taken, in their order. sorted: there is an order, whatever is asked for. The function is torch's, whose
    indices of equal elements are not fixed.
    Raises ArgumentError where the axis has less than k elements, AxisError, ShapeError.
    """
    axis = one_axis("topk", dim, x.shape)
    count, n = integer("topk", "k", k), x.shape[axis]
    largest = switch("topk", "largest", largest)
    switch("topk", "sorted", sorted)
    if not 0 <= count <= n:
        raise ArgumentError(f"topk: k: expected 0 to {n}, the length of axis {axis}, got {count}")
    order = [*(a for a in range(x.ndim) if a != axis), axis]
    rows = x.permute(order)
    find = first_places if x.device.selects else _first_of_blocks
    indices = find(rows, count, largest)
    back = [order.index(a) for a in range(x.ndim)]
    return take_along_axis(rows, indices).permute(back), indices.permute(back)


def _first_of_blocks(rows: Array, k: int, largest: bool) -> Array:
    """`first_places`, by a search in blocks where that is worth it."""
    places = _candidates(rows, k, largest)
    if places is None:
        return first_places(rows, k, largest)
    result: Array = take_along_axis(places, first_places(take_along_axis(rows, places), k, largest))
    return result


def _candidates(rows: Array, k: int, largest: bool) -> Array | None:
    """Ascending places along the last axis that those of the k first elements of the order are among; None where there
    are too few others to make up for the search.

    They are those of the k blocks whose first elements are the first ones: each of these stands before all of any other
    block, blocks being ascending as elements are. And those beyond the last block.
    """
    *kept, n = rows.shape
    if rows.dtype.kind == "b" or k == 0 or n < LONG:
        return None
    size = isqrt(n // k)
    blocks = n // size
    if 4 * (blocks + (k + 1) * size) > n:
        return None
    *outer, step = rows.strides
    first = _first(rows.view((*kept, blocks, size), (*outer, size * step, step)), largest)
    chosen = sort(first_places(first, k, largest))
    inside = chosen[..., None] * size + index_range(size, rows.device)
    places = reshape(inside, (*kept, k * size))
    if blocks * size == n:
        return places
    rest = index_range(n, rows.device)[blocks * size :]
    return concat([places, broadcast_to(rest, (*kept, n - blocks * size))], axis=-1)


def _first(blocks: Array, largest: bool) -> Array:
    """Of each block the element that comes first in the order; NaN where a block has no other."""
    if largest:
        return max(blocks, axis=-1)
    if blocks.dtype.kind != "f":
        return min(blocks, axis=-1)
    none = fn.isnan(blocks)
    least = min(fn.where(none, float("inf"), blocks), axis=-1)
    return fn.where(all(none, axis=-1), float("nan"), least)


@composed(
    reference=exact_extremes.cummax,
    samples=partial(examples, "cummax"),
    namespace="",
    dtypes=tuple(TABLE.values()),
    exact=True,
)
def cummax(x: AnyOperand, dim: int) -> tuple[Array, Array]:
    """The largest of all elements up to each along an axis, and its int64 index: the last one of equal elements.

    -0 equals +0, and the value is the element at the index. From a NaN on the values are NaN, and the index is that of
    the last NaN. The function is torch's; `cumulative_max` gives values only. Raises AxisError, ArgumentError,
    ShapeError for an array without axes.
    """
    axis = one_axis("cummax", dim, x.shape)
    return _running(x, cumulative_max(x, axis=axis), axis)


@composed(
    reference=exact_extremes.cummin,
    samples=partial(examples, "cummin"),
    namespace="",
    dtypes=tuple(TABLE.values()),
    exact=True,
)
def cummin(x: AnyOperand, dim: int) -> tuple[Array, Array]:
    """The smallest of all elements up to each along an axis, and its int64 index; else as `cummax`."""
    axis = one_axis("cummin", dim, x.shape)
    return _running(x, cumulative_min(x, axis=axis), axis)


def _running(x: Array, extremes: Array, axis: int) -> tuple[Array, Array]:
    """Where a running extreme is an element, that is its last place; in between, the last place so far."""
    here = x == extremes
    if x.dtype.kind == "f":
        here = fn.logical_or(here, fn.isnan(x))
    number = reshape(index_range(x.shape[axis], x.device), (-1, *(1,) * (x.ndim - axis - 1)))
    indices = cumulative_max(fn.where(here, number, 0), axis=axis)
    return take_along_axis(x, indices, axis=axis), indices

"""What ``x[key]`` selects, and what ``x[key] = values`` writes to, where the key has integer arrays, lists or boolean
masks, by NumPy's rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from .. import interop
from ..array import Array
from ..conversion import from_numpy, to_numpy
from ..errors import ArgumentError, shown
from ..indexing import is_integer
from ..layout import Shape, broadcast_shapes
from ..operators import check_writable
from .cells import cells_of, in_rows
from .parameters import Scatter
from .primitive.gather import as_positions, check_positions, gathered
from .primitive.pointwise import source_of
from .primitive.scatter import store


@dataclass(frozen=True)
class Selection:
    """The elements that a key with arrays selects. view: the array under the key's other items. positions: int64, one
    along each of the view's axes that arrays index, of shapes that broadcast to `shape`, whose axes stand in the result
    from `start` on. walks: for each axis of the view the result's axis that is walked with it, or -1. apart: whether no
    element can be selected twice."""

    view: Array
    positions: list[Array]
    shape: Shape
    start: int
    walks: tuple[int, ...]
    apart: bool

    @property
    def names(self) -> list[str]:
        """What messages call the positions."""
        return [f"index: array {k}" for k in range(len(self.positions))]


def located(x: Array, key: Any) -> Selection:
    """What a key selects. Integers beside arrays are arrays without axes; where arrays stand side by side, the axes
    that they are broadcast to take their place, else they come first."""
    if isinstance(key, Array) and key.dtype.kind in "iu" and x.ndim and key.device is x.device:  # as most keys are
        more = range(key.ndim, key.ndim + x.ndim - 1)
        return Selection(x, [as_positions("index", "key", key)], key.shape, 0, (-1, *more), False)
    items: list[Any] = []
    given = key if isinstance(key, tuple) else (key,)
    for item in given:
        items += _as_arrays(x, item, sum(i is not None and i is not Ellipsis for i in items))
    consumed = sum(item is not None and item is not Ellipsis for item in items)
    if consumed > x.ndim:
        raise IndexError(f"index: {consumed} indices for shape {x.shape}")
    if sum(item is Ellipsis for item in items) > 1:
        raise IndexError("index: at most one ellipsis")
    fancy = [isinstance(item, Array) or is_integer(item) for item in items]
    first, last = fancy.index(True), len(fancy) - 1 - fancy[::-1].index(True)
    at = next((i for i, item in enumerate(items) if item is Ellipsis), len(items))
    spread = x.ndim - consumed
    filled = [*items[:at], *[slice(None)] * spread, *items[at + 1 :]]
    view = x[tuple(slice(None) if isinstance(item, Array) else item for item in filled)]
    indices = [item for item in items if isinstance(item, Array)]
    arrays, axis = [], 0  # the axes of the view that arrays index
    for item in filled:
        if isinstance(item, Array):
            arrays.append(axis)
        axis += not is_integer(item)
    shape = broadcast_shapes(*(index.shape for index in indices), what="index")
    together = all(fancy[first : last + 1])
    start = first + (spread - 1 if at < first else 0) if together else 0
    more = len(shape)
    places = iter([*range(start), *range(start + more, view.ndim - len(arrays) + more)])
    walks = tuple(-1 if a in arrays else next(places) for a in range(view.ndim))
    masks = [item for item in given if getattr(getattr(item, "dtype", None), "kind", "") == "b"]
    apart = len(masks) == 1 and len(indices) == masks[0].ndim
    return Selection(view, indices, shape, start, walks, apart)


def selected(x: Array, key: Any) -> Array:
    """A copy of the elements that a key with arrays selects."""
    its = located(x, key)
    before = its.start + len(its.shape)
    after = its.view.ndim - len(its.positions) - its.start
    spots = [
        index.view(
            (*(1,) * (before - index.ndim), *index.shape, *(1,) * after),
            (*(0,) * (before - index.ndim), *index.strides, *(0,) * after),
        )
        for index in its.positions
    ]
    return gathered("gather", its.view, spots, its.walks, its.names)


def assign_selected(op: str, x: Array, key: Any, value: Any) -> None:
    """Writes values, broadcast, to the elements that a key with arrays selects. Of several for one element the last
    stays, in row-major order of the values. Nothing is written where anything is wrong."""
    its = located(x, key)
    check_writable(op, its.view)
    lengths = [n for n, to in zip(its.view.shape, its.walks, strict=True) if to < 0]
    walked = sorted((to, n) for n, to in zip(its.view.shape, its.walks, strict=True) if to >= 0)
    rows = tuple(n for _, n in walked)
    values = source_of(op, "value", value, its.view, (*rows[: its.start], *its.shape, *rows[its.start :]))
    checked = [check_positions(*each) for each in zip(its.names, its.positions, lengths, strict=True)]
    if values.size == 0:
        return
    end = its.start + len(its.shape)
    if its.start:
        values = values.permute((*range(its.start, end), *range(its.start), *range(end, values.ndim)))
    place = {to: 1 + i for i, (to, _) in enumerate(walked)} | {-1: -1}
    params = Scatter(its.view.shape, tuple(place[to] for to in its.walks), apart=its.apart)
    store(its.view, in_rows(values, prod(its.shape), rows), cells_of(its.positions, lengths, checked), params)


def _as_arrays(x: Array, item: Any, axis: int) -> Sequence[Any]:
    """An item of a key: int64 arrays in the place of an array, a list or a mask, which takes several axes."""
    if item is None or item is Ellipsis or isinstance(item, slice) or is_integer(item):
        return [item]
    if isinstance(item, list):
        try:
            made = np.asarray(item, np.int64) if item == [] else np.asarray(item)
        except ValueError:
            raise ArgumentError(f"index: expected a list of integers or booleans, got {shown(item)}") from None
        if made.dtype.kind not in "iub":
            raise ArgumentError(f"index: expected a list of integers or booleans, got {shown(item)}")
        item = from_numpy(made, x.device)
    if not hasattr(item, "ndim"):
        raise ArgumentError(f"index: expected integers, slices, ..., None and arrays, got {type(item).__name__}")
    (_, array), _ = interop.adopt("index", x=x, key=item)
    if not isinstance(array, Array) or array.dtype.kind not in "iub" or (array.dtype.kind == "b" and not array.ndim):
        raise ArgumentError(f"index: expected an integer array, or a boolean mask with axes, got {shown(item)}")
    if array.dtype.kind != "b":
        return [as_positions("index", "key", array)]
    if array.shape != x.shape[axis : axis + array.ndim]:
        raise IndexError(f"index: a mask of shape {array.shape} for axes {axis} and on of shape {x.shape}")
    return mask_positions(array)


def mask_positions(mask: Array) -> list[Array]:
    """The positions of the True elements of a mask along each of its axes, found on the host."""
    return [from_numpy(np.ascontiguousarray(found), mask.device) for found in np.nonzero(to_numpy(mask))]

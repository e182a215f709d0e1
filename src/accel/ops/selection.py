"""What ``x[key]`` selects where the key has integer arrays, lists or boolean masks, by NumPy's rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import interop
from ..array import Array
from ..conversion import from_numpy, to_numpy
from ..errors import ArgumentError, shown
from ..indexing import is_integer
from ..layout import broadcast_shapes
from .primitive.gather import as_positions, gathered


def selected(x: Array, key: Any) -> Array:
    """A copy of the elements. Integers beside arrays are arrays without axes; where arrays stand side by side, the axes
    that they are broadcast to take their place, else they come first."""
    items: list[Any] = []
    for item in key if isinstance(key, tuple) else (key,):
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
    after = view.ndim - len(arrays) - start
    spots = [
        index.view(
            (*(1,) * (start + more - index.ndim), *index.shape, *(1,) * after),
            (*(0,) * (start + more - index.ndim), *index.strides, *(0,) * after),
        )
        for index in indices
    ]
    return gathered("gather", view, spots, walks, [f"index: array {k}" for k in range(len(spots))])


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

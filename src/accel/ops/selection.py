"""What ``x[key]`` selects where the key has integer arrays, lists or boolean masks, by NumPy's rules."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import interop
from ..array import Array
from ..conversion import from_numpy
from ..dtypes import BOOL
from ..errors import ArgumentError, shown
from ..indexing import is_integer
from ..layout import broadcast_shapes, reshaped
from .primitive.gather import as_positions, gathered
from .searching import mask_positions, readable, true_places
from .views import reshape


def selected(x: Array, key: Any) -> Array:
    """A copy of the elements. Integers beside arrays are arrays without axes; where arrays stand side by side, the axes
    that they are broadcast to take their place, else they come first."""
    if type(key) is Array and key.dtype is BOOL and 0 < key.ndim <= x.ndim and key.device is x.device:
        found = _masked(x, key)
        if found is not None:
            return found
    items, known = _expanded(x, key)
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
    names = [None if inside else f"index: array {k}" for k, inside in enumerate(known)]
    return gathered("gather", view, spots, walks, names)


def _expanded(x: Array, key: Any) -> tuple[list[Any], list[bool]]:
    """A key's items, in which positions stand for masks, and of each of the arrays among them whether its positions are
    known to be in range."""
    given = [_as_array(x, item) for item in (key if isinstance(key, tuple) else (key,))]
    axes = [_axes(item) for item in given]
    items: list[Any] = []
    known: list[bool] = []
    for i, item in enumerate(given):
        if _is_mask(item):
            behind = any(other is Ellipsis for other in given[:i])
            _check_mask(x, x.ndim - sum(axes[i:]) if behind else sum(axes[:i]), item)
            items += mask_positions(item)
            known += [True] * item.ndim
        else:
            items.append(item)
            known += [False] * isinstance(item, Array)
    return items, known


def _is_mask(item: Any) -> bool:
    return isinstance(item, Array) and item.dtype is BOOL


def _axes(item: Any) -> int:
    """How many axes an item of a key takes."""
    return item.ndim if _is_mask(item) else int(item is not None and item is not Ellipsis)


def _check_mask(x: Array, axis: int, mask: Array) -> None:
    if axis < 0 or mask.shape != x.shape[axis : axis + mask.ndim]:
        raise IndexError(f"index: a mask of shape {mask.shape} for axes {axis} and on of shape {x.shape}")


def _masked(x: Array, mask: Array) -> Array | None:
    """What a mask of x's first axes selects; None where x's strides do not let these be one axis."""
    readable("index", mask)
    _check_mask(x, 0, mask)
    if mask.ndim > 1:
        shape = (mask.size, *x.shape[mask.ndim :])
        strides = reshaped(x.layout, shape)
        if strides is None:
            return None
        x, mask = x.view(shape, strides), reshape(mask, (mask.size,))
    places, others = true_places(mask), x.ndim - 1
    if others:
        places = places.view((places.size, *(1,) * others), (1, *(0,) * others))
    return gathered("gather", x, [places], (-1, *range(1, x.ndim)), [None])


def _as_array(x: Array, item: Any) -> Any:
    """An item of a key: an int64 array in the place of an array or a list, or a mask."""
    if item is None or item is Ellipsis or isinstance(item, slice) or is_integer(item):
        return item
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
    if array.dtype is BOOL:
        readable("index", array)
        return array
    return as_positions("index", "key", array)

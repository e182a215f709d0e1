"""What ``x[key]`` selects, and ``x[key] = value`` assigns, where the key has integer arrays, lists or boolean masks, by
NumPy's rules."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from .. import interop
from ..array import Array
from ..conversion import from_numpy
from ..devices import device as device_named
from ..dtypes import BOOL, INT64
from ..errors import ArgumentError, shown
from ..indexing import is_integer
from ..layout import Shape, broadcast_shapes, reshaped
from ..operators import check_writable
from ..position_memo import Key, PositionMemo
from .cells import cells_of, in_rows
from .parameters import Scatter
from .primitive.gather import Selecting, as_positions, check_positions, gathered
from .primitive.pointwise import adopted, source_of
from .primitive.scatter import STORE, store
from .searching import mask_positions, readable, true_places
from .views import expand_dims, reshape


@dataclass(frozen=True)
class Selection:
    """The elements that a key with arrays selects.

    view: the array under the key's other items. positions: int64, one along each of the view's axes that arrays index,
    of shapes that broadcast to `shape`, whose axes stand in the result from `start` on. walks: for each axis of the
    view the result's axis that is walked with it, or -1. known: of each of the positions, whether they are a mask's,
    and so in range.
    """

    view: Array
    positions: list[Array]
    shape: Shape
    start: int
    walks: tuple[int, ...]
    known: tuple[bool, ...]

    @property
    def names(self) -> list[str | None]:
        """What messages call the positions; None where they are known to be in range."""
        return [None if inside else f"index: array {k}" for k, inside in enumerate(self.known)]

    @property
    def apart(self) -> bool:
        """Whether no element can be selected twice: those that masks select are in order."""
        return all(self.known)


def located(x: Array, key: Any) -> Selection:
    """What a key selects. Integers beside arrays are arrays without axes; where arrays stand side by side, the axes
    that they are broadcast to take their place, else they come first."""
    if isinstance(key, Array) and key.dtype.kind in "iu" and x.ndim and key.device is x.device:  # as most keys are
        more = range(key.ndim, key.ndim + x.ndim - 1)
        return Selection(x, [as_positions("index", "key", key)], key.shape, 0, (-1, *more), (False,))
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
    return Selection(view, indices, shape, start, walks, tuple(known))


def selected(x: Array, key: Any) -> Array:
    """A copy of the elements that a key with arrays selects."""
    array: Array = _selected.call(x, key)
    return array


def _select(memo_key: Key, x: Array, key: Any) -> Array:
    if memo_key is not None and _is_mask(key) and key.ndim == 1 and key.shape == x.shape[:1] and key.device is x.device:
        return _masked(x, key)  # as most masks are
    if (array := _alone(x, key)) is not key:
        return selected(x, array)
    flat = _along_one_axis(x, key)
    if flat is not None:
        return _masked(*flat)
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
    if memo_key is not None and its.view is x and key.dtype is INT64:
        return _selected.found(memo_key, (x, key), x, spots[0], its.walks)
    return gathered("gather", its.view, spots, its.walks, its.names)


_selected = Selecting("gather", "index: array 0", _select)

ASSIGNMENT = "x[...] = value"
"""What messages call storing into an array."""


def assign_selected(x: Array, key: Any, value: Any) -> None:
    """Writes values, broadcast, to the elements that a key with arrays selects. Of several for one element the last
    stays, in row-major order of the values. Nothing is written where anything is wrong."""
    _assigned.call(x, key, value)


def _assign(memo_key: Key, x: Array, key: Any, value: Any) -> None:
    op, array = ASSIGNMENT, _alone(x, key)
    source = value if type(array) is not Array or type(value) is Array else adopted(op, "value", value, x)
    if array is not key or source is not value:
        assign_selected(x, array, source)
        return
    its = located(*(_along_one_axis(x, key) or (x, key)))
    check_writable(op, its.view)
    lengths = [n for n, to in zip(its.view.shape, its.walks, strict=True) if to < 0]
    walked = sorted((to, n) for n, to in zip(its.view.shape, its.walks, strict=True) if to >= 0)
    rows = tuple(n for _, n in walked)
    values = source_of(op, "value", value, its.view, (*rows[: its.start], *its.shape, *rows[its.start :]))
    checked = [
        name is None or check_positions(name, index, length)
        for name, index, length in zip(its.names, its.positions, lengths, strict=True)
    ]
    if values.size == 0:
        return
    end = its.start + len(its.shape)
    if its.start:
        values = values.permute((*range(its.start, end), *range(its.start), *range(end, values.ndim)))
    place = {to: 1 + i for i, (to, _) in enumerate(walked)} | {-1: -1}
    params = Scatter(its.view.shape, tuple(place[to] for to in its.walks), apart=its.apart)
    values, cells = in_rows(values, prod(its.shape), rows), cells_of(its.positions, lengths, checked)
    if memo_key is not None and its.view is x and key.dtype is INT64 and checked[0] and x.dtype.kind != "c":
        _assigned.keep(memo_key, (x, key, value), STORE, params, ((2, values), (1, cells)), (0, x.shape[0]), (0, x))
    store(its.view, values, cells, params)


_assigned = PositionMemo(_assign)


def _alone(x: Array, key: Any) -> Any:
    """A key that is one array or list, as positions or as a mask on x's device; any other as it is."""
    if type(key) is list or (type(key) is np.ndarray and key.ndim):
        array = _as_array(x, key)
        if type(key) is list and x.ndim and not _is_mask(array):
            _look_at_list("index: array 0", key, x, 0)
        return array
    if type(key) is Array and key.dtype.kind in "iu" and key.device is x.device:
        return as_positions("index", "key", key)
    return key


def _expanded(x: Array, key: Any) -> tuple[list[Any], list[bool]]:
    """A key's items, in which positions stand for masks, and of each of the arrays among them whether its positions are
    known to be in range."""
    keys = key if isinstance(key, tuple) else (key,)
    given = [_as_array(x, item) for item in keys]
    axes = [_axes(item) for item in given]
    items: list[Any] = []
    known: list[bool] = []
    for i, item in enumerate(given):
        behind = any(other is Ellipsis for other in given[:i])
        axis = x.ndim - sum(axes[i:]) if behind else sum(axes[:i])
        if _is_mask(item):
            _check_mask(x, axis, item)
            items += mask_positions(item)
            known += [True] * item.ndim
        else:
            if isinstance(keys[i], list) and 0 <= axis < x.ndim:
                _look_at_list(f"index: array {len(known)}", keys[i], x, axis)
            items.append(item)
            known += [False] * isinstance(item, Array)
    return items, known


def _look_at_list(what: str, numbers: list[Any], x: Array, axis: int) -> None:
    """A list is looked at here for a device that the host does not read, as its copy there is looked at later."""
    if numbers and not x.device.host:
        here = as_positions("index", "key", from_numpy(np.asarray(numbers), device_named("cpu")))
        check_positions(what, here, x.shape[axis])


def _is_mask(item: Any) -> bool:
    return isinstance(item, Array) and item.dtype is BOOL


def _axes(item: Any) -> int:
    """How many axes an item of a key takes."""
    return item.ndim if _is_mask(item) else int(item is not None and item is not Ellipsis)


def _check_mask(x: Array, axis: int, mask: Array) -> None:
    if axis < 0 or mask.shape != x.shape[axis : axis + mask.ndim]:
        raise IndexError(f"index: a mask of shape {mask.shape} for axes {axis} and on of shape {x.shape}")


def _along_one_axis(x: Array, key: Any) -> tuple[Array, Array] | None:
    """x and the mask of its first axes that a key is, with these as one axis; a boolean without axes is a mask of an
    axis more. None for other keys, and where x's strides do not allow it."""
    if isinstance(key, (Array, np.ndarray, np.bool_)) and key.ndim == 0 and key.dtype.kind == "b":
        (_, key), _ = interop.adopt("index", x=x, key=np.asarray(key) if isinstance(key, np.bool_) else key)
        x, key = expand_dims(x, axis=0), reshape(key, (1,))
    if type(key) is not Array or key.dtype is not BOOL or not 0 < key.ndim <= x.ndim or key.device is not x.device:
        return None
    readable("index", key)
    _check_mask(x, 0, key)
    if key.ndim == 1:
        return x, key
    shape = (key.size, *x.shape[key.ndim :])
    strides = reshaped(x.layout, shape)
    return None if strides is None else (x.view(shape, strides), reshape(key, (key.size,)))


def _masked(x: Array, mask: Array) -> Array:
    """What a mask of x's first axis selects."""
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

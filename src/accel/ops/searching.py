"""Places of elements, of which there are as many as the elements say: `nonzero`, and what boolean masks select."""

from __future__ import annotations

from typing import Any

from .. import interop
from ..array import Array, Symbol, empty
from ..conversion import index_range, read
from ..dtypes import BOOL, INT64
from ..errors import ArgumentError, ShapeError
from .primitive.compact import compact
from .primitive.pointwise import astype, fn
from .primitive.scan import cumulative_sum
from .views import reshape


def readable(op: str, x: Array) -> None:
    """Raises ArgumentError for an array of a traced function: how large the result is cannot be known."""
    if isinstance(x.buffer, Symbol):
        raise ArgumentError(f"{op}: the size of the result is that of its elements; {x.buffer.unreadable()}")


def true_places(mask: Array) -> Array:
    """The places of the true elements of a vector of booleans, ascending, as int64.

    The elements of blocks are counted and the counts added up on the device; how many there are in all is read, which
    waits for it.
    """
    if mask.size == 0:
        return empty((0,), INT64, mask.device)
    counts = compact(mask)
    blocks = counts.size
    if blocks == 1:
        before, count = index_range(1, mask.device), read(counts)  # that is 0
    else:
        sums = cumulative_sum(counts, include_initial=True)
        before, count = sums.view((blocks,), (1,)), read(sums.view((), (), blocks))
    places: Array = compact(mask, before, count=count)
    return places


def nonzero(x: Any, /) -> tuple[Any, ...]:
    """The indices of the elements that are not zero (NaN is not), in row-major order: an int64 vector for each axis.

    How many there are is read from the device, which the call waits for; so it cannot be traced. Raises ShapeError for
    an array without axes, ArgumentError.
    """
    (array,), restore = interop.adopt("nonzero", x=x)
    if not array.ndim:
        raise ShapeError("nonzero: x: expected an array with one axis or more, got one without axes")
    readable("nonzero", array)
    result: tuple[Any, ...] = restore(mask_positions(astype(array, BOOL, copy=False)))
    return result


def mask_positions(mask: Array) -> tuple[Array, ...]:
    """The positions of the true elements of a mask along each of its axes."""
    if mask.ndim == 1:
        return (true_places(mask),)
    places = true_places(reshape(mask, (mask.size,)))
    found = []
    for n in mask.shape[:0:-1]:
        found.append(fn.remainder(places, n) if n > 1 else fn.multiply(places, 0))
        places = fn.floor_divide(places, n) if n > 1 else places
    return (places, *found[::-1])

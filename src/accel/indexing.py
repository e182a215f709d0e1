"""Basic indexing: what ``x[key]`` means as a view, for integers, slices, at most one ellipsis, and None."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from .errors import ArgumentError, shown
from .layout import Shape


def has_arrays(key: Any) -> bool:
    """Whether a key has lists, or arrays with axes or of no integers, so that it selects elements and not a view."""
    for item in key if isinstance(key, tuple) else (key,):
        if isinstance(item, list) or (hasattr(item, "ndim") and not is_integer(item)):
            return True
    return False


def basic_index(key: Any, shape: Shape, strides: Shape) -> tuple[Shape, Shape, int]:
    """(shape, strides, offset in elements) of the view that a key selects. Raises IndexError, ArgumentError."""
    items = list(key) if isinstance(key, tuple) else [key]
    ellipses = [i for i, item in enumerate(items) if item is Ellipsis]
    if len(ellipses) > 1:
        raise IndexError("index: at most one ellipsis")
    consumed = sum(item is not None and item is not Ellipsis for item in items)
    if consumed > len(shape):
        raise IndexError(f"index: {consumed} indices for shape {shape}")
    at = ellipses[0] if ellipses else len(items)
    items[at : at + 1] = [slice(None)] * (len(shape) - consumed)
    new_shape, new_strides, offset, axis = [], [], 0, 0
    for item in items:
        if item is None:
            new_shape.append(1)
            new_strides.append(0)
            continue
        n, step = shape[axis], strides[axis]
        axis += 1
        if isinstance(item, slice):
            start, stop, by = _indices(item, n)
            count = len(range(start, stop, by))
            offset += start * step if count else 0
            new_shape.append(count)
            new_strides.append(step * max(-n, min(by, n)))  # longer steps select as much, but 2**63 is no stride
        elif is_integer(item):
            i = operator.index(item)
            if not -n <= i < n:
                raise IndexError(f"index: {shown(i)} is out of range for axis {axis - 1} of length {n}")
            offset += (i % n) * step
        else:
            raise ArgumentError(f"index: expected integers, slices, ... and None, got {type(item).__name__}")
    if 0 in new_shape:
        offset = 0
    return tuple(new_shape), tuple(new_strides), offset


def integer_axes(key: Any, ndim: int) -> list[int]:
    """The axes of a valid key's integers, in their order."""
    items, axis, found = key if isinstance(key, tuple) else (key,), 0, []
    for item in items:
        if item is Ellipsis:
            axis += ndim - sum(each is not None and each is not Ellipsis for each in items)
        elif item is not None:
            if not isinstance(item, slice):
                found.append(axis)
            axis += 1
    return found


def _indices(item: slice, n: int) -> tuple[int, int, int]:
    try:
        return item.indices(n)
    except TypeError as error:
        raise ArgumentError(f"index: {error}") from None
    except ValueError as error:  # a step of 0
        raise IndexError(f"index: {error}") from None


def is_integer(item: Any) -> bool:
    """Whether an item is an integer: Python's, NumPy's, or any library's integer array without axes. No boolean is."""
    if isinstance(item, (bool, np.bool_)) or not hasattr(item, "__index__"):
        return False
    if not hasattr(item, "ndim"):
        return True
    return item.ndim == 0 and getattr(item.dtype, "kind", "i") in "iu"

"""NumPy's functions beyond the standard that put arrays together, take them apart, or show them under other axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import interop
from ..arguments import integer, integers
from ..array import Array
from ..backends.base import Device
from ..creation import device_of
from ..dtypes import FLOAT32, as_dtype
from ..errors import ArgumentError, AxisError, ShapeError, shown
from ..memory import host_list
from ..view_memo import remembered
from .composed.movement import pad
from .concatenation import concat
from .manipulation import flip
from .pieces import filled, joined
from .primitive.pointwise import copy, fn
from .primitive.reduce import axis_of
from .primitive.reduce import sum as total
from .views import expand_dims, reshape, viewed

# arrays taken apart


def split(x: Any, /, indices_or_sections: int | Sequence[int], *, axis: int = 0) -> list[Any]:
    """Views of the parts along an axis: so many of one length, or those between places, which may lie beyond the end.

    Raises ShapeError where the length is no multiple, ArgumentError, AxisError.
    """
    return _split("split", x, indices_or_sections, axis)


def array_split(x: Any, /, indices_or_sections: int | Sequence[int], *, axis: int = 0) -> list[Any]:
    """`split` into any number of parts: the first ones are longer by one where the length is no multiple."""
    return _split("array_split", x, indices_or_sections, axis)


def _split(op: str, x: Any, given: Any, axis: int) -> list[Any]:
    array, restore = viewed(op, x)
    along = axis_of(op, "axis", axis, array.ndim)
    n, lead = array.shape[along], (slice(None),) * along
    if isinstance(given, (tuple, list)) or getattr(given, "ndim", 0):
        places = integers(op, "indices_or_sections", given if isinstance(given, (tuple, list)) else given.tolist())
        return [restore(array[(*lead, slice(a, b))]) for a, b in zip((0, *places), (*places, n), strict=True)]
    count = integer(op, "indices_or_sections", given)
    if count < 1:
        raise ArgumentError(f"{op}: indices_or_sections: expected at least one part, got {count}")
    if op == "split" and n % count:
        raise ShapeError(f"split: x: axis {along} of shape {array.shape} does not divide into {count} parts")
    parts = host_list(f"{op}: indices_or_sections", count)
    least, longer = divmod(n, count)
    for i in range(count):
        start = i * least + min(i, longer)
        parts[i] = restore(array[(*lead, slice(start, start + least + (i < longer)))])
    return parts


# and put together


def _sequence(op: str, arrays: Any) -> tuple[list[Array], interop.Restore]:
    if not isinstance(arrays, (tuple, list)) or not arrays:
        raise ArgumentError(f"{op}: arrays: expected a tuple or list of at least one array, got {shown(arrays)}")
    return interop.adopt(op, **{f"arrays[{i}]": x for i, x in enumerate(arrays)})


def hstack(arrays: Sequence[Any], /) -> Any:
    """Arrays one after the other along the second axis, or along the first where they have one or none."""
    parts, restore = _sequence("hstack", arrays)
    parts = [atleast_1d(x) for x in parts]
    return restore(concat(parts, axis=0 if parts[0].ndim == 1 else 1))


def vstack(arrays: Sequence[Any], /) -> Any:
    """Arrays one after the other along the first axis; one-dimensional ones are rows."""
    parts, restore = _sequence("vstack", arrays)
    return restore(concat([atleast_2d(x) for x in parts], axis=0))


def dstack(arrays: Sequence[Any], /) -> Any:
    """Arrays one after the other along the third axis, after `atleast_3d`."""
    parts, restore = _sequence("dstack", arrays)
    return restore(concat([atleast_3d(x) for x in parts], axis=2))


def column_stack(arrays: Sequence[Any], /) -> Any:
    """Arrays one after the other along the second axis; one-dimensional ones are columns."""
    parts, restore = _sequence("column_stack", arrays)
    return restore(concat([expand_dims(atleast_1d(x), axis=1) if x.ndim < 2 else x for x in parts], axis=1))


# views


NEW_AXES = {(1, 0): (0,), (2, 0): (0, 1), (2, 1): (0,), (3, 0): (0, 1, 2), (3, 1): (0, 2), (3, 2): (2,)}
"""Where the new axes are, by how many there shall be and how many there are."""


def _each(op: str, arrays: tuple[Any, ...], ndim: int) -> Any:
    """Views with so many axes at least: one array, or a tuple of several."""
    found = []
    for i, x in enumerate(arrays):
        array, restore = viewed(op, x, f"arrays[{i}]")
        found.append(restore(_widened(array, ndim)))
    return found[0] if len(found) == 1 else tuple(found)


@remembered
def _widened(x: Array, ndim: int) -> Any:
    return expand_dims(x, axis=NEW_AXES.get((ndim, x.ndim), ()))


def atleast_1d(*arrays: Any) -> Any:
    """Each array with one axis at least, as a view; a tuple where there are several."""
    return _each("atleast_1d", arrays, 1)


def atleast_2d(*arrays: Any) -> Any:
    """Each array with two axes at least, as a view: a one-dimensional one is a row. A tuple where there are several."""
    return _each("atleast_2d", arrays, 2)


def atleast_3d(*arrays: Any) -> Any:
    """Each array with three axes at least, as a view: (n,) becomes (1, n, 1), and (m, n) becomes (m, n, 1). A tuple
    where there are several."""
    return _each("atleast_3d", arrays, 3)


def ravel(x: Any, /) -> Any:
    """The elements in row-major order along one axis: a view where strides express it, else a copy."""
    return _ravel(x)


@remembered
def _ravel(x: Any) -> Any:
    array, restore = viewed("ravel", x)
    return restore(reshape(array, (array.size,)))


def swapaxes(x: Any, axis1: int, axis2: int, /) -> Any:
    """A view with two axes exchanged. Raises AxisError."""
    return _swapaxes(x, axis1, axis2)


@remembered
def _swapaxes(x: Any, axis1: Any, axis2: Any) -> Any:
    array, restore = viewed("swapaxes", x)
    order = list(range(array.ndim))
    a, b = axis_of("swapaxes", "axis1", axis1, array.ndim), axis_of("swapaxes", "axis2", axis2, array.ndim)
    order[a], order[b] = b, a
    return restore(array.permute(order))


def fliplr(x: Any, /) -> Any:
    """A view with the second axis in reverse order. Raises AxisError where there is none."""
    return flip(x, axis=1)


def flipud(x: Any, /) -> Any:
    """A view with the first axis in reverse order. Raises AxisError where there is none."""
    return flip(x, axis=0)


def rot90(x: Any, /, k: int = 1, *, axes: tuple[int, int] = (0, 1)) -> Any:
    """A view turned k times by 90 degrees, from the first of two axes towards the second. Raises AxisError,
    ArgumentError."""
    return _rot90(x, k, axes)


@remembered
def _rot90(x: Any, k: Any, axes: Any) -> Any:
    array, restore = viewed("rot90", x)
    given = integers("rot90", "axes", axes)
    if len(given) != 2:
        raise ArgumentError(f"rot90: axes: expected two axes, got {shown(axes)}")
    a, b = (axis_of("rot90", "axes", axis, array.ndim) for axis in given)
    if a == b:
        raise AxisError(f"rot90: axes: {shown(axes)} names an axis twice")
    turns = integer("rot90", "k", k) % 4
    order = list(range(array.ndim))
    order[a], order[b] = b, a
    if turns == 1:
        array = flip(array, axis=b).permute(order)
    elif turns == 2:
        array = flip(array, axis=(a, b))
    elif turns == 3:
        array = flip(array.permute(order), axis=b)
    return restore(array)


def diagonal(x: Any, /, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """A view of the diagonals of two axes, x[i, i + offset], along a last axis. `linalg.diagonal` has those of the last
    two axes. Raises AxisError."""
    return _diagonal(x, offset, axis1, axis2)


@remembered
def _diagonal(x: Any, offset: Any, axis1: Any, axis2: Any) -> Any:
    array, restore = viewed("diagonal", x)
    return restore(diagonals("diagonal", array, offset, axis1, axis2))


def diagonals(op: str, x: Array, offset: Any, axis1: Any, axis2: Any) -> Array:
    """A view of the diagonals of two axes, along a last axis. Raises AxisError, ArgumentError."""
    a, b = axis_of(op, "axis1", axis1, x.ndim), axis_of(op, "axis2", axis2, x.ndim)
    if a == b:
        raise AxisError(f"{op}: axis1, axis2: both are axis {a}")
    by, (m, n), (down, across) = integer(op, "offset", offset), *((v[a], v[b]) for v in (x.shape, x.strides))
    size = max(0, min(m, n - by) if by >= 0 else min(m + by, n))
    start = (by * across if by >= 0 else -by * down) if size else 0
    kept = [axis for axis in range(x.ndim) if axis not in (a, b)]
    shape, strides = (tuple(values[axis] for axis in kept) for values in (x.shape, x.strides))
    return x.view((*shape, size), (*strides, down + across), start)


# matrices


def trace(x: Any, /, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Any:
    """The sum of a `diagonal`, as `sum` adds. Raises AxisError, DtypeError."""
    (array,), restore = interop.adopt("trace", x=x)
    return restore(total(diagonals("trace", array, offset, axis1, axis2), axis=-1, dtype=dtype))


def diag(x: Any, /, k: int = 0) -> Any:
    """The k-th diagonal of a matrix, as a view; or a new matrix of zeros with a vector there. Raises ShapeError."""
    array, restore = viewed("diag", x)
    if array.ndim == 2:
        return restore(diagonals("diag", array, integer("diag", "k", k), 0, 1))
    (array,), restore = interop.adopt("diag", x=x)
    if array.ndim != 1:
        raise ShapeError(f"diag: x: expected one or two axes, got shape {array.shape}")
    by = integer("diag", "k", k)
    side = array.size + abs(by)
    start = by if by >= 0 else -by * side
    # Rows that are longer by one than the matrix's, and begin with an element: one after the other they are the matrix
    # from its first element on.
    spaced = reshape(pad(expand_dims(array, axis=1), ((0, 0), (0, side))), (-1,))[: side * side - start]
    if spaced.size < side * side:
        spaced = pad(spaced, (start, side * side - start - spaced.size))
    return restore(reshape(spaced, (side, side)))


def tri(
    n_rows: int, n_cols: int | None = None, /, k: int = 0, *, dtype: Any = None, device: str | Device | None = None
) -> Array:
    """Ones on the k-th diagonal and below, zeros above; float32 by default. Raises ShapeError."""
    rows = integer("tri", "n_rows", n_rows)
    columns = rows if n_cols is None else integer("tri", "n_cols", n_cols)
    if min(rows, columns) < 0:
        raise ShapeError(f"tri: expected no negative length, got {shown((rows, columns))}")
    by, wanted, where = integer("tri", "k", k), FLOAT32 if dtype is None else as_dtype(dtype), device_of(device)
    # An element depends on column - row alone: a vector, in which a step down goes one back.
    length = max(0, rows + columns - 1)
    ones = min(max(0, by + rows), length)
    line = joined([filled(1, (ones,), wanted, where), filled(0, (length - ones,), wanted, where)], 0)
    result: Array = copy(line.view((rows, columns), (-1, 1), rows - 1 if length else 0))
    return result


def outer(x1: Any, x2: Any, /) -> Any:
    """All products of elements, x1[i] * x2[j], both taken in row-major order. Raises DtypeError."""
    (a, b), restore = interop.arrays("outer", x1=x1, x2=x2)
    return restore(products(reshape(a, (a.size,)), reshape(b, (b.size,))))


def products(a: Array, b: Array) -> Array:
    """All products of elements of two vectors."""
    result: Array = fn.multiply(expand_dims(a, 1), expand_dims(b, 0))
    return result


def kron(x1: Any, x2: Any, /) -> Any:
    """The Kronecker product: every element of x1 times all of x2, in its place. Raises DtypeError."""
    (a, b), restore = interop.arrays("kron", x1=x1, x2=x2)
    ndim = max(a.ndim, b.ndim)
    a, b = (reshape(x, (1,) * (ndim - x.ndim) + x.shape) for x in (a, b))
    apart = fn.multiply(
        expand_dims(a, axis=tuple(range(1, 2 * ndim, 2))), expand_dims(b, axis=tuple(range(0, 2 * ndim, 2)))
    )
    return restore(reshape(apart, tuple(m * n for m, n in zip(a.shape, b.shape, strict=True))))


__all__ = [
    "array_split", "atleast_1d", "atleast_2d", "atleast_3d", "column_stack", "diag", "diagonal", "dstack", "fliplr",
    "flipud", "hstack", "kron", "outer", "ravel", "rot90", "split", "swapaxes", "trace", "tri", "vstack",
]  # fmt: skip

"""Views of arrays under other shapes: nothing is copied where strides can say it."""

from __future__ import annotations

from math import prod
from typing import Any

from .. import dispatch, interop
from ..arguments import REQUIRED, integers, refuse, switch, unshown
from ..array import Array
from ..devices import device as device_named
from ..errors import ShapeError, shown
from ..layout import Shape, broadcast_strides, reshaped, row_major
from ..layout import broadcast_shapes as _broadcast_shapes
from ..view_memo import remembered
from .primitive.pointwise import COPY
from .primitive.reduce import normalize_axes


def lengths(op: str, shape: Any) -> Shape:
    result = integers(op, "shape", shape)
    if any(n < 0 for n in result):
        raise ShapeError(f"{op}: shape: expected no negative length, got {shown(result)}")
    return result


def broadcast_shapes(*shapes: Shape) -> Shape:
    """The shape that these broadcast to. Raises ShapeError."""
    return _broadcast_shapes(*(lengths("broadcast_shapes", s) for s in shapes), what="broadcast_shapes")


def viewed(op: str, x: Any, argument: str = "x") -> tuple[Array, interop.Restore]:
    """x as an `Array` where it lies, and what turns a view of it back into x's kind. A view computes nothing, so an
    array of the host stays there, and shares its memory, whatever the default device is."""
    if type(x) is Array:
        return x, interop.unchanged
    library = interop.library(x)
    if library is None or library.device_of(x) is not None:
        (array,), restore = interop.adopt(op, **{argument: x})
        return array, restore
    return library.to_array(x, device_named("cpu"), f"{op}: {argument}"), lambda array: library.from_array(array, x)


def broadcast_to(x: Any, /, shape: int | Shape) -> Any:
    """x stretched to a shape, as a view (stride 0). Raises ShapeError."""
    return _broadcast_to(x, shape)


@remembered
def _broadcast_to(x: Any, shape: Any) -> Any:
    array, restore = viewed("broadcast_to", x)
    target = lengths("broadcast_to", shape)
    if _broadcast_shapes(array.shape, target, what="broadcast_to") != target:
        raise ShapeError(f"broadcast_to: {array.shape} does not broadcast to {shown(target)}")
    return restore(array.view(target, broadcast_strides(array.layout, target)))


def reshape(x: Any, /, shape: int | Shape, *, copy: bool | None = None) -> Any:
    """The same elements in row-major order under another shape; one length may be -1.

    A view of x wherever strides allow one, else a copy.
    copy: True always copies; False raises ValueError where a copy is needed. Raises ShapeError.
    """
    return _reshape(x, shape, copy)


@remembered
def _reshape(x: Any, shape: Any, copy: Any) -> Any:
    copy = switch("reshape", "copy", copy, none=True)
    array, restore = viewed("reshape", x)
    items = list(integers("reshape", "shape", shape))
    if items.count(-1) == 1:
        rest = prod(n for n in items if n != -1)
        if rest == 0 or array.size % rest:
            raise ShapeError(
                f"reshape: {array.shape} has {array.size} elements, which do not fill {shown(tuple(items))}"
            )
        items[items.index(-1)] = array.size // rest
    target = lengths("reshape", items)
    if prod(target) != array.size:
        raise ShapeError(f"reshape: {array.shape} has {array.size} elements, {shown(target)} has {shown(prod(target))}")
    strides = None if copy else reshaped(array.layout, target)
    if strides is None:
        if copy is False:
            raise ValueError(f"reshape: copy=False: strides {array.strides} of shape {array.shape} need a copy")
        array, strides = dispatch.call(COPY, (array,)), row_major(target)
    return restore(array.view(target, strides))


def permute_dims(x: Any, /, axes: Shape) -> Any:
    """The axes in another order, as a view. axes: a permutation of range(ndim). Raises ShapeError."""
    return _permute_dims(x, axes)


@remembered
def _permute_dims(x: Any, axes: Any) -> Any:
    array, restore = viewed("permute_dims", x)
    given = integers("permute_dims", "axes", axes)
    order = [a % array.ndim if -array.ndim <= a < array.ndim else a for a in given]
    if sorted(order) != list(range(array.ndim)):
        raise ShapeError(f"permute_dims: axes: {shown(given)} is not a permutation of {array.ndim} axes")
    return restore(array.permute(order))


def matrix_transpose(x: Any, /) -> Any:
    """The last two axes exchanged, as a view. Raises ShapeError for fewer than two axes."""
    return _matrix_transpose(x)


@remembered
def _matrix_transpose(x: Any) -> Any:
    array, restore = viewed("matrix_transpose", x)
    return restore(array.mT)


@unshown
def expand_dims(x: Any, /, axis: int | tuple[int, ...] = REQUIRED, **others: Any) -> Any:
    """New axes of length 1, as a view. axis: where they are in the result. Raises AxisError, ArgumentError."""
    if others or axis is REQUIRED:
        refuse("expand_dims", others, "axis")
    return _expand_dims(x, axis)


@remembered
def _expand_dims(x: Any, axis: Any) -> Any:
    array, restore = viewed("expand_dims", x)
    given = integers("expand_dims", "axis", axis)
    ndim = array.ndim + len(given)
    axes = normalize_axes("expand_dims", given, ndim)
    old = iter(zip(array.shape, array.strides, strict=True))
    pairs = [(1, 0) if a in axes else next(old) for a in range(ndim)]
    return restore(array.view(tuple(n for n, _ in pairs), tuple(step for _, step in pairs)))


@unshown
def squeeze(x: Any, /, axis: int | tuple[int, ...] = REQUIRED, **others: Any) -> Any:
    """Without axes of length 1, as a view. Raises AxisError, and ShapeError for an axis of another length."""
    if others or axis is REQUIRED:
        refuse("squeeze", others, "axis")
    return _squeeze(x, axis)


@remembered
def _squeeze(x: Any, axis: Any) -> Any:
    array, restore = viewed("squeeze", x)
    axes = normalize_axes("squeeze", axis, array.ndim)
    if any(array.shape[a] != 1 for a in axes):
        raise ShapeError(f"squeeze: axis: {shown(axis)} of shape {array.shape} has a length other than 1")
    keep = [a for a in range(array.ndim) if a not in axes]
    return restore(array.view(tuple(array.shape[a] for a in keep), tuple(array.strides[a] for a in keep)))

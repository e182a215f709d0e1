"""Arrays one after the other: `concat` and `stack`, ops of the primitive ``join``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate
from typing import Any

from .. import dispatch, interop
from ..arguments import integer, refuse, unshown
from ..dtypes import TABLE, promote
from ..errors import ArgumentError, ShapeError, shown
from ..layout import Layout, Shape, layout, reshaped
from . import bounds
from .parameters import Join
from .primitive.pointwise import astype
from .primitive.reduce import normalize_axes
from .spec import Inferred, OpSpec, Seen
from .views import reshape

Axis = int | tuple[int] | None
"""The axis along which arrays stand; in a tuple: one that the result has and they do not. None: that of all elements,
in row-major order."""


class Numbered(tuple[str, ...]):
    """Names of as many operands as there are."""

    __slots__ = ()

    def __getitem__(self, part: Any) -> Any:
        return tuple(f"arrays[{i}]" for i in range(part.stop))


def _infer(op: str, inputs: tuple[Layout, ...], axis: int) -> Inferred:
    first = inputs[0].shape
    if not first:
        raise ShapeError(f"{op}: arrays[0]: expected at least one axis, got shape (); use stack, or axis=None")
    (along,) = normalize_axes(op, axis, len(first))
    for i, x in enumerate(inputs):
        if x.ndim != len(first) or any(
            n != m for a, (n, m) in enumerate(zip(x.shape, first, strict=True)) if a != along
        ):
            raise ShapeError(f"{op}: arrays[{i}]: has shape {x.shape}, arrays[0] {first}; only axis {along} may differ")
    ends = list(accumulate((x.shape[along] for x in inputs), initial=0))
    shape = (*first[:along], ends[-1], *first[along + 1 :])
    starts = tuple(tuple(at if a == along else 0 for a in range(len(first))) for at in ends[:-1])
    return Inferred(((shape, inputs[0].dtype),), Join(shape, starts))


def _adapt(op: str, inputs: tuple[Layout, ...], axis: Axis) -> Seen | Callable[..., Any] | None:
    """Operands of one dtype that have the axis."""
    common = promote(*(x.dtype for x in inputs))
    if any(x.dtype is not common for x in inputs):
        return lambda *arrays: dispatch.call(SPECS[op], [astype(x, common, copy=False) for x in arrays], axis)
    if isinstance(axis, tuple):
        return _with_new_axis(op, inputs, *axis)
    if axis is not None:
        return None
    strides = [reshaped(x, (x.size,)) if x.size else (1,) for x in inputs]
    if None in strides:
        return lambda *arrays: dispatch.call(SPECS[op], [reshape(x, (x.size,)) for x in arrays], 0)
    flat = tuple(layout(x.dtype, (x.size,), s, x.device) for x, s in zip(inputs, strides, strict=True))
    return Seen(flat, 0, (sum(x.size for x in flat),))


def _with_new_axis(op: str, inputs: tuple[Layout, ...], axis: int) -> Seen:
    first = inputs[0].shape
    for i, x in enumerate(inputs):
        if x.shape != first:
            raise ShapeError(f"{op}: arrays[{i}]: has shape {x.shape}, arrays[0] {first}")
    (at,) = normalize_axes(op, axis, len(first) + 1)

    def widened(values: Shape, new: int) -> Shape:
        return (*values[:at], new, *values[at:])

    wide = tuple(layout(x.dtype, widened(x.shape, 1), widened(x.strides, 0), x.device) for x in inputs)
    return Seen(wide, at, widened(first, len(inputs)))


def _unnamed(*_: Any) -> Any:
    raise NotImplementedError("what tests compare with is that of the primitive's own op")


SPECS = {
    op: OpSpec(
        name=op,
        primitive="join",
        summary=summary,
        function=_unnamed,
        infer=partial(_infer, op),
        adapt=partial(_adapt, op),
        canonical=_unnamed,
        reference=_unnamed,
        bound=bounds.none,
        bits=lambda dtype, numerics: "exact",
        samples=_unnamed,
        dtypes=tuple(TABLE.values()),
        arguments=Numbered(),
        namespace="internal",
    )
    for op, summary in (("concat", "arrays one after the other"), ("stack", "arrays along a new axis"))
}
"""Not in the op table, whose ops have a fixed number of operands; tests there are those of ``join``."""


def _entered(op: str, arrays: Any, axis: Axis) -> Any:
    if not isinstance(arrays, (tuple, list)) or not arrays:
        raise ArgumentError(f"{op}: arrays: expected a tuple or list of at least one array, got {shown(arrays)}")
    return interop.enter(SPECS[op], tuple(arrays), axis)


@unshown
def concat(arrays: Sequence[Any], /, *, axis: int | None = 0, **others: Any) -> Any:
    """Arrays one after the other along an axis that they have; their dtypes promote.

    axis: None puts all elements, in row-major order, along one axis.
    Raises ShapeError where other axes differ, AxisError, ArgumentError, DeviceError.
    """
    if others:
        refuse("concat", others)
    return _entered("concat", arrays, None if axis is None else integer("concat", "axis", axis))


@unshown
def stack(arrays: Sequence[Any], /, *, axis: int = 0, **others: Any) -> Any:
    """Arrays of one shape along a new axis; their dtypes promote. axis: where the new one is in the result.

    Raises ShapeError, AxisError, ArgumentError, DeviceError.
    """
    if others:
        refuse("stack", others)
    return _entered("stack", arrays, (integer("stack", "axis", axis),))

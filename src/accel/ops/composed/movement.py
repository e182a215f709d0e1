"""Elements moved along axes, and put around others."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from ...arguments import integer, integers, word
from ...array import Array
from ...dtypes import TABLE, DType, check_scalar
from ...errors import ArgumentError, ShapeError, shown
from ...layout import Shape
from ..compose import MovedOperand, composed
from ..pieces import Segment, boxed, filled, of_segments
from ..primitive.reduce import normalize_axes
from ..views import reshape
from . import exact_movement


def examples(name: str, dtype: DType) -> Any:
    """Those of an op of this file."""
    from ...testing import movement_family

    return movement_family.FAMILIES[name](dtype)


@composed(
    reference=exact_movement.roll,
    samples=partial(examples, "roll"),
    namespace="",
    dtypes=tuple(TABLE.values()),
    exact=True,
)
def roll(x: MovedOperand, /, shift: int | tuple[int, ...], *, axis: int | tuple[int, ...] | None = None) -> Array:
    """Elements moved towards higher places along axes; those that leave the end come in at the beginning.

    shift: how far, an integer, or one for each of several axes. axis: None moves the elements in row-major order, under
    the same shape. Raises AxisError, ArgumentError.
    """
    if axis is None:
        return reshape(_rolled(reshape(x, (x.size,)), [integer("roll", "shift", shift)]), x.shape)
    axes, by = integers("roll", "axis", axis), integers("roll", "shift", shift)
    if len(by) == 1:
        by = by * len(axes)
    elif len(axes) == 1:
        axes = axes * len(by)
    if len(by) != len(axes):
        raise ArgumentError(f"roll: shift: expected one for each of {len(axes)} axes, got {len(by)}")
    shifts = [0] * x.ndim
    for a, n in zip(axes, by, strict=True):
        shifts[normalize_axes("roll", a, x.ndim)[0]] += n
    return _rolled(x, shifts)


def _rolled(x: Array, shifts: list[int]) -> Array:
    segments: list[list[Segment]] = []
    for n, shift in zip(x.shape, shifts, strict=True):
        at = -shift % n if n else 0
        segments.append([(at, n - at, 1), (0, at, 1)] if at else [(0, n, 1)])
    return of_segments(x, segments)


MODES = ("constant", "edge", "reflect", "symmetric", "wrap")

Widths = list[tuple[int, int]]
"""How many elements are added before and after, by axis."""


@composed(
    reference=exact_movement.pad,
    samples=partial(examples, "pad"),
    namespace="",
    dtypes=tuple(TABLE.values()),
    exact=True,
)
def pad(x: MovedOperand, /, pad_width: Any, mode: str = "constant", *, constant_values: Any = None) -> Array:
    """The array with elements added before and after along each axis. The function is NumPy's, without the modes that
    compute.

    pad_width: one width for all; a pair (before, after) for all axes; or a pair for each axis.
    mode: ``constant``, with constant_values (0 unless given; of the same forms as pad_width; where axes meet the last
    one's counts), ``edge``, with the outermost elements, ``reflect`` and ``symmetric``, with the elements mirrored
    without and with the outermost ones, ``wrap``, with those from the other end.
    Raises ArgumentError, RangeError for a constant that the dtype does not hold, and ShapeError where an axis without
    elements would be continued.
    """
    widths = _widths(pad_width, x.ndim)
    how = word("pad", "mode", mode, MODES)
    if how == "constant":
        return _constant(x, widths, _constants(constant_values, x))
    if constant_values is not None:
        raise ArgumentError(f"pad: constant_values: mode {how!r} takes none, got {shown(constant_values)}")
    for axis, (n, width) in enumerate(zip(x.shape, widths, strict=True)):
        if n == 0 and any(width):
            raise ShapeError(f"pad: x: axis {axis} of shape {x.shape} has no element that mode {how!r} could repeat")
    return of_segments(x, [_segments(how, n, *width) for n, width in zip(x.shape, widths, strict=True)])


def _pairs(argument: str, given: Any, ndim: int, kinds: str, expected: str) -> np.ndarray:
    """Pairs by axis, of what stands for all of them. Raises ArgumentError."""
    try:
        values = np.asarray(given)
        pairs = np.broadcast_to(values, (ndim, 2))
    except ValueError:
        raise ArgumentError(
            f"pad: {argument}: expected {expected}, a pair or a pair for each of {ndim} axes, got {shown(given)}"
        ) from None
    if values.dtype.kind not in kinds:
        raise ArgumentError(f"pad: {argument}: expected {expected} or pairs of them, got {shown(given)}")
    return pairs


def _widths(given: Any, ndim: int) -> Widths:
    widths = [(int(before), int(after)) for before, after in _pairs("pad_width", given, ndim, "iu", "an integer")]
    if any(width < 0 for pair in widths for width in pair):
        raise ArgumentError(f"pad: pad_width: expected 0 or more, got {shown(given)}")
    return widths


def _constants(given: Any, x: Array) -> list[list[Any]]:
    pairs: list[list[Any]] = _pairs(
        "constant_values", 0 if given is None else given, x.ndim, "biufc", "a number"
    ).tolist()
    for pair in pairs:
        for value in pair:
            check_scalar(value, x.dtype, "pad: constant_values")
    return pairs


def _constant(x: Array, widths: Widths, constants: list[list[Any]]) -> Array:
    """The operand in the middle, and two slabs for each axis."""
    starts, shape = tuple(w[0] for w in widths), tuple(n + sum(w) for n, w in zip(x.shape, widths, strict=True))
    equal = len({(type(value), repr(value)) for pair in constants for value in pair}) <= 1
    order = range(x.ndim)[:: 1 if equal else -1]  # where it makes no difference the slabs of the first axes are whole
    boxes: list[tuple[Shape, Array]] = []
    first, last = [0] * x.ndim, list(shape)  # what is not filled yet
    for axis in order:
        inner = (starts[axis], starts[axis] + x.shape[axis])
        for value, low, high in zip(constants[axis], (0, inner[1]), (inner[0], shape[axis]), strict=True):
            begins = (*first[:axis], low, *first[axis + 1 :])
            ends = (*last[:axis], high, *last[axis + 1 :])
            lengths = tuple(end - begin for begin, end in zip(begins, ends, strict=True))
            boxes.append((begins, filled(value, lengths, x.dtype, x.device)))
        first[axis], last[axis] = inner
    return boxed(shape, [*boxes, (starts, x)])


def _segments(mode: str, n: int, before: int, after: int) -> list[Segment]:
    """What an axis of n elements becomes."""
    if mode == "edge" or (mode == "reflect" and n == 1):
        found: list[Segment] = [(0, before, 0), (0, n, 1), (n - 1, after, 0)]
    else:
        found = [*_repeated(mode, n, -before, 0), (0, n, 1), *_repeated(mode, n, n, n + after)]
    return [segment for segment in found if segment[1]] or [(0, 0, 1)]


def _repeated(mode: str, n: int, begin: int, end: int) -> Iterator[Segment]:
    """The elements at the places from begin to end of an axis that goes on without end: blocks of n elements, or of
    n - 1 where they share their ends, of which every second one is turned round unless they wrap."""
    length = n - 1 if mode == "reflect" else n
    while begin < end:
        block = begin // length
        stop = min(end, (block + 1) * length)
        place = begin - block * length
        if mode == "wrap" or block % 2 == 0:
            yield place, stop - begin, 1
        else:
            yield n - 1 - place, stop - begin, -1
        begin = stop

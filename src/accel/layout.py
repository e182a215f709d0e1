"""How an array lies in memory, as one interned object, so that layouts compare by identity and serve as cache keys."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from .cache import Cache
from .dtypes import DType
from .errors import ShapeError, SizeError, shown
from .memory import Device

Shape = tuple[int, ...]

MAX_AXES = 64
"""As many axes as NumPy's arrays and the C++ kernels have."""

INTERNED: Cache[tuple[DType, Shape, Shape | None, Device], Layout] = Cache(1 << 12)
"""Layouts by dtype, shape, strides (None: row-major) and device. One that was forgotten while an array has it gets a
double, which is harmless: what is found by a layout's identity is made once more."""


class Layout:
    """dtype, shape, strides (in elements) and device of an array. Made by `layout` only.

    size: number of elements. contiguous: row-major without gaps (strides of axes of length 1 do not count).
    """

    __slots__ = ("contiguous", "device", "dtype", "ndim", "shape", "size", "strides")

    def __init__(self, dtype: DType, shape: Shape, strides: Shape, device: Device) -> None:
        self.dtype, self.shape, self.strides, self.device = dtype, shape, strides, device
        self.ndim = len(shape)
        self.size = prod(shape)
        if self.ndim > MAX_AXES:
            raise ShapeError(f"an array has at most {MAX_AXES} axes, not {self.ndim}")
        check_size(shape, dtype)
        dense = row_major(shape)
        self.contiguous = (
            strides == dense
            or self.size == 0
            or all(have == want for have, want, n in zip(strides, dense, shape, strict=True) if n > 1)
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return layout, (self.dtype, self.shape, self.strides, self.device)

    def __copy__(self) -> Layout:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Layout:
        return self

    def __repr__(self) -> str:
        return f"Layout({self.dtype}, shape={self.shape}, strides={self.strides}, device={self.device})"


def check_size(shape: Shape, dtype: DType) -> None:
    """Raises SizeError where strides in bytes may not fit, also where there is nothing."""
    if prod(n for n in shape if n) * dtype.itemsize >= 1 << 63:
        raise SizeError(f"shape {shown(shape)} of {dtype} has more bytes than 63 bits count")


def row_major(shape: Shape) -> Shape:
    """Strides, in elements, of a row-major array without gaps."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= n if n else 1
    return tuple(reversed(strides))


def layout(dtype: DType, shape: Shape, strides: Shape | None, device: Device) -> Layout:
    """The one Layout object of these values; strides None means row-major."""
    key = (dtype, shape, strides, device)
    found = INTERNED.get(key)
    if found is None:
        found = INTERNED.find(key)
    if found is None:
        if strides is None:
            found = layout(dtype, shape, row_major(shape), device)
        else:
            found = Layout(dtype, shape, strides, device)
        found = INTERNED.keep_first(key, found)
    return found


def common_order(layouts: Sequence[Layout], shape: Shape) -> tuple[int, ...] | None:
    """The axes from the longest stride to the shortest, where all layouts of that shape lie alike, without gaps and not
    row-major; else None."""
    full = [x for x in layouts if x.shape == shape]
    if not full or full[0].contiguous or any(x.strides != full[0].strides for x in full):
        return None
    order = tuple(sorted(range(len(shape)), key=lambda axis: -full[0].strides[axis]))
    return order if permuted(full[0], order).contiguous else None


def result_layout(inputs: Sequence[Layout], shape: Shape, dtype: DType, keeps_order: bool) -> Layout:
    """How a fresh result lies: row-major, or, where it keeps their order, as the operands do that lie alike."""
    device = inputs[0].device
    order = common_order(inputs, shape) if keeps_order else None
    if order is None:
        return layout(dtype, shape, None, device)
    rows = layout(dtype, tuple(shape[axis] for axis in order), None, device)
    return permuted(rows, tuple(order.index(axis) for axis in range(len(order))))


def permuted(source: Layout, order: tuple[int, ...]) -> Layout:
    """The layout with its axes in another order."""
    shape, strides = (tuple(values[axis] for axis in order) for values in (source.shape, source.strides))
    return layout(source.dtype, shape, strides, source.device)


def stretched(its: Layout) -> bool:
    """Whether several elements are one in memory, as after broadcast_to."""
    return (
        0 in its.strides and its.size > 0 and any(s == 0 and n > 1 for n, s in zip(its.shape, its.strides, strict=True))
    )


def span(shape: Shape, strides: Shape) -> tuple[int, int]:
    """Lowest and one past the highest element offset that an array touches, relative to its first element."""
    if 0 in shape:
        return 0, 0
    low = sum(min(0, (n - 1) * s) for n, s in zip(shape, strides, strict=True))
    high = sum(max(0, (n - 1) * s) for n, s in zip(shape, strides, strict=True))
    return low, high + 1


def replaced(shape: Shape, axis: int, n: int) -> Shape:
    """A shape, or what has a number for each axis, with another number for one."""
    return (*shape[:axis], n, *shape[axis + 1 :])


def broadcast_shapes(*shapes: Shape, what: str = "operands") -> Shape:
    """The shape that these broadcast to. Raises ShapeError, which prints them all."""
    ndim = max(map(len, shapes), default=0)
    result = []
    for axis in range(-ndim, 0):
        sizes = {shape[axis] for shape in shapes if len(shape) >= -axis} - {1}
        if len(sizes) > 1:
            every = ", ".join(map(shown, shapes))
            raise ShapeError(f"{what}: shapes {every} do not broadcast (axis {axis} has {shown(sorted(sizes))})")
        result.append(sizes.pop() if sizes else 1)
    return tuple(result)


def broadcast_strides(source: Layout, shape: Shape) -> Shape:
    """Strides with which a layout is read as if it had a shape that it broadcasts to: 0 along every stretched axis."""
    if source.shape == shape:
        return source.strides
    missing = len(shape) - source.ndim
    return (0,) * missing + tuple(
        0 if have == 1 and want != 1 else step
        for have, want, step in zip(source.shape, shape[missing:], source.strides, strict=True)
    )


def collapse(shape: Shape, strides: Sequence[Shape]) -> tuple[Shape, list[Shape]]:
    """The same elements in the same order with as few axes as possible: axes of length 1 go, neighbours that every
    operand walks with one step become one axis. shape must have no 0; strides: one tuple per operand, of the shape's
    length."""
    kept = [axis for axis, n in enumerate(shape) if n != 1]
    lengths: list[int] = []
    steps: list[list[int]] = [[] for _ in strides]
    for axis in kept:
        if lengths and all(row[-1] == s[axis] * shape[axis] for row, s in zip(steps, strides, strict=True)):
            lengths[-1] *= shape[axis]
            for row, s in zip(steps, strides, strict=True):
                row[-1] = s[axis]
        else:
            lengths.append(shape[axis])
            for row, s in zip(steps, strides, strict=True):
                row.append(s[axis])
    return tuple(lengths), [tuple(row) for row in steps]


def reshaped(source: Layout, shape: Shape) -> Shape | None:
    """Strides under which a layout's elements, in row-major order, have another shape of as many elements; None where
    no strides do that."""
    if source.contiguous:
        return row_major(shape)
    lengths, (steps,) = collapse(source.shape, (source.strides,))
    axes = list(zip(lengths, steps, strict=True))
    left, step = 1, steps[-1]  # of the axis that is being divided: how much of it is left, and its next stride
    strides = []
    for n in reversed(shape):
        if n > 1 and left == 1:
            left, step = axes.pop()
        if left % n:
            return None
        strides.append(step)
        left, step = left // n, step * n
    return tuple(reversed(strides))

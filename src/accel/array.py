"""`accel.Array`: a buffer on a device, an offset into it, a layout. Views share the buffer; nothing moves silently.

What computes, converts or moves is attached from above: operators by operators.py, the protocols of Python, NumPy and
the array API standard by protocols.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from types import EllipsisType
from typing import Any

from . import _core
from .dtypes import DType
from .errors import ArgumentError, ShapeError
from .indexing import basic_index, has_arrays, integer_axes
from .layout import Layout, Shape, layout
from .memory import Device
from .view_memo import remembered, remembered_index

Index = int | slice | EllipsisType | None


def _matrix_transpose(x: Array) -> Array:
    if x.ndim < 2:
        raise ShapeError(f"mT: expected at least two axes, got shape {x.shape}")
    *batch, m, n = range(x.ndim)
    return x.permute((*batch, n, m))


def _transpose(x: Array) -> Array:
    if x.ndim != 2:
        raise ShapeError(f"T: expected two axes, got shape {x.shape}; use mT or permute_dims")
    return x.mT


def _item(x: Array, key: Any) -> Array:
    if has_arrays(key):
        return x.selected(key)  # type: ignore[attr-defined, no-any-return]
    return x.view(*basic_index(key, x.shape, x.strides))


_indexed = remembered_index(_item, integer_axes)


class Array:
    """An n-dimensional array on one device.

    Made by `accel.asarray`, `accel.from_dlpack`, the creation functions and every operation; not by its constructor.
    Strides are in elements. Follows the Python array API standard; converts to NumPy with ``np.asarray(x)`` and to any
    library with DLPack, without a copy where the memory is the host's.
    """

    __slots__ = ("__weakref__", "buffer", "layout", "offset")
    __array_priority__ = 1000  # NumPy's operators leave mixed expressions to ours
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, buffer: Any, offset: int, its_layout: Layout) -> None:
        self.buffer, self.offset, self.layout = buffer, offset, its_layout

    # attributes

    @property
    def dtype(self) -> DType:
        """The dtype of the elements."""
        return self.layout.dtype

    @property
    def shape(self) -> Shape:
        """Lengths of the axes."""
        return self.layout.shape

    @property
    def strides(self) -> Shape:
        """Steps from one element to the next along each axis, in elements."""
        return self.layout.strides

    @property
    def device(self) -> Device:
        """The device that holds the elements and computes on them."""
        return self.layout.device

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.layout.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.layout.size

    @property
    def nbytes(self) -> int:
        """Bytes of the elements, gaps not counted."""
        return self.layout.size * self.layout.dtype.itemsize

    T = property(remembered(_transpose), doc="The transpose of a two-dimensional array, as a view.")
    mT = property(remembered(_matrix_transpose), doc="The last two axes exchanged, as a view.")

    # views

    def view(self, shape: Shape, strides: Shape, offset: int = 0) -> Array:
        """The same buffer under another shape and strides; the caller answers for the bounds."""
        return Array(self.buffer, self.offset + offset, layout(self.dtype, shape, strides, self.device))

    def permute(self, axes: Sequence[int]) -> Array:
        """The axes in another order, as a view."""
        return self.view(tuple(self.shape[a] for a in axes), tuple(self.strides[a] for a in axes))

    def __getitem__(self, key: Any) -> Array:
        if type(key) is Array and key.layout.shape:
            return self.selected(key)  # type: ignore[attr-defined, no-any-return]
        view: Array = _indexed(self, key)
        return view

    def __len__(self) -> int:
        if not self.shape:
            raise ArgumentError("len() of an array without axes")
        return self.shape[0]

    def __iter__(self) -> Iterator[Array]:
        n, rows = len(self), layout(self.dtype, self.shape[1:], self.strides[1:], self.device)
        step = self.strides[0]
        offsets = range(self.offset, self.offset + n * step, step) if step else repeat(self.offset, n)
        return map(_core.view, repeat(self.buffer), offsets, repeat(rows))


class Symbol:
    """The buffer of an array that has no memory: it stands for a value while a function is traced."""

    __slots__ = ("tracer",)

    def __init__(self, tracer: Any) -> None:
        self.tracer = tracer

    def unreadable(self) -> str:
        """Why there are no elements."""
        if self.tracer.over:
            return "an array of a traced function has no elements now that its trace is over"
        where = self.tracer.where()
        return f"elements cannot be read while a function is traced, as they are not computed yet{where}"


class Pair(Symbol):
    """The buffer of a complex array whose parts lie apart: as they are while a function is traced, or before a result
    has its memory.

    re, im: real arrays of one layout. scale: their strides, in those of the first array on this buffer.
    """

    __slots__ = ("im", "re", "scale")

    def __init__(self, re: Array, im: Array, scale: int = 1) -> None:
        super().__init__(getattr(re.buffer, "tracer", None) or getattr(im.buffer, "tracer", None))
        self.re, self.im, self.scale = re, im, scale

    def parts(self, x: Array) -> tuple[Array, Array]:
        """The real and imaginary parts of an array on this buffer, as views."""
        strides, offset = tuple(step * self.scale for step in x.strides), x.offset * self.scale
        return self.re.view(x.shape, strides, offset), self.im.view(x.shape, strides, offset)


_core.register_array(Array, Symbol)


def is_readonly(x: Array) -> bool:
    """Whether nobody may write to an array's memory. Of one that has none the dispatcher says what is wrong."""
    return not isinstance(x.buffer, Symbol) and x.device.readonly(x.buffer)


def empty(shape: Shape, dtype: DType, device: Device) -> Array:
    """A row-major array whose elements are whatever was in memory."""
    its_layout = layout(dtype, shape, None, device)
    return Array(device.allocate(max(1, its_layout.size * dtype.itemsize)), 0, its_layout)

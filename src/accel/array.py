"""`accel.Array`: a buffer on a device, an offset into it, a layout. Views share the buffer; nothing moves silently."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from types import EllipsisType, ModuleType
from typing import Any

import numpy as np

from . import _core, registry
from .backends.base import Device, HostBuffer, address_of
from .dtypes import FLOAT64, TABLE, DType, as_dtype
from .errors import AccelError, ArgumentError, DeviceError, ShapeError
from .indexing import basic_index
from .layout import Layout, Shape, layout, span
from .operators import binary, check_writable, operator, stretched, unary

Index = int | slice | EllipsisType | None


class Array:
    """An n-dimensional array on one device.

    Made by `accel.asarray`, `accel.from_dlpack`, the creation functions and every operation; not by its constructor.
    Strides are in elements. Follows the Python array API standard; converts to NumPy with ``np.asarray(x)`` and to any
    library with DLPack, without a copy where the memory is the host's.
    """

    __slots__ = ("__weakref__", "buffer", "layout", "offset")
    __array_priority__ = 1000  # NumPy's operators leave mixed expressions to ours

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

    @property
    def T(self) -> Array:
        """The transpose of a two-dimensional array, as a view."""
        if self.ndim != 2:
            raise ShapeError(f"T: expected two axes, got shape {self.shape}; use mT or permute_dims")
        return self.mT

    @property
    def mT(self) -> Array:
        """The last two axes exchanged, as a view."""
        if self.ndim < 2:
            raise ShapeError(f"mT: expected at least two axes, got shape {self.shape}")
        *batch, m, n = range(self.ndim)
        return self.permute((*batch, n, m))

    # views

    def view(self, shape: Shape, strides: Shape, offset: int = 0) -> Array:
        """The same buffer under another shape and strides; the caller answers for the bounds."""
        return Array(self.buffer, self.offset + offset, layout(self.dtype, shape, strides, self.device))

    def permute(self, axes: Sequence[int]) -> Array:
        """The axes in another order, as a view."""
        return self.view(tuple(self.shape[a] for a in axes), tuple(self.strides[a] for a in axes))

    def __getitem__(self, key: Index | tuple[Index, ...]) -> Array:
        shape, strides, offset = basic_index(key, self.shape, self.strides)
        return self.view(shape, strides, offset)

    def __setitem__(self, key: Index | tuple[Index, ...], value: Any) -> None:
        target = self[key]
        check_writable("x[...] = value", target)
        registry.OPS["copy"].function(value, out=target)

    def contiguous(self) -> Array:
        """The array itself where it is row-major without gaps, else a copy that is."""
        return self if self.layout.contiguous else registry.OPS["copy"].function(self)

    # moving

    def to_device(self, device: str | Device, /, *, stream: Any = None) -> Array:
        """The elements on another device; the array itself where it lives there already."""
        from .devices import device as device_of

        if stream is not None:
            raise ArgumentError("stream: accel orders the work on a device itself; expected None")
        target = device_of(device)
        return self if target is self.device else from_numpy(to_numpy(self), target, copy=True)

    def __copy__(self) -> Array:
        return registry.OPS["copy"].function(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Array:
        return self.__copy__()

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (to_numpy(self), str(self.device))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        result = to_numpy(self)
        if dtype is not None and result.dtype != dtype:
            if copy is False:
                raise ValueError(f"copy=False: {self.dtype} cannot become {dtype} without a copy")
            return result.astype(dtype)
        if copy is False and not self.device.host:
            raise ValueError(f"copy=False: the elements are on {self.device} and must be copied to the host")
        return result.copy() if copy and self.device.host else result

    def __array_namespace__(self, *, api_version: str | None = None) -> ModuleType:
        if api_version not in (None, "2021.12", "2022.12", "2023.12", "2024.12", "2025.12"):
            raise ValueError(f"api_version: {api_version!r} is not a version of the array API standard up to 2025.12")
        import accel

        return accel

    def __dlpack__(
        self, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: bool | None = None
    ) -> Any:
        from .interop import dlpack

        return dlpack.export(self, stream=stream, max_version=max_version, dl_device=dl_device, copy=copy)

    def __dlpack_device__(self) -> tuple[int, int]:
        from .interop import dlpack

        return dlpack.device_of(self)

    # scalars and text

    def item(self) -> bool | int | float:
        """The one element as a Python scalar."""
        if self.size != 1:
            raise ShapeError(f"item: expected one element, got shape {self.shape}")
        return to_numpy(self).reshape(()).astype(object if self.dtype.kind != "f" else float).item()

    def __bool__(self) -> bool:
        return bool(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __index__(self) -> int:
        if self.dtype.kind not in "iu" or self.shape:
            raise ArgumentError(
                f"expected an integer array without axes as an index, got {self.dtype}, shape {self.shape}"
            )
        return int(self.item())

    def __len__(self) -> int:
        if not self.shape:
            raise ArgumentError("len() of an array without axes")
        return self.shape[0]

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        text = np.array2string(to_numpy(self), separator=", ", prefix="accel.Array(")
        shape = f", shape={self.shape}" if self.size == 0 else ""
        return f"accel.Array({text}, dtype={self.dtype}{shape}, device={str(self.device)!r})"

    # operators

    __hash__ = None  # type: ignore[assignment]
    __add__, __radd__, __iadd__ = operator("add")
    __sub__, __rsub__, __isub__ = operator("subtract")
    __mul__, __rmul__, __imul__ = operator("multiply")
    __truediv__, __rtruediv__, __itruediv__ = operator("divide")
    __floordiv__, __rfloordiv__, __ifloordiv__ = operator("floor_divide")
    __mod__, __rmod__, __imod__ = operator("remainder")
    __pow__, __rpow__, __ipow__ = operator("pow")
    __matmul__, __rmatmul__, __imatmul__ = operator("matmul")
    __and__, __rand__, __iand__ = operator("bitwise_and")
    __or__, __ror__, __ior__ = operator("bitwise_or")
    __xor__, __rxor__, __ixor__ = operator("bitwise_xor")
    __lshift__, __rlshift__, __ilshift__ = operator("bitwise_left_shift")
    __rshift__, __rrshift__, __irshift__ = operator("bitwise_right_shift")
    __eq__, __ne__ = binary("equal"), binary("not_equal")  # type: ignore[assignment]
    __lt__, __le__ = binary("less"), binary("less_equal")
    __gt__, __ge__ = binary("greater"), binary("greater_equal")
    __neg__, __pos__, __abs__ = unary("negative"), unary("positive"), unary("abs")
    __invert__ = unary("bitwise_invert")


_core.register_array(Array)


def _unpickled(elements: np.ndarray, device_name: str) -> Array:
    from .devices import device as device_of

    try:
        target = device_of(device_name)
    except AccelError as error:
        raise DeviceError(
            f"unpickling: the array was on {device_name}, which is not here ({error}); pickle x.to_device('cpu')"
        ) from error
    return from_numpy(elements, target, copy=True)


def empty(shape: Shape, dtype: DType, device: Device) -> Array:
    """A row-major array whose elements are whatever was in memory."""
    its_layout = layout(dtype, shape, None, device)
    return Array(device.allocate(max(1, its_layout.size * dtype.itemsize)), 0, its_layout)


BY_NUMPY = {row.numpy: row for row in TABLE.values()}
"""The dtypes by NumPy's, in the byte order of this machine."""


def from_numpy(source: np.ndarray, device: Device, copy: bool = False, argument: str = "array") -> Array:
    """A NumPy array's elements on a device: without a copy where the device's memory is the host's, unless copy.

    Swapped bytes, misaligned elements, and strides that are no multiple of the element's size need a copy everywhere.
    """
    dtype = BY_NUMPY.get(source.dtype)
    if dtype is None:
        dtype, copy = as_dtype(source.dtype, argument), True
    flags = source.flags
    if device.host and not copy and flags.aligned:
        if flags.c_contiguous:
            buffer = HostBuffer(address_of(source), source.nbytes, source, not flags.writeable)
            return Array(buffer, 0, layout(dtype, source.shape, None, device))
        size, steps = dtype.itemsize, source.strides
        if all(step % size == 0 for step in steps):
            strides = tuple(step // size for step in steps)
            low, high = span(source.shape, strides)
            buffer = HostBuffer(address_of(source) + low * size, (high - low) * size, source, not flags.writeable)
            return Array(buffer, -low, layout(dtype, source.shape, strides, device))
    result = empty(source.shape, dtype, device)
    if source.size:
        dense = np.ascontiguousarray(source, dtype.numpy)
        device.copy_in(result.buffer, 0, dense.reshape(-1).view(np.uint8))
    return result


def to_numpy(array: Array) -> np.ndarray:
    """The elements as a NumPy array: a view where the memory is the host's, else a copy.

    The view cannot be written to where the memory cannot, or where several elements are one in memory, as in NumPy.
    """
    dtype = array.dtype.numpy
    if array.size == 0:
        return np.empty(array.shape, dtype)
    if array.device.host:
        array.device.synchronize()
        its_layout, buffer, size = array.layout, array.buffer, dtype.itemsize
        steps = None if its_layout.contiguous else tuple(s * size for s in its_layout.strides)
        view = np.ndarray(its_layout.shape, dtype, buffer, array.offset * size, steps)
        if steps is not None and stretched(array):
            view.flags.writeable = False
        return view
    dense = array.contiguous()
    raw = dense.device.copy_out(dense.buffer, dense.offset * dtype.itemsize, dense.nbytes)
    return raw.view(dtype).reshape(array.shape)


_constants: dict[tuple[Any, ...], Array] = {}


def constant(value: bool | int | float, dtype: DType, device: Device) -> Array:
    """A Python scalar as a read-only array without axes, kept on the device for the next use. Raises DtypeError."""
    # -0.0 equals 0.0 and NaN no key, so these go by their text
    key = (value if value and value == value else repr(value), type(value), dtype, id(device))
    found = _constants.get(key)
    if found is None or found.device is not device:
        if len(_constants) >= 1024:
            _constants.clear()
        found = _constants[key] = from_numpy(_element(value, dtype), device, copy=True)
        if device.host:
            found.buffer.readonly = True
    return found


def _element(value: bool | int | float, dtype: DType) -> np.ndarray:
    """A Python scalar in a dtype, rounded once. Integers beyond 64 bits are rounded to float64 first."""
    with np.errstate(all="ignore"):
        if isinstance(value, bool) or (isinstance(value, int) and dtype.kind in "iu") or dtype is FLOAT64:
            return np.array(value, dtype.numpy)
        if isinstance(value, int) and not -(2**63) <= value < 2**64:
            value = float(value) if abs(value) < 2**1023 else inf if value > 0 else -inf
        return cast_on_host(np.array(value), dtype)


def cast_on_host(source: np.ndarray, dtype: DType) -> np.ndarray:
    """A NumPy array in a dtype as astype casts it: by NumPy where that is the same, else by the cast's own program.

    NumPy rounds twice on the way to 16-bit floats, and leaves floats outside an integer's range to the processor.
    """
    if source.dtype == dtype.numpy:
        return source
    if (
        dtype.kind == "b"
        or (dtype.kind == "f" and dtype.itemsize > 2)
        or (dtype.kind in "iu" and source.dtype.kind in "biu")
    ):
        with np.errstate(all="ignore"):
            return source.astype(dtype.numpy)
    from .ops.pointwise import cast_program
    from .scalar.evaluate import evaluate

    made = evaluate(cast_program(as_dtype(source.dtype), dtype), np.atleast_1d(source))
    return np.asarray(made, dtype.numpy).reshape(source.shape)

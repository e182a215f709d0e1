"""What an `Array` answers to Python, NumPy, DLPack and the array API standard: copies, moves, scalars and text."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from . import _core, registry
from ._core import FloatEnvironment
from .array import Array, Index
from .composition import RECORDER
from .conversion import from_numpy, lent, read, to_numpy
from .creation import asarray
from .devices import device as device_of
from .dtypes import BY_NUMPY
from .errors import AccelError, ArgumentError, DeviceError, ShapeError
from .indexing import has_arrays
from .interop import dlpack, is_scalar
from .memory import Device
from .operators import check_writable
from .ops.primitive.pointwise import assign
from .ops.selection import ASSIGNMENT, assign_selected, selected


def attached(method: Callable[..., Any]) -> Callable[..., Any]:
    """The function, also as the method of `Array` that has its name."""
    method.__qualname__ = f"Array.{method.__name__}"
    setattr(Array, method.__name__, method)
    return method


attached(selected)


@attached
def __setitem__(self: Array, key: Index | tuple[Index, ...], value: Any) -> None:
    """Stores numbers, an array of any kind, or (nested) lists, cast to the array's dtype and broadcast to x[key]. Where
    a key's arrays name an element several times, the last value stays.

    Into integers a fraction is cut off, as astype does: what is lost is precision, as in every rounding. NaN, an
    infinity and a number outside the dtype's range would lose all they say, and raise RangeError.
    """
    if RECORDER.get() is None and _core.store(self, key, value):
        return
    if isinstance(value, np.generic) and value.dtype in BY_NUMPY:
        value = value.item()
    elif isinstance(value, (list, tuple)):
        value = asarray(value, dtype=self.dtype, device=self.device)
    if (type(key) is Array and key.ndim) or has_arrays(key):
        assign_selected(self, key, value)
        return
    target = self[key]
    check_writable(ASSIGNMENT, target)
    assign(ASSIGNMENT, "value", value, target)


@attached
def contiguous(self: Array) -> Array:
    """The array itself where it is row-major without gaps, else a copy that is."""
    return self if self.layout.contiguous else registry.OPS["copy"].function(self)


@attached
def to_device(self: Array, device: str | Device, /, *, stream: Any = None) -> Array:
    """The elements on another device; the array itself where it lives there already."""
    if stream is not None:
        raise ArgumentError("stream: accel orders the work on a device itself; expected None")
    target = device_of(device)
    return self if target is self.device else from_numpy(to_numpy(self), target, copy=True)


@attached
def __copy__(self: Array) -> Array:
    return registry.OPS["copy"].function(self)


@attached
def __deepcopy__(self: Array, memo: dict[int, Any]) -> Array:
    return self.__copy__()


@attached
def __reduce__(self: Array) -> tuple[Any, ...]:
    return _unpickled, (to_numpy(self), str(self.device))


@attached
def __array__(self: Array, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
    if copy is False:
        if dtype is not None and self.dtype.numpy != dtype:
            raise ValueError(f"copy=False: {self.dtype} cannot become {dtype} without a copy")
        if (view := lent(self)) is None:
            raise ValueError(f"copy=False: the elements are on {self.device} and must be copied to the host")
        return view
    result = to_numpy(self)
    if dtype is not None and result.dtype != dtype:
        with FloatEnvironment():
            return result.astype(dtype)
    return result.copy() if copy and self.device.host else result


@attached
def __array_namespace__(self: Array, *, api_version: str | None = None) -> ModuleType:
    if api_version not in (None, "2021.12", "2022.12", "2023.12", "2024.12", "2025.12"):
        raise ValueError(f"api_version: {api_version!r} is not a version of the array API standard up to 2025.12")
    return sys.modules[__package__]


@attached
def __dlpack__(
    self: Array, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: bool | None = None
) -> Any:
    return dlpack.export(self, stream=stream, max_version=max_version, dl_device=dl_device, copy=copy)


@attached
def __dlpack_device__(self: Array) -> tuple[int, int]:
    return dlpack.device_of(self)


@attached
def item(self: Array) -> bool | int | float | complex:
    """The one element as a Python scalar."""
    if self.size != 1:
        raise ShapeError(f"item: expected one element, got shape {self.shape}")
    return read(self)


@attached
def __contains__(self: Array, value: Any) -> bool:
    """Whether an element equals a value: what ``value in x`` means."""
    if self.size == 0:
        return False
    with FloatEnvironment():
        return _contains(self, value)


def _contains(self: Array, value: Any) -> bool:
    if is_scalar(value) and self.dtype.kind in "iu" and not isinstance(value, complex):
        if not math.isfinite(value) or value != math.trunc(value):
            return False
        value = math.trunc(value)  # a float would have the integers compared as floats
        low, high = np.iinfo(self.dtype.numpy).min, np.iinfo(self.dtype.numpy).max
        if not low <= value <= high:
            return False
    found = registry.OPS["equal"].function(self, value)
    return bool(to_numpy(registry.OPS["any"].function(found)))


@attached
def __format__(self: Array, spec: str) -> str:
    """The one element by a format such as ``.2f``; without one, the array's text."""
    if not spec:
        return str(self)
    if self.shape:
        raise ArgumentError(f"format: {spec!r}: expected an array without axes, got shape {self.shape}")
    with FloatEnvironment():
        return format(self.item(), spec)


@attached
def __bool__(self: Array) -> bool:
    with FloatEnvironment():
        return bool(self.item())


@attached
def __int__(self: Array) -> int:
    return int(self.item())


@attached
def __float__(self: Array) -> float:
    return float(self.item())


@attached
def __complex__(self: Array) -> complex:
    return complex(self.item())


@attached
def __index__(self: Array) -> int:
    if self.dtype.kind not in "iu" or self.shape:
        raise ArgumentError(f"expected an integer array without axes as an index, got {self.dtype}, shape {self.shape}")
    return int(self.item())


@attached
def __repr__(self: Array) -> str:
    with FloatEnvironment():
        text = np.array2string(to_numpy(self), separator=", ", prefix="accel.Array(")
    shape = f", shape={self.shape}" if self.size == 0 else ""
    return f"accel.Array({text}, dtype={self.dtype}{shape}, device={str(self.device)!r})"


def _unpickled(elements: np.ndarray, device_name: str) -> Array:
    try:
        target = device_of(device_name)
    except AccelError as error:
        raise DeviceError(
            f"unpickling: the array was on {device_name}, which is not here ({error}); pickle x.to_device('cpu')"
        ) from error
    return from_numpy(elements, target, copy=True)

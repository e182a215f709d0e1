"""Between NumPy and `Array`: elements in and out, Python scalars as constants, and casts on the host as accel's are."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np

from .array import Array, empty
from .cache import Cache
from .dtypes import FLOAT64, TABLE, DType, as_dtype
from .layout import layout, span, stretched
from .memory import Device, HostBuffer, address_of
from .scalar import program_for

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
    store(source, result)
    return result


def store(source: np.ndarray, out: Array) -> None:
    """Writes elements, of out's shape, to out's own memory, whatever its strides.

    Uses the device's copies and no op, so that it serves where an op cannot run. What lies between out's elements is
    written again as it was.
    """
    if out.size == 0:
        return
    if out.device.host:
        on_host(out)[...] = source
        return
    low, high = span(out.shape, out.strides)
    if out.layout.contiguous:
        raw = np.ascontiguousarray(source, out.dtype.numpy).reshape(-1).view(np.uint8)
    else:
        gapless = high - low == out.size and not stretched(out.layout)
        raw = np.empty(out.nbytes, np.uint8) if gapless else _copied_out(out, low, high).copy()
        _placed(raw, -low, out)[...] = source
    out.device.copy_in(out.buffer, (out.offset + low) * out.dtype.itemsize, raw)


def to_numpy(array: Array) -> np.ndarray:
    """The elements as a NumPy array: a view where the memory is the host's, else a copy.

    The view cannot be written to where the memory cannot, or where several elements are one in memory, as in NumPy.
    """
    view = on_host(array)
    if not array.device.host:
        return np.asarray(view, order="C")
    if not array.layout.contiguous and stretched(array.layout):
        view.flags.writeable = False
    return view


def on_host(array: Array) -> np.ndarray:
    """The elements under the array's own strides: a view where the memory is the host's, else of a copy of the bytes
    from the first element to the last. Uses no op."""
    if array.size == 0:
        return np.empty(array.shape, array.dtype.numpy)
    if array.device.host:
        array.device.synchronize()
        return _placed(array.buffer, array.offset, array)
    low, high = span(array.shape, array.strides)
    return _placed(_copied_out(array, low, high), -low, array)


def _copied_out(array: Array, low: int, high: int) -> np.ndarray:
    """Bytes of a device: of the elements from low up to high, relative to the array's first one."""
    size = array.dtype.itemsize
    return array.device.copy_out(array.buffer, (array.offset + low) * size, (high - low) * size)


def _placed(memory: Any, offset: int, array: Array) -> np.ndarray:
    """A view of host memory as an array lies; offset: of its first element, in elements."""
    its_layout, size = array.layout, array.dtype.itemsize
    steps = None if its_layout.contiguous else tuple(step * size for step in its_layout.strides)
    return np.ndarray(its_layout.shape, array.dtype.numpy, memory, offset * size, steps)


_constants: Cache[tuple[Any, ...], Array] = Cache(512)


def constant(value: bool | int | float, dtype: DType, device: Device) -> Array:
    """A Python scalar as a read-only array without axes, kept on the device for the next use. Raises DtypeError."""
    # -0.0 equals 0.0 and NaN no key, so these go by their text
    key = (value if value and value == value else repr(value), type(value), dtype, id(device))
    found = _constants.find(key)
    if found is None or found.device is not device:
        found = from_numpy(_element(value, dtype), device, copy=True)
        if device.host:
            found.buffer.readonly = True
        _constants.keep(key, found)
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
    from .scalar.evaluate import evaluate

    program = program_for("cast", (as_dtype(source.dtype).name,), dtype.name)
    made = evaluate(program, np.atleast_1d(source))
    return np.asarray(made, dtype.numpy).reshape(source.shape)

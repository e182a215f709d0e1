"""Between NumPy and `Array`: elements in and out, Python scalars as constants, and casts on the host as accel's are."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np

from .array import Array, empty
from .dtypes import FLOAT64, TABLE, DType, as_dtype
from .layout import layout, span, stretched
from .memory import Device, HostBuffer, address_of
from .scalar import program_for
from .scalar.evaluate import evaluate

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
        if steps is not None and stretched(its_layout):
            view.flags.writeable = False
        return view
    size, (low, high) = dtype.itemsize, span(array.shape, array.strides)
    raw = array.device.copy_out(array.buffer, (array.offset + low) * size, (high - low) * size)
    if array.layout.contiguous:
        return raw.view(dtype).reshape(array.shape)
    steps = tuple(step * size for step in array.strides)
    return np.ascontiguousarray(np.ndarray(array.shape, dtype, raw, -low * size, steps))


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
    program = program_for("cast", (as_dtype(source.dtype).name,), dtype.name)
    made = evaluate(program, np.atleast_1d(source))
    return np.asarray(made, dtype.numpy).reshape(source.shape)

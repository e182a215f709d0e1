"""NumPy arrays and NumPy scalars at accel's door."""

from __future__ import annotations

import numpy as np

from ..array import Array
from ..backends.base import Device
from ..conversion import cast_on_host, constant, from_numpy, number, to_numpy
from ..dtypes import as_dtype
from ..errors import ArgumentError


def to_array(value: np.ndarray | np.generic, home: Device, argument: str) -> Array:
    """A NumPy array's elements on a device, shared where it has the host's memory.

    Subclasses are refused, as their meaning (a mask, units, a matrix product for ``*``) would be lost; memmap has none.
    Raises ArgumentError, and DtypeError for dtypes that accel does not have.
    """
    if isinstance(value, np.generic):
        dtype = as_dtype(value.dtype, argument)
        # a constant is kept for later calls: on the host, a view of it could be the result of this one
        return from_numpy(np.asarray(value), home) if home.host else constant(number(value), dtype, home)
    return from_numpy(plain(value, argument), home, argument=argument)


def plain(value: np.ndarray, argument: str) -> np.ndarray:
    """The array itself if it is no subclass with a meaning of its own. Raises ArgumentError."""
    if type(value) in (np.ndarray, np.memmap):
        return value
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    if isinstance(value, np.ma.MaskedArray):
        raise ArgumentError(f"{argument}: a masked array ({kind}) would lose its mask; pass x.filled(value) or x.data")
    raise ArgumentError(f"{argument}: expected a plain NumPy array, got its subclass {kind}; pass numpy.asarray(x)")


def from_array(array: Array, example: np.ndarray) -> np.ndarray:
    """The result of a call on NumPy arrays, as one of them."""
    return to_numpy(array)


def overwrite(value: np.ndarray, array: Array) -> None:
    """The elements of an array of its shape into a NumPy array, cast to its dtype."""
    value[...] = cast_on_host(to_numpy(array), as_dtype(value.dtype))


def device_of(value: np.ndarray | np.generic) -> Device | None:
    """None: NumPy's arrays are in the host's memory."""
    return None

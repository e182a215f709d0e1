"""The array API standard's creation functions whose elements are computed: ranges, diagonals, grids and triangles.

Ranges are computed on the host, integers exactly and floats in float64, rounded once to the dtype, and then copied: the
bits are the same on every device.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from . import interop
from ._core import FloatEnvironment
from .array import Array
from .backends.base import Device
from .conversion import cast_on_host, from_numpy, number
from .creation import broadcast_to, expand_dims
from .devices import default_device
from .devices import device as device_named
from .dtypes import FLOAT32, INT64, DType, as_dtype, check_scalar
from .errors import ArgumentError, DtypeError, ShapeError
from .layout import broadcast_shapes
from .registry import OPS


def _number(op: str, argument: str, value: Any) -> int | float:
    """A Python integer or float, or an array of one of them."""
    if isinstance(value, (Array, np.generic)):
        value = number(value) if isinstance(value, np.generic) else value.item()
    if not isinstance(value, (int, float)):
        raise ArgumentError(f"{op}: {argument}: expected a number, got {type(value).__name__}")
    return value


def _count(op: str, argument: str, value: Any) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise ArgumentError(f"{op}: {argument}: expected an integer, got {value!r}") from None


def _placed(elements: np.ndarray, dtype: DType, device: str | Device | None) -> Array:
    target = default_device() if device is None else device_named(device)
    return from_numpy(cast_on_host(elements, dtype), target, copy=not target.host)


def arange(
    start: int | float,
    /,
    stop: int | float | None = None,
    step: int | float = 1,
    *,
    dtype: Any = None,
    device: str | Device | None = None,
) -> Array:
    """start + i * step for i = 0, 1…, ceil((stop - start) / step) of them or none; arange(n) starts at 0.

    dtype: int64 by default if all are integers, else float32. Raises ArgumentError, ShapeError for a step of 0 or a
    range without end, DtypeError for integers that the dtype does not hold.
    """
    first, last = (0, start) if stop is None else (start, stop)
    first, last, by = (_number("arange", n, v) for n, v in (("start", first), ("stop", last), ("step", step)))
    if by == 0 or not all(math.isfinite(x) for x in (first, last, by)):
        raise ShapeError(f"arange: {first} to {last} by {by} has no end")
    whole = all(isinstance(x, int) for x in (first, last, by))
    wanted = (INT64 if whole else FLOAT32) if dtype is None else as_dtype(dtype)
    if not whole:
        with FloatEnvironment():
            n = max(0, math.ceil((last - first) / by))
            made = first + np.arange(n) * float(by)
        return _placed(made, wanted, device)
    n = len(range(first, last, by))
    for end in (first, first + (n - 1) * by) if n else ():
        check_scalar(end, wanted if wanted.kind in "iu" else INT64, "arange")
    # modulo 2**64, so that every int64 and uint64 range is exact
    words = np.arange(n, dtype=np.uint64) * np.uint64(by % 2**64) + np.uint64(first % 2**64)
    return _placed(words if wanted.name == "uint64" else words.view(np.int64), wanted, device)


def linspace(
    start: int | float,
    stop: int | float,
    /,
    num: int,
    *,
    dtype: Any = None,
    device: str | Device | None = None,
    endpoint: bool = True,
) -> Array:
    """num numbers, evenly spaced from start to stop, which is the last of them if endpoint; float32 by default.

    Raises ArgumentError, ShapeError for a negative num, DtypeError for a dtype that is not floating.
    """
    first, last = float(_number("linspace", "start", start)), float(_number("linspace", "stop", stop))
    n = _count("linspace", "num", num)
    wanted = FLOAT32 if dtype is None else as_dtype(dtype)
    if n < 0:
        raise ShapeError(f"linspace: num: expected no negative number, got {n}")
    if wanted.kind != "f":
        raise DtypeError(f"linspace: dtype: expected a floating dtype, got {wanted}")
    with FloatEnvironment(), np.errstate(all="ignore"):
        made = first + np.arange(n) * np.float64((last - first) / max(1, n - 1 if endpoint else n))
    if endpoint and n > 1:
        made[-1] = last
    return _placed(made, wanted, device)


def eye(
    n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: Any = None, device: str | Device | None = None
) -> Array:
    """Ones on the k-th diagonal (k > 0: above the main one), zeros elsewhere; float32 by default. Raises ShapeError."""
    rows = _count("eye", "n_rows", n_rows)
    columns = rows if n_cols is None else _count("eye", "n_cols", n_cols)
    if min(rows, columns) < 0:
        raise ShapeError(f"eye: expected no negative length, got {(rows, columns)}")
    wanted = FLOAT32 if dtype is None else as_dtype(dtype)
    return _placed(_diagonal(rows, columns, _count("eye", "k", k), np.equal), wanted, device)


def _diagonal(rows: int, columns: int, k: int, compare: Any) -> np.ndarray:
    """compare(column, row + k), shape (rows, columns), bool."""
    return compare(np.arange(columns)[None, :], np.arange(rows)[:, None] + k)


def _triangle(op: str, x: Any, k: int, compare: Any) -> Any:
    (array,), restore = interop.adopt(op, x=x)
    if array.ndim < 2:
        raise ShapeError(f"{op}: x: expected at least two axes, got shape {array.shape}")
    kept = from_numpy(_diagonal(*array.shape[-2:], _count(op, "k", k), compare), array.device)
    return restore(OPS["where"].function(kept, array, False if array.dtype.kind == "b" else 0))


def tril(x: Any, /, *, k: int = 0) -> Any:
    """x with zeros above the k-th diagonal of its last two axes. Raises ShapeError for fewer than two axes."""
    return _triangle("tril", x, k, np.less_equal)


def triu(x: Any, /, *, k: int = 0) -> Any:
    """x with zeros below the k-th diagonal of its last two axes. Raises ShapeError for fewer than two axes."""
    return _triangle("triu", x, k, np.greater_equal)


def broadcast_arrays(*arrays: Any) -> tuple[Any, ...]:
    """The arrays stretched to the shape that they broadcast to, as views. Raises ShapeError."""
    adopted = [interop.adopt("broadcast_arrays", **{f"arrays[{i}]": x}) for i, x in enumerate(arrays)]
    shape = broadcast_shapes(*(array.shape for (array,), _ in adopted), what="broadcast_arrays")
    return tuple(restore(broadcast_to(array, shape)) for (array,), restore in adopted)


def meshgrid(*arrays: Any, indexing: str = "xy") -> tuple[Any, ...]:
    """The coordinates of a grid, from one-dimensional arrays of lengths n0, n1, …, as views.

    They have shape (n0, n1, …) for indexing "ij", (n1, n0, …) for "xy". Raises ShapeError, ArgumentError.
    """
    if indexing not in ("xy", "ij"):
        raise ArgumentError(f"meshgrid: indexing: expected 'xy' or 'ij', got {indexing!r}")
    adopted = [interop.adopt("meshgrid", **{f"arrays[{i}]": x}) for i, x in enumerate(arrays)]
    if any(array.ndim != 1 for (array,), _ in adopted):
        raise ShapeError(f"meshgrid: expected arrays of one axis, got {[array.shape for (array,), _ in adopted]}")
    axes = list(range(len(arrays)))
    if indexing == "xy" and len(axes) > 1:
        axes[:2] = 1, 0
    shape = [0] * len(axes)
    for ((array,), _), axis in zip(adopted, axes, strict=True):
        shape[axis] = array.size
    made = []
    for ((array,), restore), axis in zip(adopted, axes, strict=True):
        for _ in range(len(axes) - 1 - axis):
            array = expand_dims(array, axis=array.ndim)
        made.append(restore(broadcast_to(array, tuple(shape))))
    return tuple(made)


__all__ = ["arange", "broadcast_arrays", "eye", "linspace", "meshgrid", "tril", "triu"]

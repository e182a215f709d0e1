"""Making arrays, and looking at the same elements under another shape."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from . import array as arrays
from . import dispatch, interop
from ._core import FloatEnvironment
from .arguments import REQUIRED, integers, refuse, switch, unshown
from .array import Array
from .conversion import (
    cast_on_host,
    constant,
    element,
    from_blocks,
    from_numpy,
    nearest,
    number,
    to_numpy,
    whole_numbers,
)
from .devices import default_device
from .devices import device as device_named
from .dtypes import BOOL, FLOAT32, FLOAT64, INT64, UINT64, DType, as_dtype, check_scalar
from .errors import ArgumentError, ShapeError, shown
from .interop import dlpack
from .interop import numpy as numpy_arrays
from .layout import Shape, broadcast_strides, reshaped, row_major
from .layout import broadcast_shapes as _broadcast_shapes
from .memory import Device, host_memory_for
from .ops.pointwise import COPY, astype
from .ops.reduce import normalize_axes


def _shape(op: str, shape: Any) -> Shape:
    result = integers(op, "shape", shape)
    if any(n < 0 for n in result):
        raise ShapeError(f"{op}: shape: expected no negative length, got {shown(result)}")
    return result


def device_of(device: str | Device | None) -> Device:
    """The device that an argument names; None: the default one."""
    return default_device() if device is None else device_named(device)


def asarray(obj: Any, /, *, dtype: Any = None, device: str | Device | None = None, copy: bool | None = None) -> Array:
    """obj as an `Array`: an array of any library, a Python scalar, nested sequences of scalars, or a buffer.

    Without a copy where memory and dtype allow it, unless copy is True; copy=False raises ValueError where one is due.
    device: by default where an array lives already, the default device for the host's memory.
    Python floats become float32, integers int64. A torch tensor's memory cannot be resized while it is shared.
    Raises ArgumentError, DtypeError, DeviceError, OutOfMemoryError.
    """
    copy = switch("asarray", "copy", copy, none=True)
    wanted = None if dtype is None else as_dtype(dtype)
    target = None if device is None else device_named(device)
    found, fresh = (obj, False) if isinstance(obj, Array) else _foreign(obj, wanted, target)
    if target is not None and found.device is not target:
        found, fresh = found.to_device(target), True
    if wanted is not None and found.dtype is not wanted:
        found, fresh = astype(found, wanted), True
    if copy is False and fresh:
        raise ValueError(f"asarray: copy=False: obj must be copied to have it as {found.dtype} on {found.device}")
    return dispatch.call(COPY, (found,)) if copy and not fresh else found


def _foreign(obj: Any, wanted: DType | None, target: Device | None) -> tuple[Array, bool]:
    """obj as an `Array`, on the target where it is in the host's memory, and whether the memory is new."""
    home = default_device() if target is None else target
    library = interop.library(obj)
    if library is not None and library is not numpy_arrays:
        found = library.to_array(obj, home, "asarray: obj")
        fresh = library.device_of(obj) is None and getattr(found.buffer, "owner", None) is not obj
        library.hold(found)
        return found, fresh
    if library is None and hasattr(obj, "__dlpack__"):
        found = from_dlpack(obj)
        if not found.device.host:
            return found, False
        host, fresh = np.asarray(found), False
    elif isinstance(obj, range) and obj and _words_hold(obj):
        return _from_range(obj, INT64 if wanted is None else wanted, home), True
    else:
        host, fresh = _host(obj, wanted, library)
    if wanted is not None and home.missing(as_dtype(host.dtype, "asarray: obj").name) is not None:
        host, fresh = np.asarray(astype(from_numpy(host, device_named("cpu")), wanted)), True
    found = from_numpy(host, home, argument="asarray: obj")
    return found, fresh or getattr(found.buffer, "owner", None) is not host


def _host(obj: Any, wanted: DType | None, library: Any) -> tuple[np.ndarray, bool]:
    """obj as a NumPy array, and whether the memory is new."""
    if isinstance(obj, np.ndarray):
        return numpy_arrays.plain(obj, "asarray: obj"), False
    if isinstance(obj, np.generic):
        return np.asarray(obj), True
    if isinstance(obj, (bool, int, float, list, tuple, range)):
        with host_memory_for("asarray: obj"):
            return _from_python(obj, wanted), True
    try:
        return np.asarray(memoryview(obj)), False
    except TypeError:
        if hasattr(obj, "__array__") or hasattr(obj, "__array_interface__"):
            return numpy_arrays.plain(np.asarray(obj), "asarray: obj"), False
    raise ArgumentError(
        "asarray: obj: expected an array, a number, nested sequences of numbers or a buffer, got "
        f"{type(obj).__module__}.{type(obj).__qualname__}"
    )


def _words_hold(numbers: range) -> bool:
    """Whether int64 or uint64 holds all numbers of a range."""
    ends = numbers[0], numbers[-1]
    return min(ends) >= (0 if max(ends) >= 2**63 else -(2**63)) and max(ends) < 2**64


def _from_range(numbers: range, dtype: DType, home: Device) -> Array:
    for end in (numbers[0], numbers[-1]):
        check_scalar(end, dtype, "asarray: obj")
    words = UINT64 if max(numbers[0], numbers[-1]) >= 2**63 else INT64
    n = -((numbers.start - numbers.stop) // numbers.step)  # len() counts to 2**63
    return from_blocks(n, dtype, home, whole_numbers(numbers.start, numbers.step, words))


def _from_python(obj: Any, wanted: DType | None) -> np.ndarray:
    """Numbers, or nested sequences of them, in the wanted dtype, else their own if they have one, else their kind's."""
    if isinstance(obj, (bool, int, float)):
        target = natural_dtype(obj) if wanted is None else wanted
        check_scalar(obj, target, "asarray: obj")
        return element(obj, target)
    obj = _read(obj)
    try:
        with FloatEnvironment():  # NumPy scalars of several dtypes are promoted
            made = np.asarray(obj)
    except ValueError as error:
        raise ArgumentError(f"asarray: obj: {error}") from None
    asked = wanted or _own_dtype(obj, made)
    large = made.dtype == np.float64 and asked is not FLOAT64 and (np.abs(made) >= 2**53).any()
    if large or made.dtype == object:  # integers were rounded, or will be
        numbers = [n.item() if isinstance(n, np.generic) else n for n in np.asarray(obj, object).flat]
        if all(isinstance(n, (int, float)) for n in numbers):
            natural = FLOAT32 if any(isinstance(n, float) for n in numbers) else INT64
            return _each(numbers, asked or natural).reshape(made.shape)
    if made.dtype.kind not in "biuf":
        raise ArgumentError(f"asarray: obj: expected numbers that a dtype of accel holds, got {shown(obj)}")
    target = asked or _NATURAL[made.dtype.kind]
    if target.kind in "iu" and made.dtype.kind in "iuf" and made.size:
        for end in (made.max(), made.min()):  # NaN where there is one
            check_scalar(number(end), target, "asarray: obj")
    return cast_on_host(made, target)


def _own_dtype(obj: Any, made: np.ndarray) -> DType | None:
    """The dtype that NumPy gave nested sequences whose first element has one."""
    first = obj
    while isinstance(first, (list, tuple)) and first:
        first = first[0]
    return as_dtype(made.dtype) if hasattr(first, "dtype") and made.dtype != object else None


def _each(numbers: list[int | float], dtype: DType) -> np.ndarray:
    """Numbers among which are integers that float64 does not hold, each rounded once. Raises RangeError."""
    whole = [isinstance(n, int) for n in numbers]
    if dtype.kind == "f":
        floats = [nearest(n, dtype) if is_whole else n for n, is_whole in zip(numbers, whole, strict=True)]
        return cast_on_host(np.array(floats, np.float64), dtype)
    floats = [1.0 * bool(n) if is_whole else n for n, is_whole in zip(numbers, whole, strict=True)]
    for n in numbers:
        check_scalar(n, dtype, "asarray: obj")
    made = cast_on_host(np.array(floats, np.float64), dtype)
    if dtype.kind != "b" and any(whole):
        integers = [int(n) for n, is_whole in zip(numbers, whole, strict=True) if is_whole]
        made[whole] = np.array(integers, dtype.numpy)
    return made


def _read(obj: Any) -> Any:
    """Nested sequences with the elements of the host's foreign arrays in place of these: NumPy would read whatever
    their addresses say."""
    if isinstance(obj, (list, tuple)):
        return obj if set(map(type, obj)) <= _NUMBERS else [_read(x) for x in obj]
    library = interop.library(obj)
    if library in (None, numpy_arrays) or library.device_of(obj) is not None:
        return obj
    return to_numpy(library.to_array(obj, device_of("cpu"), "asarray: obj"))


_NUMBERS = {bool, int, float}
_NATURAL = {"b": BOOL, "i": INT64, "u": INT64, "f": FLOAT32}


def natural_dtype(value: bool | int | float) -> DType:
    """The dtype of a Python scalar that is on its own."""
    return BOOL if isinstance(value, bool) else INT64 if isinstance(value, int) else FLOAT32


def from_dlpack(x: Any, /, *, device: str | Device | None = None, copy: bool | None = None) -> Array:
    """An array of any library that speaks DLPack, sharing its memory where the device allows it, unless copy is True.

    device: by default where x lives. Raises DeviceError where no backend reaches that memory, BufferError where
    copy=False cannot be met.
    """
    copy = switch("from_dlpack", "copy", copy, none=True)
    return dlpack.adopt(x, None if device is None else device_named(device), copy)


def empty(shape: int | Shape, *, dtype: Any = None, device: str | Device | None = None) -> Array:
    """An array whose elements are whatever was in memory; dtype float32 by default."""
    return arrays.empty(_shape("empty", shape), FLOAT32 if dtype is None else as_dtype(dtype), device_of(device))


def full(
    shape: int | Shape, fill_value: bool | int | float, *, dtype: Any = None, device: str | Device | None = None
) -> Array:
    """An array of one value; dtype by default bool, int64 or float32, as the value is a bool, int or float.

    Raises RangeError for a number that the dtype does not hold; the fraction of a float is cut off, as by astype.
    Raises OutOfMemoryError.
    """
    return _full("full", shape, fill_value, dtype, device)


def _full(op: str, shape: Any, fill_value: Any, dtype: Any, device: str | Device | None) -> Array:
    if isinstance(fill_value, (Array, np.generic)):
        fill_value = number(fill_value) if isinstance(fill_value, np.generic) else fill_value.item()
    if not isinstance(fill_value, (bool, int, float)):
        raise ArgumentError(f"{op}: fill_value: expected a Python scalar, got {type(fill_value).__name__}")
    wanted = natural_dtype(fill_value) if dtype is None else as_dtype(dtype)
    check_scalar(fill_value, wanted, f"{op}: fill_value")
    target = _shape(op, shape)
    return dispatch.call(COPY, (broadcast_to(constant(fill_value, wanted, device_of(device)), target),))


def zeros(shape: int | Shape, *, dtype: Any = None, device: str | Device | None = None) -> Array:
    """An array of zeros; dtype float32 by default."""
    return _full("zeros", shape, 0, FLOAT32 if dtype is None else dtype, device)


def ones(shape: int | Shape, *, dtype: Any = None, device: str | Device | None = None) -> Array:
    """An array of ones; dtype float32 by default."""
    return _full("ones", shape, 1, FLOAT32 if dtype is None else dtype, device)


def _like(op: str, x: Any, dtype: Any, device: str | Device | None, fill: Any) -> Any:
    """An array of x's shape: of its dtype, device and kind unless told otherwise."""
    (array,), restore = interop.adopt(op, x=x)
    wanted = array.dtype if dtype is None else as_dtype(dtype)
    target = array.device if device is None else device_named(device)
    made = (
        _full(op, array.shape, fill, wanted, target) if fill is not None else arrays.empty(array.shape, wanted, target)
    )
    return restore(made) if target is array.device else made


def empty_like(x: Any, /, *, dtype: Any = None, device: str | Device | None = None) -> Any:
    """An array of x's shape, dtype, device and kind (where dtype and device do not say otherwise), not initialised."""
    return _like("empty_like", x, dtype, device, None)


def full_like(
    x: Any, /, fill_value: bool | int | float, *, dtype: Any = None, device: str | Device | None = None
) -> Any:
    """An array of one value, of x's shape, dtype, device and kind where dtype and device do not say otherwise."""
    return _like("full_like", x, dtype, device, fill_value)


def zeros_like(x: Any, /, *, dtype: Any = None, device: str | Device | None = None) -> Any:
    """An array of zeros, of x's shape, dtype, device and kind where dtype and device do not say otherwise."""
    return _like("zeros_like", x, dtype, device, 0)


def ones_like(x: Any, /, *, dtype: Any = None, device: str | Device | None = None) -> Any:
    """An array of ones, of x's shape, dtype, device and kind where dtype and device do not say otherwise."""
    return _like("ones_like", x, dtype, device, 1)


def broadcast_shapes(*shapes: Shape) -> Shape:
    """The shape that these broadcast to. Raises ShapeError."""
    return _broadcast_shapes(*(_shape("broadcast_shapes", s) for s in shapes), what="broadcast_shapes")


def viewed(op: str, x: Any, argument: str = "x") -> tuple[Array, interop.Restore]:
    """x as an `Array` where it lies, and what turns a view of it back into x's kind. A view computes nothing, so an
    array of the host stays there, and shares its memory, whatever the default device is."""
    library = interop.library(x)
    if library is None or library.device_of(x) is not None:
        (array,), restore = interop.adopt(op, **{argument: x})
        return array, restore
    return library.to_array(x, device_named("cpu"), f"{op}: {argument}"), lambda array: library.from_array(array, x)


def broadcast_to(x: Any, /, shape: int | Shape) -> Any:
    """x stretched to a shape, as a view (stride 0). Raises ShapeError."""
    array, restore = viewed("broadcast_to", x)
    target = _shape("broadcast_to", shape)
    if _broadcast_shapes(array.shape, target, what="broadcast_to") != target:
        raise ShapeError(f"broadcast_to: {array.shape} does not broadcast to {shown(target)}")
    return restore(array.view(target, broadcast_strides(array.layout, target)))


def reshape(x: Any, /, shape: int | Shape, *, copy: bool | None = None) -> Any:
    """The same elements in row-major order under another shape; one length may be -1.

    A view of x wherever strides allow one, else a copy.
    copy: True always copies; False raises ValueError where a copy is needed. Raises ShapeError.
    """
    copy = switch("reshape", "copy", copy, none=True)
    array, restore = viewed("reshape", x)
    items = list(integers("reshape", "shape", shape))
    if items.count(-1) == 1:
        rest = prod(n for n in items if n != -1)
        if rest == 0 or array.size % rest:
            raise ShapeError(
                f"reshape: {array.shape} has {array.size} elements, which do not fill {shown(tuple(items))}"
            )
        items[items.index(-1)] = array.size // rest
    target = _shape("reshape", items)
    if prod(target) != array.size:
        raise ShapeError(f"reshape: {array.shape} has {array.size} elements, {shown(target)} has {shown(prod(target))}")
    strides = None if copy else reshaped(array.layout, target)
    if strides is None:
        if copy is False:
            raise ValueError(f"reshape: copy=False: strides {array.strides} of shape {array.shape} need a copy")
        array, strides = dispatch.call(COPY, (array,)), row_major(target)
    return restore(array.view(target, strides))


def permute_dims(x: Any, /, axes: Shape) -> Any:
    """The axes in another order, as a view. axes: a permutation of range(ndim). Raises ShapeError."""
    array, restore = viewed("permute_dims", x)
    given = integers("permute_dims", "axes", axes)
    order = [a % array.ndim if -array.ndim <= a < array.ndim else a for a in given]
    if sorted(order) != list(range(array.ndim)):
        raise ShapeError(f"permute_dims: axes: {shown(given)} is not a permutation of {array.ndim} axes")
    return restore(array.permute(order))


def matrix_transpose(x: Any, /) -> Any:
    """The last two axes exchanged, as a view. Raises ShapeError for fewer than two axes."""
    array, restore = viewed("matrix_transpose", x)
    return restore(array.mT)


@unshown
def expand_dims(x: Any, /, axis: int | tuple[int, ...] = REQUIRED, **others: Any) -> Any:
    """New axes of length 1, as a view. axis: where they are in the result. Raises AxisError, ArgumentError."""
    if others or axis is REQUIRED:
        refuse("expand_dims", others, "axis")
    array, restore = viewed("expand_dims", x)
    given = integers("expand_dims", "axis", axis)
    ndim = array.ndim + len(given)
    axes = normalize_axes("expand_dims", given, ndim)
    old = iter(zip(array.shape, array.strides, strict=True))
    pairs = [(1, 0) if a in axes else next(old) for a in range(ndim)]
    return restore(array.view(tuple(n for n, _ in pairs), tuple(step for _, step in pairs)))


@unshown
def squeeze(x: Any, /, axis: int | tuple[int, ...] = REQUIRED, **others: Any) -> Any:
    """Without axes of length 1, as a view. Raises AxisError, and ShapeError for an axis of another length."""
    if others or axis is REQUIRED:
        refuse("squeeze", others, "axis")
    array, restore = viewed("squeeze", x)
    axes = normalize_axes("squeeze", axis, array.ndim)
    if any(array.shape[a] != 1 for a in axes):
        raise ShapeError(f"squeeze: axis: {shown(axis)} of shape {array.shape} has a length other than 1")
    keep = [a for a in range(array.ndim) if a not in axes]
    return restore(array.view(tuple(array.shape[a] for a in keep), tuple(array.strides[a] for a in keep)))


__all__ = [
    "asarray", "broadcast_shapes", "broadcast_to", "empty", "empty_like", "expand_dims", "from_dlpack", "full",
    "full_like", "matrix_transpose", "ones", "ones_like", "permute_dims", "reshape", "squeeze", "zeros", "zeros_like",
]  # fmt: skip

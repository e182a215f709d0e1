"""Making arrays, and looking at the same elements under another shape."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import numpy as np

from . import array as arrays
from . import dispatch, interop
from ._core import FloatEnvironment
from .arguments import switch
from .array import Array
from .composition import RECORDER, recorded_by
from .conversion import (
    captured,
    cast_on_host,
    constant,
    element,
    from_blocks,
    from_numpy,
    nearest,
    number,
    shared,
    to_numpy,
    whole_numbers,
)
from .devices import default_device
from .devices import device as device_named
from .dtypes import BOOL, COMPLEX64, FLOAT32, FLOAT64, INT64, UINT64, DType, as_dtype, check_scalar
from .errors import ArgumentError, DtypeError, shown
from .graph.trace import Tracer
from .interop import dlpack
from .interop import numpy as numpy_arrays
from .layout import Shape
from .memory import Device, host_memory_for
from .ops.primitive.pointwise import COPY, astype
from .ops.views import broadcast_to, lengths

Creation = TypeVar("Creation", bound=Callable[..., Array])

MOST_AXES = 64
"""Of a NumPy array, and so of nested sequences."""

ENDLESS = "a sequence contains itself, or is nested deeper than Python's recursion goes"


def is_traced() -> bool:
    """Whether this is called by a function that is traced."""
    return isinstance(RECORDER.get(), Tracer)


def of_numbers(function: Creation) -> Creation:
    """A function whose result its arguments say, none of which is an array: it is a constant of what is traced."""

    @wraps(function)
    def made(*args: Any, **keywords: Any) -> Array:
        if not is_traced():
            return function(*args, **keywords)
        with recorded_by(None):
            return captured(function(*args, **keywords))

    return made  # type: ignore[return-value]


def device_of(device: str | Device | None) -> Device:
    """The device that an argument names; None: the default one."""
    return default_device() if device is None else device_named(device)


def asarray(obj: Any, /, *, dtype: Any = None, device: str | Device | None = None, copy: bool | None = None) -> Array:
    """obj as an `Array`: an array of any library, a Python scalar, nested sequences of scalars, or a buffer.

    Without a copy where memory and dtype allow it, unless copy is True; copy=False raises ValueError where one is due.
    device: by default where an array lives already, the default device for the host's memory.
    Python floats become float32, complex numbers complex64, integers int64. A torch tensor's memory cannot be resized
    while it is shared.
    In a function that is traced (`accel.fuse`, `accel.grad`), Python numbers and sequences of them are constants, of
    what they hold at the trace.
    Raises ArgumentError, DtypeError, DeviceError, OutOfMemoryError.
    """
    make = _constant if is_traced() and _holds_numbers(obj) else _asarray
    return make(obj, dtype, device, copy)


def _asarray(obj: Any, dtype: Any, device: str | Device | None, copy: bool | None) -> Array:
    copy = switch("asarray", "copy", copy, none=True)
    wanted = None if dtype is None else as_dtype(dtype)
    target = None if device is None else device_named(device)
    found, fresh = (obj, False) if isinstance(obj, Array) else _foreign(obj, wanted, target, copy is False)
    if target is not None and found.device is not target:
        found, fresh = found.to_device(target), True
    if wanted is not None and found.dtype is not wanted:
        found, fresh = astype(found, wanted), True
    if copy is False and fresh:
        raise ValueError(f"asarray: copy=False: obj must be copied to have it as {found.dtype} on {found.device}")
    return dispatch.call(COPY, (found,)) if copy and not fresh else found


_constant = of_numbers(_asarray)


def _holds_numbers(obj: Any, depth: int = 0) -> bool:
    """Whether an object is a number of Python's or NumPy's, or a sequence of nothing else, nested or not."""
    if isinstance(obj, (list, tuple)) and depth < MOST_AXES:
        return all(_holds_numbers(item, depth + 1) for item in obj)
    return isinstance(obj, (bool, int, float, complex, np.generic, range))


def _foreign(obj: Any, wanted: DType | None, target: Device | None, share: bool) -> tuple[Array, bool]:
    """obj as an `Array`, on the target where it is in the host's memory, and whether the memory is new. share: whether
    a device with memory of its own is to use the host's, if it can."""
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
    if wanted is not None and home.missing(as_dtype(host.dtype, "asarray: obj").component.name) is not None:
        host, fresh = np.asarray(astype(from_numpy(host, device_named("cpu")), wanted)), True
    if share and not fresh and not home.host and (found := shared(host, home)) is not None:
        return found, False
    found = from_numpy(host, home, argument="asarray: obj")
    return found, fresh or getattr(found.buffer, "owner", None) is not host


def _host(obj: Any, wanted: DType | None, library: Any) -> tuple[np.ndarray, bool]:
    """obj as a NumPy array, and whether the memory is new."""
    if isinstance(obj, np.ndarray):
        return numpy_arrays.plain(obj, "asarray: obj"), False
    if isinstance(obj, np.generic):
        return np.asarray(obj), True
    if isinstance(obj, (bool, int, float, complex, list, tuple, range)):
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
    if isinstance(obj, (bool, int, float, complex)):
        target = natural_dtype(obj) if wanted is None else wanted
        check_scalar(obj, target, "asarray: obj")
        return element(obj, target)
    try:
        obj = _read(obj)
    except RecursionError:
        raise ArgumentError(f"asarray: obj: {ENDLESS}") from None
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
    if made.dtype.kind == "c":
        target = asked or COMPLEX64
        if target.kind != "c":
            raise DtypeError(f"asarray: obj: complex numbers do not become {target}; take their real parts")
        return cast_on_host(made, target)
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
    if dtype.kind == "c":
        return cast_on_host(_each(numbers, dtype.component), dtype)
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


_NUMBERS = {bool, int, float, complex}
_NATURAL = {"b": BOOL, "i": INT64, "u": INT64, "f": FLOAT32}


def natural_dtype(value: bool | int | float | complex) -> DType:
    """The dtype of a Python scalar that is on its own."""
    if isinstance(value, complex):
        return COMPLEX64
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
    return arrays.empty(lengths("empty", shape), FLOAT32 if dtype is None else as_dtype(dtype), device_of(device))


def full(
    shape: int | Shape,
    fill_value: bool | int | float | complex,
    *,
    dtype: Any = None,
    device: str | Device | None = None,
) -> Array:
    """An array of one value; dtype by default bool, int64, float32 or complex64, as the value is a bool, int, float or
    complex.

    Raises RangeError for a number that the dtype does not hold; the fraction of a float is cut off, as by astype.
    Raises OutOfMemoryError.
    """
    return _full("full", shape, fill_value, dtype, device)


def _full(op: str, shape: Any, fill_value: Any, dtype: Any, device: str | Device | None) -> Array:
    if isinstance(fill_value, (Array, np.generic)):
        fill_value = number(fill_value) if isinstance(fill_value, np.generic) else fill_value.item()
    if not isinstance(fill_value, (bool, int, float, complex)):
        raise ArgumentError(f"{op}: fill_value: expected a Python scalar, got {type(fill_value).__name__}")
    wanted = natural_dtype(fill_value) if dtype is None else as_dtype(dtype)
    check_scalar(fill_value, wanted, f"{op}: fill_value")
    target = lengths(op, shape)
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
    x: Any, /, fill_value: bool | int | float | complex, *, dtype: Any = None, device: str | Device | None = None
) -> Any:
    """An array of one value, of x's shape, dtype, device and kind where dtype and device do not say otherwise."""
    return _like("full_like", x, dtype, device, fill_value)


def zeros_like(x: Any, /, *, dtype: Any = None, device: str | Device | None = None) -> Any:
    """An array of zeros, of x's shape, dtype, device and kind where dtype and device do not say otherwise."""
    return _like("zeros_like", x, dtype, device, 0)


def ones_like(x: Any, /, *, dtype: Any = None, device: str | Device | None = None) -> Any:
    """An array of ones, of x's shape, dtype, device and kind where dtype and device do not say otherwise."""
    return _like("ones_like", x, dtype, device, 1)


__all__ = [
    "asarray", "empty", "empty_like", "from_dlpack", "full", "full_like", "ones", "ones_like", "zeros", "zeros_like",
]  # fmt: skip

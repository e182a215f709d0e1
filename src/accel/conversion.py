"""Between NumPy and `Array`: elements in and out, Python scalars as constants, and casts on the host as accel's are."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, TypeVar

import numpy as np

from . import _core, profiling
from ._core import FloatEnvironment
from .array import Array, Pair, Symbol, empty
from .cache import Cache
from .dtypes import BY_NUMPY, TABLE, UINT64, DType, as_dtype
from .errors import ArgumentError, DtypeError
from .layout import layout, span, stretched
from .memory import Device, HostBuffer, address_of, host_bytes, host_memory_for
from .scalar import program_for
from .scalar.evaluate import evaluate

T = TypeVar("T")


def from_numpy(source: np.ndarray, device: Device, copy: bool = False, argument: str = "array") -> Array:
    """A NumPy array's elements on a device: without a copy where the device's memory is the host's, unless copy.

    Swapped bytes, misaligned elements, and strides that are no multiple of the element's size need a copy everywhere.
    """
    dtype = BY_NUMPY.get(source.dtype)
    if dtype is None:
        dtype, copy = as_dtype(source.dtype, argument), True
    if device.host and not copy and (found := shared(source, device)) is not None:
        return found
    result = empty(source.shape, dtype, device)
    store(source, result)
    return result


def shared(source: np.ndarray, device: Device) -> Array | None:
    """An array on the memory of NumPy's, whatever wrote there last; None where the elements are not as accel has them,
    or the device cannot use the host's memory."""
    dtype = BY_NUMPY.get(source.dtype)
    if dtype is None or not source.flags.aligned:
        return None
    address, size = address_of(source), dtype.itemsize
    # NumPy calls every array without elements aligned, and kernels are given its address
    if not source.size and address % size:
        return None
    low, nbytes, strides = 0, source.nbytes, None
    if not source.flags.c_contiguous:
        if any(step % size for step in source.strides):
            return None
        strides = tuple(step // size for step in source.strides)
        low, high = span(source.shape, strides)
        nbytes = (high - low) * size
    address, readonly = address + low * size, not source.flags.writeable
    if device.host:
        return Array(HostBuffer(address, nbytes, source, readonly), -low, layout(dtype, source.shape, strides, device))
    if not source.size:
        return empty(source.shape, dtype, device)
    borrowed = device.borrow(address, nbytes, source, readonly)
    if borrowed is None:
        return None
    buffer, lead = borrowed
    return Array(buffer, lead // size - low, layout(dtype, source.shape, strides, device))


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
        raw = _dense(source, out.dtype.numpy).reshape(-1).view(np.uint8)
    else:
        gapless = high - low == out.size and not stretched(out.layout)
        raw = host_bytes(out.nbytes) if gapless else _copied_out(out, low, high).copy()
        _placed(raw, -low, out)[...] = source
    _copied(
        "copy to device", out, raw.nbytes,
        lambda: out.device.copy_in(out.buffer, (out.offset + low) * out.dtype.itemsize, raw),
    )  # fmt: skip


def _dense(source: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The elements in row-major order in the byte order of this machine; the array itself where they are so."""
    if source.flags.c_contiguous and source.dtype == dtype:
        return source
    result = host_bytes(source.size * dtype.itemsize).view(dtype).reshape(source.shape)
    result[...] = source
    return result


BLOCK = 1 << 17
"""Elements of an array that are computed on the host at a time."""


def from_blocks(n: int, dtype: DType, device: Device, block: Callable[[int, int], np.ndarray]) -> Array:
    """A vector of n elements, of which block(i, j) computes those from i to j - 1, in any dtype.

    It has its memory before the first of them is computed. Raises OutOfMemoryError.
    """
    result = empty((n,), dtype, device)
    with host_memory_for("elements computed on the host"):
        for i in range(0, n, BLOCK):
            made = cast_on_host(block(i, min(n, i + BLOCK)), dtype)
            device.copy_in(result.buffer, i * dtype.itemsize, made.view(np.uint8))
    return result


def whole_numbers(first: int, by: int, dtype: DType) -> Callable[[int, int], np.ndarray]:
    """The blocks of first + i * by, as int64 or uint64; modulo 2**64, so that every range of either is exact."""
    start, step = np.uint64(first % 2**64), np.uint64(by % 2**64)

    def block(i: int, j: int) -> np.ndarray:
        words = np.arange(i, j, dtype=np.uint64) * step + start
        return words if dtype is UINT64 else words.view(np.int64)

    return block


def to_numpy(array: Array) -> np.ndarray:
    """The elements as a NumPy array: a view where the memory is the host's, else a copy.

    The view cannot be written to where the memory cannot, or where several elements are one in memory, as in NumPy.
    """
    view = on_host(array)
    if not array.device.host:
        return _dense(view, array.dtype.numpy)
    if not array.layout.contiguous and stretched(array.layout):
        view.flags.writeable = False
    return view


def lent(array: Array) -> np.ndarray | None:
    """The elements as a NumPy array on the device's own memory, after all work queued before: a read-only one where
    that is not the host's. None where the host cannot address it."""
    if array.device.host or array.size == 0:
        return to_numpy(array)
    if isinstance(array.buffer, Symbol):
        return None
    array.device.settle()
    memory = array.device.lend(array.buffer)
    return None if memory is None else _placed(memory, array.offset, array)


def on_host(array: Array) -> np.ndarray:
    """The elements under the array's own strides: a view where the memory is the host's, else of a copy of the bytes
    from the first element to the last. Uses no op."""
    if isinstance(array.buffer, Pair) and array.buffer.tracer is None:
        made = np.empty(array.shape, array.dtype.numpy)
        made.real, made.imag = map(on_host, array.buffer.parts(array))
        return made
    if isinstance(array.buffer, Symbol):
        raise ArgumentError(array.buffer.unreadable())
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
    array.device.settle()
    return _copied(
        "copy from device", array, (high - low) * size,
        lambda: array.device.copy_out(array.buffer, (array.offset + low) * size, (high - low) * size),
    )  # fmt: skip


def _copied(what: str, array: Array, nbytes: int, copy: Callable[[], T]) -> T:
    """What a copy between the host and a device returns, recorded where a profile is on."""
    if not profiling.active():
        return copy()
    return profiling.measured(
        profiling.What(what, f"{array.dtype}{list(array.shape)}", array.device, "", nbytes), copy, wait=False
    )


def _placed(memory: Any, offset: int, array: Array) -> np.ndarray:
    """A view of host memory as an array lies; offset: of its first element, in elements."""
    its_layout, size = array.layout, array.dtype.itemsize
    steps = None if its_layout.contiguous else tuple(step * size for step in its_layout.strides)
    return np.ndarray(its_layout.shape, array.dtype.numpy, memory, offset * size, steps)


def number(element: np.ndarray | np.generic) -> Any:
    """The one element of a NumPy array, or a NumPy scalar, as a Python scalar."""
    with FloatEnvironment():
        return element.item()


def read(array: Array) -> Any:
    """The one element of an array as a Python scalar, which waits for it."""
    found = _core.load(array)
    return number(on_host(array)) if found is None else found


class _Made:
    """The arrays of one kind that were made here, found by the buffer of any view of one: by it a trace tells what may
    be captured. An array is known for as long as anything else holds it or its buffer: a table of any size that forgot
    the oldest would forget constants that other tables, graphs and plans still have.

    least: how many there are at least when those that nobody else holds are dropped.
    """

    def __init__(self, least: int) -> None:
        self._entries: dict[int, tuple[Array, Any]] = {}
        self._least = self._most = least

    def find(self, array: Array) -> tuple[Array, Any] | None:
        """The array on this one's buffer, and what it was made of; None where it was not made here."""
        found = self._entries.get(id(array.buffer))
        return found if found is not None and found[0].buffer is array.buffer else None

    def keep(self, array: Array, of: Any = None) -> None:
        if len(self._entries) >= self._most:
            for key, entry in list(self._entries.items()):
                if _holders(entry) <= _ALONE:
                    self._entries.pop(key, None)
            self._most = max(self._least, 2 * len(self._entries))
        self._entries[id(array.buffer)] = (array, of)


def _holders(entry: tuple[Any, Any]) -> int:
    return sys.getrefcount(entry[0]) + sys.getrefcount(entry[0].buffer)


_ALONE = _holders((SimpleNamespace(buffer=object()), None))
"""What `_holders` gives for an array that an entry alone holds."""

_constants: Cache[tuple[Any, ...], Array] = Cache(512)
_known = _Made(1 << 12)
_ranges: Cache[tuple[int, int], Array] = Cache(64)
_counting = _Made(64)
_tables: Cache[tuple[Any, ...], Array] = Cache(64)
_tabulated = _Made(64)


def constant(value: bool | int | float | complex, dtype: DType, device: Device) -> Array:
    """A Python scalar as a read-only array without axes, kept on the device for the next use. Raises DtypeError."""
    with FloatEnvironment():
        # -0.0 equals 0.0 and NaN no key, so these go by their text, and complex numbers, which may have one of them
        plain = value and value == value and type(value) is not complex
        key = (value if plain else repr(value), type(value), dtype, id(device))
        found = _constants.find(key)
        if found is None or found.device is not device:
            found = from_numpy(element(value, dtype), device, copy=True)
            if device.host:
                found.buffer.readonly = True
            _known.keep(found, value)  # first, as another thread may trace what it finds in the other table
            _constants.keep(key, found)
    return found


def index_range(n: int, device: Device) -> Array:
    """0, 1, … n - 1 as int64, read-only and kept on the device for the next use: each element's own number along an
    axis, once it is broadcast."""
    found = _ranges.find((n, id(device)))
    if found is None or found.device is not device:
        found = from_blocks(n, TABLE["int64"], device, whole_numbers(0, 1, TABLE["int64"]))
        if device.host:
            found.buffer.readonly = True
        _counting.keep(found)
        _ranges.keep((n, id(device)), found)
    return found


def table(key: tuple[Any, ...], make: Callable[[], np.ndarray], device: Device) -> Array:
    """Numbers that an algorithm brings along, read-only and kept on the device for the next use. key: says which; make:
    computes them where they are not there yet."""
    key = (*key, id(device))
    found = _tables.find(key)
    if found is None or found.device is not device:
        with FloatEnvironment(), host_memory_for("an algorithm's table"):
            found = from_numpy(make(), device, copy=True)
        _tables.keep(key, captured(found))
    return found


def captured(array: Array) -> Array:
    """An array that nothing else can write to, as a constant of whatever is traced: read-only."""
    if array.device.host:
        array.buffer.readonly = True
    _tabulated.keep(array)
    return array


def tabulated(array: Array) -> Array | None:
    """What `table` or `captured` gave, of which an array is a part; None of other arrays."""
    found = _tabulated.find(array)
    return None if found is None else found[0]


def is_constant(array: Array) -> bool:
    """Whether an array is what `constant`, `index_range`, `table` or `captured` gave, in whole or in part and under any
    shape."""
    return given_number(array) is not None or is_range(array) or tabulated(array) is not None


def given_number(array: Array) -> bool | int | float | complex | None:
    """The Python scalar that `constant` made an array of; None of other arrays."""
    found = _known.find(array)
    return None if found is None else found[1]


def is_range(array: Array) -> bool:
    """Whether an array is what `index_range` gave, in whole or in part and under any shape."""
    return _counting.find(array) is not None


def element(value: bool | int | float | complex, dtype: DType) -> np.ndarray:
    """A Python scalar in a dtype, rounded once however many digits it has; beyond a floating dtype's range: infinite.

    The value of an integer fits an integer dtype, and that of a complex number a complex one (`check_scalar`).
    """
    if dtype.kind == "c":
        made, whole = np.zeros((), dtype.numpy), isinstance(value, complex)
        made.real = element(value.real if whole else value, dtype.component)
        if whole:
            made.imag = element(value.imag, dtype.component)
        return made
    if isinstance(value, int) and not isinstance(value, bool) and dtype.kind not in "iu":
        value = bool(value) if dtype.kind == "b" else nearest(value, dtype)
    if isinstance(value, int):
        return np.array(value, dtype.numpy)
    return cast_on_host(np.array(value, np.float64), dtype)


DIGITS = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}
"""Binary digits of the floating dtypes."""


def nearest(value: int, dtype: DType) -> float:
    """The number of a floating dtype that is nearest to an integer; of two, the one with an even last digit."""
    unit = max(0, value.bit_length() - DIGITS[dtype.name])
    places, rest = value >> unit, value & ((1 << unit) - 1)
    half = (1 << unit) >> 1
    if unit and (rest > half or (rest == half and places & 1)):
        places += 1
    try:
        return math.ldexp(places, unit)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def cast_on_host(source: np.ndarray, dtype: DType) -> np.ndarray:
    """A NumPy array in a dtype as astype casts it: by NumPy where that is the same, else by the cast's own program.

    NumPy rounds twice on the way to 16-bit floats, and leaves floats outside an integer's range to the processor.
    """
    if source.dtype == dtype.numpy:
        return source
    if source.dtype.kind == "c" and dtype.kind not in "bc":
        raise DtypeError(f"complex numbers do not become {dtype}; take their real parts")
    if dtype.kind == "c" and source.dtype.kind != "c":
        made = np.zeros(source.shape, dtype.numpy)
        made.real = cast_on_host(source, dtype.component)
        return made
    if (
        dtype.kind in "bc"
        or (dtype.kind == "f" and dtype.itemsize > 2)
        or (dtype.kind in "iu" and source.dtype.kind in "biu")
    ):
        with FloatEnvironment(), np.errstate(all="ignore"):
            return source.astype(dtype.numpy)
    program = program_for("cast", (as_dtype(source.dtype).name,), dtype.name)
    made = evaluate(program, np.atleast_1d(source))
    return np.asarray(made, dtype.numpy).reshape(source.shape)

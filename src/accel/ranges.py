"""The array API standard's creation functions whose elements are computed: ranges, diagonals, grids and triangles.

Ranges are computed on the host, integers exactly and floats in float64, rounded once to the dtype, and copied block by
block to where they belong: the bits are the same on every device, and no more memory is needed than the result's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from . import array as arrays
from . import dispatch, interop
from ._core import FloatEnvironment
from .arguments import integer, switch, word
from .array import Array
from .conversion import captured, cast_on_host, constant, element, from_blocks, from_numpy, number, whole_numbers
from .creation import device_of, is_traced, of_numbers, zeros
from .dtypes import BOOL, COMPLEX64, FLOAT32, INT64, DType, as_dtype, check_scalar
from .errors import ArgumentError, DtypeError, ShapeError, shown
from .layout import broadcast_shapes
from .memory import Device, host_bytes
from .ops.views import broadcast_to, expand_dims, viewed
from .registry import OPS


def _number(op: str, argument: str, value: Any, kinds: tuple[type, ...] = (int, float)) -> Any:
    """A Python integer or float, or a number of other kinds, or an array of one of them."""
    if isinstance(value, np.generic):
        value = number(value)
    elif isinstance(value, Array) and value.size == 1:
        value = value.item()
    if not isinstance(value, kinds):
        raise ArgumentError(f"{op}: {argument}: expected a number, got {shown(value)}")
    return value


def _is_finite(x: int | float) -> bool:
    return isinstance(x, int) or math.isfinite(x)


def _parts(x: int | float) -> tuple[float, int]:
    """m and e with x = m * 2**e and 0.5 <= abs(m) <= 1, m rounded to float64; x itself and 0 where it has none."""
    return math.frexp(x) if isinstance(x, float) else (x / 2 ** x.bit_length(), x.bit_length())


class _Line:
    """first + i * step in float64 for whole numbers i, as if its exponents had no ends: only the values overflow.

    Numbers are divided by a power of two of the size of the ends, and the values multiplied by it.
    """

    def __init__(self, first: int | float, last: int | float) -> None:
        self.exponent = max((_parts(x)[1] for x in (first, last) if x), default=0) + 1
        self.first, self.last = self.scaled(first), self.scaled(last)

    def scaled(self, value: int | float) -> float:
        digits, exponent = _parts(value)
        return math.ldexp(digits, exponent - self.exponent)

    def values(self, step: float, start: int, stop: int) -> np.ndarray:
        """Those of i from start to stop - 1; step: scaled."""
        with np.errstate(all="ignore"):
            return np.ldexp(self.first + np.arange(start, stop) * step, self.exponent)


def _length(first: int | float, last: int | float, by: int | float) -> int:
    """ceil((last - first) / by) or 0, the difference and the quotient rounded to float64, as if exponents had no
    ends."""
    line = _Line(first, last)
    whole = isinstance(first, int) and isinstance(last, int)
    digits, exponent = _parts(last - first if whole else line.last - line.first)
    divisor, its_exponent = _parts(by)
    quotient, exponent = digits / divisor, exponent - its_exponent + (0 if whole else line.exponent)
    try:
        steps = math.ceil(math.ldexp(quotient, exponent))
    except OverflowError:
        steps = 1 << exponent if quotient > 0 else 0
    return max(int(quotient > 0), steps)  # at least one where the quotient is too small for float64


def _ends(dtype: DType, values: np.ndarray, ends: dict[int, int | float], start: int) -> np.ndarray:
    """A block of a range in a floating dtype, whose given elements (by index) are the numbers asked for themselves."""
    values = cast_on_host(values, dtype)
    for i, value in ends.items():
        if 0 <= i - start < len(values):
            values[i - start] = element(value, dtype)
    return values


@of_numbers
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
    range without end, DtypeError for integers that the dtype does not hold, OutOfMemoryError.
    """
    first, last = (0, start) if stop is None else (start, stop)
    first, last, by = (_number("arange", n, v) for n, v in (("start", first), ("stop", last), ("step", step)))
    if by == 0 or not all(map(_is_finite, (first, last, by))):
        raise ShapeError(f"arange: {shown(first)} to {shown(last)} by {shown(by)} has no end")
    whole = all(isinstance(x, int) for x in (first, last, by))
    wanted = (INT64 if whole else FLOAT32) if dtype is None else as_dtype(dtype)
    with FloatEnvironment():
        if whole:
            n = max(0, -((first - last) // by))
            kind, far = wanted if wanted.kind in "iu" else INT64, first + max(0, n - 1) * by
            if wanted.kind != "f" or all(-(2**63) <= x < 2**63 for x in (first, far)):
                for end in (first, far) if n else ():
                    check_scalar(end, kind, "arange")
                return from_blocks(n, wanted, device_of(device), whole_numbers(first, by, kind))
        else:
            n = _length(first, last, by)
        line = _Line(first, last if n > 1 else first)
        step, ends = line.scaled(by) if n > 1 else 0.0, {0: first} if wanted.kind == "f" else {}

        def block(i: int, j: int) -> np.ndarray:
            made = line.values(step, i, j)
            return _ends(wanted, made, ends, i) if ends else made

        return from_blocks(n, wanted, device_of(device), block)


@of_numbers
def linspace(
    start: int | float | complex,
    stop: int | float | complex,
    /,
    num: int,
    *,
    dtype: Any = None,
    device: str | Device | None = None,
    endpoint: bool = True,
) -> Array:
    """num numbers, evenly spaced from start to stop, which is the last of them if endpoint; float32 by default.

    Of complex numbers, complex64 by default, real and imaginary parts are spaced each by themselves.
    Raises ArgumentError, ShapeError for a negative num, DtypeError for a dtype that is not floating, or not complex
    where start or stop is, and OutOfMemoryError.
    """
    kinds = (int, float, complex)
    first, last = _number("linspace", "start", start, kinds), _number("linspace", "stop", stop, kinds)
    whole = isinstance(first, complex) or isinstance(last, complex)
    n, endpoint = integer("linspace", "num", num), switch("linspace", "endpoint", endpoint)
    wanted = (COMPLEX64 if whole else FLOAT32) if dtype is None else as_dtype(dtype)
    if n < 0:
        raise ShapeError(f"linspace: num: expected no negative number, got {shown(n)}")
    if wanted.kind not in ("c" if whole else "cf"):
        kind = "complex" if whole else "floating"
        raise DtypeError(f"linspace: dtype: expected a {kind} dtype, got {wanted}")
    with FloatEnvironment():
        re = _spaced(first.real, last.real, n, endpoint, wanted.component)
        im = _spaced(first.imag, last.imag, n, endpoint, wanted.component)

        def block(i: int, j: int) -> np.ndarray:
            if wanted.kind == "f":
                return re(i, j)
            made = np.empty(j - i, wanted.numpy)
            made.real, made.imag = re(i, j), im(i, j)
            return made

        return from_blocks(n, wanted, device_of(device), block)


def _spaced(
    first: int | float, last: int | float, n: int, endpoint: bool, dtype: DType
) -> Callable[[int, int], np.ndarray]:
    """What computes the blocks of n evenly spaced real numbers."""
    ends = {0: first, n - 1: last} if endpoint and n > 1 else {0: first}
    parts = max(1, n - 1 if endpoint else n)
    line = _Line(first, last)
    step = (line.last - line.first) / min(parts, 2**63)  # there is no longer range
    return lambda i, j: _ends(dtype, line.values(step, i, j), ends, i)


@of_numbers
def eye(
    n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: Any = None, device: str | Device | None = None
) -> Array:
    """Ones on the k-th diagonal (k > 0: above the main one), zeros elsewhere; float32 by default.

    Raises ShapeError, OutOfMemoryError.
    """
    rows = integer("eye", "n_rows", n_rows)
    columns = rows if n_cols is None else integer("eye", "n_cols", n_cols)
    if min(rows, columns) < 0:
        raise ShapeError(f"eye: expected no negative length, got {shown((rows, columns))}")
    k = integer("eye", "k", k)
    made = zeros((rows, columns), dtype=dtype, device=device)
    down, right = max(0, -k), max(0, k)
    length = min(rows - down, columns - right)
    if length > 0:
        OPS["copy"].function(
            constant(1, made.dtype, made.device), out=made.view((length,), (columns + 1,), down * columns + right)
        )
    return made


def _triangle(op: str, x: Any, k: int, lower: bool) -> Any:
    """x where column - row <= k (lower) or >= k, else 0.

    What is kept depends on column - row alone, so it is a vector of rows + columns - 1 booleans, seen as a matrix in
    which a step down goes one back and a step to the right one ahead.
    """
    (array,), restore = interop.adopt(op, x=x)
    if array.ndim < 2:
        raise ShapeError(f"{op}: x: expected at least two axes, got shape {array.shape}")
    rows, columns = array.shape[-2:]
    k = integer(op, "k", k)
    traced = is_traced()
    # before anything else takes memory
    result = None if traced else arrays.empty(array.shape, array.dtype, array.device)
    if array.size == 0:
        return restore(array if result is None else result)
    length = rows + columns - 1
    cut = min(max(0, k + rows if lower else k + rows - 1), length)
    band = host_bytes(length).view(bool)
    band[:cut], band[cut:] = lower, not lower
    diagonals = from_numpy(band, array.device)
    kept = (captured(diagonals) if traced else diagonals).view((rows, columns), (-1, 1), rows - 1)
    zero = constant(False if array.dtype is BOOL else 0, array.dtype, array.device)
    return restore(dispatch.call(OPS["where"], (kept, array, zero), None, result))


def tril(x: Any, /, *, k: int = 0) -> Any:
    """x with zeros above the k-th diagonal of its last two axes. Raises ShapeError for fewer than two axes."""
    return _triangle("tril", x, k, True)


def triu(x: Any, /, *, k: int = 0) -> Any:
    """x with zeros below the k-th diagonal of its last two axes. Raises ShapeError for fewer than two axes."""
    return _triangle("triu", x, k, False)


def broadcast_arrays(*arrays: Any) -> tuple[Any, ...]:
    """The arrays stretched to the shape that they broadcast to, as views. Raises ShapeError."""
    adopted = [viewed("broadcast_arrays", x, f"arrays[{i}]") for i, x in enumerate(arrays)]
    shape = broadcast_shapes(*(array.shape for array, _ in adopted), what="broadcast_arrays")
    return tuple(restore(broadcast_to(array, shape)) for array, restore in adopted)


def meshgrid(*arrays: Any, indexing: str = "xy") -> tuple[Any, ...]:
    """The coordinates of a grid, from one-dimensional arrays of lengths n0, n1, …, as views.

    They have shape (n0, n1, …) for indexing "ij", (n1, n0, …) for "xy". Raises ShapeError, ArgumentError.
    """
    word("meshgrid", "indexing", indexing, ("xy", "ij"))
    adopted = [viewed("meshgrid", x, f"arrays[{i}]") for i, x in enumerate(arrays)]
    if any(array.ndim != 1 for array, _ in adopted):
        raise ShapeError(f"meshgrid: expected arrays of one axis, got {shown([array.shape for array, _ in adopted])}")
    axes = list(range(len(arrays)))
    if indexing == "xy" and len(axes) > 1:
        axes[:2] = 1, 0
    shape = [0] * len(axes)
    for (array, _), axis in zip(adopted, axes, strict=True):
        shape[axis] = array.size
    made = []
    for (array, restore), axis in zip(adopted, axes, strict=True):
        for _ in range(len(axes) - 1 - axis):
            array = expand_dims(array, axis=array.ndim)
        made.append(restore(broadcast_to(array, tuple(shape))))
    return tuple(made)


__all__ = ["arange", "broadcast_arrays", "eye", "linspace", "meshgrid", "tril", "triu"]

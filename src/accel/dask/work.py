"""What workers run: functions of chunks, which are arrays on the worker's own device. Tasks name them and carry small
values: names of ops and parameters, no functions."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from os import getpid
from socket import gethostname
from typing import Any

import numpy as np

from .. import dispatch, fft, registry
from ..array import Array
from ..checks import Check
from ..conversion import constant, from_numpy
from ..devices import default_device
from ..dtypes import DTYPES, TABLE, DType
from ..errors import ArgumentError, DeviceError, DtypeError, ShapeError
from ..layout import Shape, broadcast_shapes
from ..numerics import BLOCK, KC
from ..ops.concatenation import concat
from ..ops.parameters import Scatter
from ..ops.primitive.gather import check_positions
from ..ops.primitive.pointwise import astype, fn
from ..ops.views import broadcast_to, reshape
from ..parts import halves, pair, settled

serving: list[str] = []
"""The workers of this process, by address: those that were looked at."""


@dataclass(frozen=True)
class Waiting:
    """Elements that came to a worker whose device had no room for them: a task that needs them moves them, or fails.
    distributed waits without end for what fails while it arrives."""

    elements: np.ndarray


def arrived(x: Any) -> Any:
    """An argument of a task, on this worker's device."""
    return from_numpy(x.elements, default_device()) if isinstance(x, Waiting) else x


def named(key: tuple[Any, ...], function: Callable[..., Any], *arguments: Any) -> Any:
    """A task's work. What it raises carries a note with the task's key and the process that it ran in."""
    try:
        return function(*map(arrived, arguments))
    except Exception as error:
        error.add_note(f"in the task {key} on {where()}")
        raise


def where() -> str:
    """This process: a worker by its address."""
    if (distributed := sys.modules.get("distributed")) is not None:
        try:
            return f"worker {distributed.get_worker().address} ({gethostname()}, process {getpid()})"
        except ValueError:
            pass
    return f"{gethostname()}, process {getpid()}"


@dataclass(frozen=True)
class Number:
    """A Python scalar of a dtype among the operands of a task."""

    value: bool | int | float | complex
    dtype: str


def here(operand: Any) -> Array:
    """An operand as an array on this worker's device."""
    if isinstance(operand, Number):
        return constant(operand.value, DTYPES[operand.dtype], default_device())
    return operand  # type: ignore[no-any-return]


def chunk(elements: Any, dtype: str) -> Array:
    """Elements of the host on this worker's device."""
    return from_numpy(np.asarray(elements, DTYPES[dtype].numpy), default_device())


def checked(value: Any, place: Shape, shape: Shape, dtype: str) -> Array:
    """A chunk that a user's own task made, or its elements in the host's memory. Raises ArgumentError, ShapeError,
    DtypeError, and DeviceError for an array on another device than the worker's."""
    what = f"from_delayed: chunk {place}"
    if not isinstance(value, (Array, np.ndarray, np.generic)):
        raise ArgumentError(f"{what}: expected an accel.Array or a NumPy array, got {type(value).__qualname__}")
    home = default_device()
    if isinstance(value, Array) and value.device is not home:
        raise DeviceError(
            f"{what}: is on {value.device}, and this worker computes on {home}: make it there, or move it (to_device)"
        )
    if tuple(value.shape) != shape:
        raise ShapeError(f"{what}: has shape {tuple(value.shape)}, expected {shape}")
    if DTYPES[dtype] != value.dtype:
        raise DtypeError(f"{what}: has dtype {value.dtype}, expected {dtype}")
    return value if isinstance(value, Array) else chunk(value, dtype)


def part(i: int, x: Array) -> Array:
    """The real parts of a complex chunk, or the imaginary ones, as a view."""
    return halves(x)[i]


def complexed(re: Array, im: Array) -> Array:
    """A complex chunk of its parts."""
    return settled(pair(re.contiguous(), im.contiguous()))  # type: ignore[attr-defined]


def full(shape: Shape, number: Number) -> Array:
    """A chunk of one number."""
    return registry.OPS["copy"].function(broadcast_to(here(number), shape))  # type: ignore[no-any-return]


def cut(spans: Sequence[tuple[int, int]], x: Array) -> Array:
    """A part of a chunk, in memory of its own: it may stay when the chunk goes."""
    return registry.OPS["copy"].function(x[tuple(slice(*span) for span in spans)])  # type: ignore[no-any-return]


def seen(key: tuple[Any, ...], order: Shape, x: Array) -> Array:
    """A view of a chunk: an index, then the axes in another order."""
    view = x[key]
    return view.permute(order)


def strided(shape: Shape, strides: Shape, offset: int, x: Array) -> Array:
    """A view of a chunk's elements as they lie row-major."""
    return x.contiguous().view(shape, strides, offset)  # type: ignore[attr-defined, no-any-return]


def widened(shape: Shape, x: Array) -> Array:
    """A chunk stretched to a shape."""
    return broadcast_to(x, shape)  # type: ignore[no-any-return]


def shaped(shape: Shape, x: Array) -> Array:
    """A chunk's elements under another shape."""
    return reshape(x, shape)  # type: ignore[no-any-return]


def assembled(counts: Shape, *parts: Array) -> Array:
    """An array of parts that lie as in a grid of so many along each axis, row-major."""
    left = list(parts)
    for axis in reversed(range(len(counts))):
        n = counts[axis]
        left = [concat(left[i : i + n], axis=axis) if n > 1 else left[i] for i in range(0, len(left), n)]
    (made,) = left
    return made


def called(name: str, params: Any, *operands: Any) -> Any:
    """A call of an op."""
    return dispatch.call(registry.OPS[name], tuple(map(here, operands)), params)


def pointwise(name: str, params: Any, shape: Shape, *operands: Any) -> Array:
    """A call of a pointwise op whose result has this shape, to which some operand is stretched if no other is so
    long."""
    arrays = list(map(here, operands))
    if broadcast_shapes(*(x.shape for x in arrays), what=name) != shape:
        arrays[0] = broadcast_to(arrays[0], shape)
    return dispatch.call(registry.OPS[name], arrays, params)  # type: ignore[no-any-return]


def composed(name: str, given: tuple[bool, ...], values: tuple[Any, ...], *operands: Any) -> Any:
    """A call of a composed op: which of its operands there are, and its other arguments."""
    op = registry.OPS[name].decompose.__self__  # type: ignore[union-attr]
    return dispatch.call(op.spec, tuple(map(here, operands)), op.bind(given, values))


def transformed(name: str, keywords: Sequence[tuple[str, Any]], x: Array) -> Array:
    """A Fourier transform."""
    return getattr(fft, name)(x, **dict(keywords))  # type: ignore[no-any-return]


def drawn(name: str, given: tuple[bool, ...], values: tuple[Any, ...], state: tuple[int, ...], *others: Any) -> Array:
    """Random numbers of a part of an array (`accel.ops.composed.random.Part`)."""
    home = default_device()
    operands = [from_numpy(np.array(x), home, copy=True) for x in (np.array(state, np.uint64), *others)]
    return composed(name, given, values, *operands)  # type: ignore[no-any-return]


def one_of(results: tuple[Array, ...], i: int) -> Array:
    """One of several results."""
    return results[i]


# reductions


def fold(kind: str, x: Array, axes: Shape, dtype: DType | None) -> Array:
    """The reduction over axes, which are not in the result."""
    return dispatch.call(registry.OPS[kind], (x,), (axes, dtype))  # type: ignore[no-any-return]


def blocks(kind: str, dtype: str, start: int, stop: int, x: Array) -> Array:
    """The results of blocks of elements start to stop - 1 along the last axis, where a block begins: (…, blocks). Only
    the last of them may be shorter."""
    asked, axis = TABLE[dtype], x.ndim - 1
    part = x[..., start:stop]
    whole = (stop - start) // BLOCK
    made = []
    if whole:
        rows = reshape(part[..., : whole * BLOCK], (*x.shape[:-1], whole, BLOCK))
        made.append(fold(kind, rows, (axis + 1,), asked))
    if whole * BLOCK < stop - start:
        made.append(fold(kind, part[..., whole * BLOCK :], (axis,), asked)[..., None])
    return made[0] if len(made) == 1 else concat(made, axis=axis)


def block(kind: str, dtype: str, *parts: Array) -> Array:
    """The result of one block, whose elements are here, in order, along the last axis: (…, 1)."""
    x = parts[0] if len(parts) == 1 else concat(parts, axis=-1)
    return fold(kind, x, (x.ndim - 1,), TABLE[dtype])[..., None]


def joined(kind: str, dtype: str, *parts: Array) -> Array:
    """The reduction of block results, in order, along the last axis, rounded to a dtype."""
    x = parts[0] if len(parts) == 1 else concat(parts, axis=-1)
    return astype(fold(kind, x, (x.ndim - 1,), x.dtype), TABLE[dtype], copy=False)  # type: ignore[no-any-return]


def folded(kind: str, axes: Shape, dtype: str | None, x: Array) -> Array:
    """The reduction of a chunk over axes, which stay with length 1."""
    made = fold(kind, x, axes, None if dtype is None else TABLE[dtype])
    return reshape(made, tuple(1 if a in axes else n for a, n in enumerate(x.shape)))  # type: ignore[no-any-return]


def merged(kind: str, dtype: str | None, *parts: Array) -> Array:
    """The reduction, in any order, of reductions of one shape."""
    if len(parts) == 1:
        return parts[0]
    whole = concat([x[None] for x in parts], axis=0)
    return fold(kind, whole, (0,), None if dtype is None else TABLE[dtype])


def extreme(kind: str, axes: Shape, lengths: Shape, begin: Shape, x: Array) -> tuple[Array, Array]:
    """The extreme elements of a chunk over axes, and their places in all of these axes, flattened.

    lengths: of these axes of the whole array. begin: where the chunk begins along them."""
    values = fold(kind.removeprefix("arg"), x, axes, None)
    place = fold(kind, x, axes, None)
    total, step = None, 1
    for axis, n, at in zip(reversed(axes), reversed(lengths), reversed(begin), strict=True):
        here_n = x.shape[axis]
        along = fn.remainder(place, here_n) if axis != axes[0] else place
        place = fn.floor_divide(place, here_n) if axis != axes[0] else place
        part = fn.multiply(fn.add(along, at), step)
        total = part if total is None else fn.add(total, part)
        step *= n
    return values, total


def first_extreme(kind: str, *pairs: tuple[Array, Array]) -> tuple[Array, Array]:
    """The extreme elements of several chunks and their places, of equal ones the first; NaN before all others."""
    if len(pairs) == 1:
        return pairs[0]
    values, places = (concat([x[None] for x in each], axis=0) for each in zip(*pairs, strict=True))
    best = fold(kind.removeprefix("arg"), values, (0,), None)
    same = fn.equal(values, best)
    if values.dtype.kind == "f":
        same = fn.logical_or(same, fn.logical_and(fn.isnan(values), fn.isnan(best)))
    return best, fold("min", fn.where(same, places, 2**63 - 1), (0,), None)


def place_of(pair: tuple[Array, Array], shape: Shape) -> Array:
    """The places alone."""
    return reshape(pair[1], shape)  # type: ignore[no-any-return]


# products


def product(dtype: str, count: int, *parts: Array) -> Array:
    """The product of two matrices, the first of them in so many parts along k, the second in the others."""
    a = parts[0] if count == 1 else concat(parts[:count], axis=-1)
    b = parts[count] if len(parts) == count + 1 else concat(parts[count:], axis=-2)
    return dispatch.call(registry.OPS["matmul"], (a, b), TABLE[dtype])  # type: ignore[no-any-return]


def chain(accumulator: str, dtype: str, a: Array, b: Array, *before: Array) -> Array:
    """The products of chunks of KC along k, added in ascending order to those before; rounded to a dtype."""
    total = before[0] if before else None
    for k in range(0, a.shape[-1], KC):
        part = dispatch.call(registry.OPS["matmul"], (a[..., k : k + KC], b[..., k : k + KC, :]), TABLE[accumulator])
        total = part if total is None else fn.add(total, part)
    return astype(total, TABLE[dtype], copy=False)  # type: ignore[no-any-return]


# the rest


def gathered(name: str, params: Any, whole: Shape, x: Array, *positions: Array) -> Array:
    """Elements at positions, after a look at these."""
    for axis, index in zip((a for a, to in enumerate(params.walks) if to < 0), positions, strict=True):
        check_positions(f"{name}: indices", index, whole[axis])
    return dispatch.call(registry.OPS[name], (x, *positions), params)  # type: ignore[no-any-return]


def looked(check: Check, cells: Array, *positions: Array) -> Array:
    """The cells, after a look at the positions that they were made of: IndexError where one is out of range."""
    for x in positions:
        check.look(x)
    return cells


def scattered(
    name: str,
    params: Scatter,
    lengths: Shape,
    begin: Shape,
    base: Array,
    values: Array,
    cells: Array,
    *sources: Array,
) -> Array:
    """A chunk of what a scatter writes to, with those of all rows of values that are its own.

    lengths: of the whole axes that cells count; begin: where the chunk begins along them."""
    if not base.size or not values.size or not cells.size:
        return base
    here_n = tuple(n for n, to in zip(params.shape, params.walks, strict=True) if to < 0)
    if here_n != lengths:
        cells = _own(cells, lengths, begin, here_n)
    return dispatch.call(registry.OPS[name], (base, values, cells, *sources), params)  # type: ignore[no-any-return]


def _own(cells: Array, lengths: Shape, begin: Shape, here_n: Shape) -> Array:
    """Numbers of cells in a box, of numbers in the whole; those outside are that of no cell."""
    good = fn.logical_and(fn.less_equal(0, cells), fn.less(cells, prod(lengths)))
    left, own, step = cells, None, 1
    for n, at, count in reversed(list(zip(lengths, begin, here_n, strict=True))):
        place = fn.subtract(fn.remainder(left, n), at)
        left = fn.floor_divide(left, n)
        good = fn.logical_and(good, fn.logical_and(fn.less_equal(0, place), fn.less(place, count)))
        part = fn.multiply(place, step)
        own = part if own is None else fn.add(own, part)
        step *= count
    return fn.where(good, own, step)  # type: ignore[no-any-return]


def stored(key: tuple[slice, ...], kept: Shape, order: Shape, x: Array, value: Array) -> Array:
    """A chunk with a value in the place of a part: its axes, in an order, are some of the part's, the kept ones, and
    then others of length 1."""
    made, lengths = registry.OPS["copy"].function(x), dict(zip(kept, value.permute(order).shape, strict=False))
    made[key] = reshape(value.permute(order), tuple(lengths.get(a, 1) for a in range(x.ndim)))
    return made  # type: ignore[no-any-return]


def to_host(x: Array) -> np.ndarray:
    """The elements as a NumPy array of their own memory."""
    return np.array(x.numpy())  # type: ignore[attr-defined]


def read_npy(path: str, spans: Sequence[tuple[int, int]], dtype: str) -> Array:
    """A part of a .npy file."""
    mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    part = np.ascontiguousarray(mapped[tuple(slice(*span) for span in spans)])
    return chunk(part.view(DTYPES[dtype].numpy).reshape(part.shape), dtype)


def write_npy(path: str, begin: Shape, x: Array) -> int:
    """A chunk to its place in a .npy file, which has room for it. Returns how many bytes."""
    mapped = np.lib.format.open_memmap(path, mode="r+")
    elements = to_host(x)
    mapped[tuple(slice(at, at + n) for at, n in zip(begin, x.shape, strict=True))] = elements.view(mapped.dtype)
    mapped.flush()
    return prod(x.shape) * x.dtype.itemsize


def read_zarr(store: Any, spans: Sequence[tuple[int, int]], dtype: str) -> Array:
    """A part of a Zarr array."""
    return chunk(store[tuple(slice(*span) for span in spans)], dtype)

"""Arrays put side by side, moved and repeated: views, and the primitive ``join`` where elements have to move."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from .. import interop
from ..arguments import integer, integers, refuse, unshown
from ..array import Array, Symbol
from ..conversion import from_numpy
from ..errors import ArgumentError, ShapeError, shown
from ..layout import Shape, broadcast_shapes
from .complex.part import conj
from .concatenation import concat
from .pieces import BOXES, Segment, of_segments
from .primitive.gather import take
from .primitive.matmul import matmul
from .primitive.pointwise import fn
from .primitive.reduce import normalize_axes
from .primitive.reduce import sum as total
from .views import broadcast_to, expand_dims, permute_dims, reshape, viewed


@unshown
def unstack(x: Any, /, *, axis: int = 0, **others: Any) -> tuple[Any, ...]:
    """The parts of an array along an axis, as a tuple of views without that axis. Raises AxisError, ShapeError."""
    if others:
        refuse("unstack", others)
    array, restore = viewed("unstack", x)
    (along,) = _axes("unstack", axis, array)
    lead = (slice(None),) * along
    return tuple(restore(array[(*lead, i)]) for i in range(array.shape[along]))


@unshown
def flip(x: Any, /, *, axis: int | tuple[int, ...] | None = None, **others: Any) -> Any:
    """A view with the elements in reverse order along axes; None: along all of them. Raises AxisError."""
    if others:
        refuse("flip", others)
    array, restore = viewed("flip", x)
    axes = normalize_axes("flip", axis, array.ndim) if array.ndim or axis is not None else ()
    return restore(array[tuple(slice(None, None, -1) if a in axes else slice(None) for a in range(array.ndim))])


@unshown
def repeat(x: Any, repeats: Any, /, *, axis: int | None = None, **others: Any) -> Any:
    """Each element (slice along an axis) so many times, one after the other.

    repeats: an integer, or one for each place along the axis, which are read on the host. axis: None repeats the
    elements in row-major order along one axis. Raises ShapeError, AxisError, ArgumentError.
    """
    if others:
        refuse("repeat", others)
    (array,), restore = interop.adopt("repeat", x=x)
    if axis is None:
        array, axis = reshape(array, (array.size,)), 0
    (along,) = _axes("repeat", axis, array)
    counts = _counts(repeats, array.shape[along])
    before, after = array.shape[:along], array.shape[along + 1 :]
    if len(set(counts)) <= 1:
        times = counts[0] if counts else 1
        wide = broadcast_to(expand_dims(array, along + 1), (*before, len(counts), times, *after))
        return restore(reshape(wide, (*before, len(counts) * times, *after), copy=True))
    segments = _runs(counts)
    if len(segments) > BOXES and not isinstance(array.buffer, Symbol):
        places = from_numpy(np.repeat(np.arange(len(counts)), counts), array.device)
        return restore(take(array, places, axis=along))
    each: list[list[Segment]] = [[(0, n, 1)] for n in array.shape]
    each[along] = segments
    return restore(of_segments(array, each))


def _runs(counts: list[int]) -> list[Segment]:
    """What an axis becomes whose places are repeated: those that stay single go together."""
    found: list[Segment] = []
    for i, times in enumerate(counts):
        if times == 1 and found and found[-1][2] == 1 and found[-1][0] + found[-1][1] == i:
            found[-1] = (found[-1][0], found[-1][1] + 1, 1)
        elif times:
            found.append((i, times, int(times == 1)))
    return found or [(0, 0, 1)]


def _counts(repeats: Any, n: int) -> list[int]:
    given = np.asarray(repeats)
    if given.dtype.kind not in "iu" or given.ndim > 1:
        raise ArgumentError(f"repeat: repeats: expected an integer or a vector of integers, got {shown(repeats)}")
    if given.ndim and given.size not in (1, n):
        raise ShapeError(f"repeat: repeats: expected one for each of {n} places, got {given.size}")
    counts = np.broadcast_to(given.reshape(-1), (n,)).tolist() if n else []
    if any(times < 0 for times in counts) or (given.size and int(given.min()) < 0):
        raise ArgumentError(f"repeat: repeats: expected 0 or more, got {shown(repeats)}")
    return counts


def tile(x: Any, repetitions: int | tuple[int, ...], /) -> Any:
    """The array repeated as a whole, so many times along each axis. repetitions: for the last axes, 1 for the others;
    where there are more of them than axes, axes of length 1 come first. Raises ArgumentError."""
    (array,), restore = interop.adopt("tile", x=x)
    times = integers("tile", "repetitions", repetitions)
    if any(n < 0 for n in times):
        raise ArgumentError(f"tile: repetitions: expected 0 or more, got {shown(repetitions)}")
    ndim = max(array.ndim, len(times))
    shape, times = (1,) * (ndim - array.ndim) + array.shape, (1,) * (ndim - len(times)) + times
    spaced = reshape(array, tuple(k for n in shape for k in (1, n)))
    wide = broadcast_to(spaced, tuple(k for t, n in zip(times, shape, strict=True) for k in (t, n)))
    return restore(reshape(wide, tuple(t * n for t, n in zip(times, shape, strict=True)), copy=True))


def moveaxis(x: Any, source: int | tuple[int, ...], destination: int | tuple[int, ...], /) -> Any:
    """A view with these axes at other places; the other axes keep their order. Raises AxisError, ArgumentError."""
    array, restore = viewed("moveaxis", x)
    old, new = (integers("moveaxis", name, v) for name, v in (("source", source), ("destination", destination)))
    old, new = (tuple(_axes("moveaxis", a, array)[0] for a in each) for each in (old, new))
    if len(old) != len(new) or len(set(old)) < len(old) or len(set(new)) < len(new):
        raise ArgumentError(f"moveaxis: source, destination: expected as many different axes, got {old} and {new}")
    rest = [a for a in range(array.ndim) if a not in old]
    for at, a in sorted(zip(new, old, strict=True)):
        rest.insert(at, a)
    return restore(array.permute(rest))


@unshown
def diff(x: Any, /, *, axis: int = -1, n: int = 1, prepend: Any = None, append: Any = None, **others: Any) -> Any:
    """Differences of neighbours along an axis, n times: x[1:] - x[:-1]; integers wrap.

    prepend, append: arrays that stand before and behind x along the axis first. Raises DtypeError for booleans,
    AxisError, ShapeError, ArgumentError.
    """
    if others:
        refuse("diff", others)
    times = integer("diff", "n", n)
    if times < 0:
        raise ArgumentError(f"diff: n: expected 0 or more, got {times}")
    given = [(name, v) for name, v in (("prepend", prepend), ("x", x), ("append", append)) if v is not None]
    adopted, restore = interop.adopt("diff", **dict(given))
    named = dict(zip((name for name, _ in given), adopted, strict=True))
    (along,) = _axes("diff", axis, named["x"])
    for name, part in named.items():
        want = named["x"].shape
        if part.ndim != len(want) or any(a != along and m != want[a] for a, m in enumerate(part.shape)):
            raise ShapeError(f"diff: {name}: has shape {part.shape}, x {want}; only axis {along} may differ")
    result = concat(list(adopted), axis=along) if len(adopted) > 1 else named["x"]
    lead = (slice(None),) * along
    for _ in range(times):
        result = fn.subtract(result[(*lead, slice(1, None))], result[(*lead, slice(None, -1))])
    return restore(result)


def _axes(op: str, axis: Any, x: Array) -> tuple[int, ...]:
    """One axis, not negative, as a tuple. Raises AxisError, ShapeError."""
    if not x.ndim:
        raise ShapeError(f"{op}: x: expected at least one axis, got shape ()")
    return normalize_axes(op, integer(op, "axis", axis), x.ndim)


# products and views of matrices


@unshown
def diagonal(x: Any, /, *, offset: int = 0, **others: Any) -> Any:
    """A view of the diagonals of matrices (…, m, n), along a last axis: x[…, i, i + offset]. Raises ShapeError."""
    if others:
        refuse("diagonal", others)
    array, restore = viewed("diagonal", x)
    if array.ndim < 2:
        raise ShapeError(f"diagonal: x: expected (…, m, n), got shape {array.shape}")
    by = integer("diagonal", "offset", offset)
    m, n = array.shape[-2:]
    size = max(0, min(m, n - by) if by >= 0 else min(m + by, n))
    down, across = array.strides[-2:]
    start = (by * across if by >= 0 else -by * down) if size else 0
    return restore(array.view((*array.shape[:-2], size), (*array.strides[:-2], down + across), start))


@unshown
def trace(x: Any, /, *, offset: int = 0, dtype: Any = None, **others: Any) -> Any:
    """Sums of the diagonals of matrices (…, m, n), as `sum` adds. Raises ShapeError, DtypeError."""
    if others:
        refuse("trace", others)
    (array,), restore = interop.adopt("trace", x=x)
    return restore(total(diagonal(array, offset=offset), axis=-1, dtype=dtype))


def outer(x1: Any, x2: Any, /) -> Any:
    """All products of elements of two vectors: x1[i] * x2[j]. Raises ShapeError, DtypeError."""
    (a, b), restore = interop.adopt("outer", x1=x1, x2=x2)
    for name, x in (("x1", a), ("x2", b)):
        if x.ndim != 1:
            raise ShapeError(f"outer: {name}: expected a vector, got shape {x.shape}")
    return restore(fn.multiply(expand_dims(a, 1), expand_dims(b, 0)))


@unshown
def vecdot(x1: Any, x2: Any, /, *, axis: int = -1, **others: Any) -> Any:
    """Products of vectors along an axis, which has one length in both; the other axes broadcast. As `matmul` adds.
    Complex elements of x1 are conjugated.

    axis: negative, or counted in operands of as many axes. Raises ShapeError, DtypeError, AxisError.
    """
    if others:
        refuse("vecdot", others)
    (a, b), restore = interop.adopt("vecdot", x1=x1, x2=x2)
    (first,), (second,) = _axes("vecdot", axis, a), _axes("vecdot", axis, b)
    if a.shape[first] != b.shape[second]:
        raise ShapeError(f"vecdot: x1, x2: shapes {a.shape} and {b.shape} differ along axis {axis}")
    a, b = moveaxis(conj(a) if a.dtype.kind == "c" else a, first, -1), moveaxis(b, second, -1)
    common = broadcast_shapes(a.shape, b.shape, what="vecdot")
    a, b = (broadcast_to(x, common) for x in (a, b))
    return restore(reshape(matmul(expand_dims(a, -2), expand_dims(b, -1)), common[:-1]))


@unshown
def tensordot(x1: Any, x2: Any, /, *, axes: Any = 2, **others: Any) -> Any:
    """Sums of products over axes of both arrays, as `matmul` adds; the other axes of x1, then those of x2, remain.

    axes: how many, the last of x1 and the first of x2; or a pair of tuples of axes. Raises ShapeError, AxisError,
    ArgumentError, DtypeError.
    """
    if others:
        refuse("tensordot", others)
    (a, b), restore = interop.adopt("tensordot", x1=x1, x2=x2)
    if isinstance(axes, (tuple, list)):
        if len(axes) != 2:
            raise ArgumentError(f"tensordot: axes: expected an integer or a pair of tuples, got {shown(axes)}")
        first, second = (
            tuple(_axes("tensordot", i, x)[0] for i in integers("tensordot", "axes", each))
            for each, x in zip(axes, (a, b), strict=True)
        )
    else:
        n = integer("tensordot", "axes", axes)
        if not 0 <= n <= min(a.ndim, b.ndim):
            raise ArgumentError(f"tensordot: axes: expected 0 to {min(a.ndim, b.ndim)}, got {n}")
        first, second = tuple(range(a.ndim - n, a.ndim)), tuple(range(n))
    if len(set(first)) < len(first) or len(set(second)) < len(second):
        raise ArgumentError(f"tensordot: axes: an axis is there twice: {first}, {second}")
    over = tuple(a.shape[i] for i in first)
    if len(first) != len(second) or over != tuple(b.shape[i] for i in second):
        raise ShapeError(f"tensordot: x1, x2: axes {first} of {a.shape} and {second} of {b.shape} have other lengths")
    kept_a = [i for i in range(a.ndim) if i not in first]
    kept_b = [i for i in range(b.ndim) if i not in second]
    left = reshape(permute_dims(a, (*kept_a, *first)), (prod(a.shape[i] for i in kept_a), prod(over)))
    right = reshape(permute_dims(b, (*second, *kept_b)), (prod(over), prod(b.shape[i] for i in kept_b)))
    shape: Shape = (*(a.shape[i] for i in kept_a), *(b.shape[i] for i in kept_b))
    return restore(reshape(matmul(left, right), shape))

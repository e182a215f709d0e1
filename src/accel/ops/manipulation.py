"""Arrays put side by side, moved and repeated: views, and the primitive ``join`` where elements have to move."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import interop
from ..arguments import integer, integers, refuse, unshown
from ..array import Array, Symbol
from ..conversion import from_numpy
from ..errors import ArgumentError, ShapeError, shown
from ..view_memo import remembered
from .concatenation import concat
from .pieces import BOXES, Segment, of_segments
from .primitive.gather import take
from .primitive.pointwise import fn
from .primitive.reduce import normalize_axes
from .views import broadcast_to, expand_dims, reshape, viewed


@unshown
def unstack(x: Any, /, *, axis: int = 0, **others: Any) -> tuple[Any, ...]:
    """The parts of an array along an axis, as a tuple of views without that axis. Raises AxisError, ShapeError."""
    if others:
        refuse("unstack", others)
    array, restore = viewed("unstack", x)
    along = one_axis("unstack", axis, array)
    lead = (slice(None),) * along
    return tuple(restore(array[(*lead, i)]) for i in range(array.shape[along]))


@unshown
def flip(x: Any, /, *, axis: int | tuple[int, ...] | None = None, **others: Any) -> Any:
    """A view with the elements in reverse order along axes; None: along all of them. Raises AxisError."""
    if others:
        refuse("flip", others)
    return _flip(x, axis)


@remembered
def _flip(x: Any, axis: Any) -> Any:
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
    along = one_axis("repeat", axis, array)
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
    return _moveaxis(x, source, destination)


@remembered
def _moveaxis(x: Any, source: Any, destination: Any) -> Any:
    array, restore = viewed("moveaxis", x)
    old, new = (integers("moveaxis", name, v) for name, v in (("source", source), ("destination", destination)))
    old, new = (tuple(one_axis("moveaxis", a, array) for a in each) for each in (old, new))
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
    adopted, restore = interop.arrays("diff", **dict(given))
    named = dict(zip((name for name, _ in given), adopted, strict=True))
    along = one_axis("diff", axis, named["x"])
    for name, part in named.items():
        want = named["x"].shape
        if part.ndim != len(want) or any(a != along and m != want[a] for a, m in enumerate(part.shape)):
            raise ShapeError(f"diff: {name}: has shape {part.shape}, x {want}; only axis {along} may differ")
    result = concat(list(adopted), axis=along) if len(adopted) > 1 else named["x"]
    lead = (slice(None),) * along
    for _ in range(times):
        result = fn.subtract(result[(*lead, slice(1, None))], result[(*lead, slice(None, -1))])
    return restore(result)


def one_axis(op: str, axis: Any, x: Array) -> int:
    """One axis, not negative. Raises AxisError, ShapeError."""
    if not x.ndim:
        raise ShapeError(f"{op}: x: expected at least one axis, got shape ()")
    return normalize_axes(op, integer(op, "axis", axis), x.ndim)[0]

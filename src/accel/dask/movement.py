"""What moves elements and computes nothing: other chunks, views, other shapes, one array behind another."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Any

from ..array import Array
from ..dtypes import DType
from ..errors import UnsupportedError
from ..layout import Shape, row_major, span
from . import work
from .chunks import Chunks, Lengths, beside, between, borders, merged, pieces, starts, unified
from .grid import Grid, Index, Layer


def rechunked(source: Grid, chunks: Chunks) -> Grid:
    """The same elements in other chunks: of each old chunk the parts travel that new ones ask for, and no others."""
    if chunks == source.chunks:
        return source
    layer = Layer("rechunk", chunks, source.dtype, (source,))
    made = [pieces(old, new) for old, new in zip(source.chunks, chunks, strict=True)]
    for place in product(*(range(len(lengths)) for lengths in chunks)):
        along = [each[i] for each, i in zip(made, place, strict=True)]
        refs = []
        for parts in product(*along):
            spans = tuple((start, stop) for _, start, stop in parts)
            refs.append(layer.cut(source, tuple(i for i, _, _ in parts), spans))
        if len(refs) == 1:
            layer.alias(place, refs[0])
        else:
            layer.put(place, work.assembled, tuple(map(len, along)), *refs)
    return layer.grid()


def whole(source: Grid, axes: Shape) -> Grid:
    """Each of these axes in one chunk."""
    return rechunked(
        source, tuple((sum(lengths),) if a in axes else lengths for a, lengths in enumerate(source.chunks))
    )


def along_axes(sources: list[Grid], shape: Shape) -> tuple[list[Grid], Chunks]:
    """Grids that broadcast to a shape, with equal chunks along each axis that they have, and these; 1 where none has
    the axis' length."""
    ndim, chunks = len(shape), []
    for axis in range(ndim):
        there = [g.chunks[axis - ndim] for g in sources if len(g.chunks) >= ndim - axis]
        long = [lengths for lengths in there if sum(lengths) == shape[axis]]
        chunks.append(unified(long) if long else (1,))
    made = [rechunked(g, tuple(map(beside, g.chunks, chunks[ndim - len(g.chunks) :]))) for g in sources]
    return made, tuple(chunks)


def place_in(source: Grid, place: Index) -> Index:
    """The place of the chunk that meets one of a grid to which this one broadcasts."""
    behind = place[len(place) - len(source.chunks) :]
    return tuple(0 if n == 1 else i for i, n in zip(behind, source.counts, strict=True))


def resolved(x: Array, stretched: bool = True) -> Grid:
    """The grid that an array on a `Grid` is a view of, as a grid of its own. stretched: whether axes that are broadcast
    get their length; else they have length 1."""
    source: Grid = x.buffer
    shape, strides = x.shape, x.strides
    if x.layout.contiguous and x.offset == 0 and shape == source.shape:
        return source
    if x.size == 0:
        return nothing(source.dtype, shape)
    once = tuple(n if step else 1 for n, step in zip(shape, strides, strict=True))
    axes = axes_of(source.shape, once, strides, x.offset)
    if axes is None:
        if (other := _as_reshaped(x, once)) is not None:
            return resolved(other, stretched)
        if (made := _strided(x, once)) is not None:
            return broadcast(made, shape) if stretched and once != shape else made
        raise UnsupportedError(
            f"a chunked array of shape {source.shape} has no view of shape {shape} with strides {strides} from element "
            f"{x.offset} on; reshape or copy it before"
        )
    seen = _seen(source, once, *axes)
    return broadcast(seen, shape) if stretched and once != shape else seen


def _as_reshaped(x: Array, once: Shape) -> Array | None:
    """The same view of the source's elements under another shape, of which it is one of whole axes, or of one axis;
    None where there is no such shape."""
    source: Grid = x.buffer
    axes = sorted(((abs(step), n) for n, step in zip(once, x.strides, strict=True) if n > 1), reverse=True)
    lengths = tuple(n for _, n in axes)
    if prod(lengths) == prod(source.shape) and row_major(lengths) == tuple(step for step, _ in axes):
        target = lengths
    elif len(lengths) == 1:
        target = (prod(source.shape),)
    else:
        return None
    return None if target == source.shape else Array(reshaped(source, target), x.offset, x.layout)


def _strided(x: Array, once: Shape) -> Grid | None:
    """Any view that goes through the source's first axis as that does, chunk by chunk of it, or any view of one chunk;
    None for others."""
    source: Grid = x.buffer
    rest = prod(source.shape[1:])
    pairs = list(zip(once, x.strides, strict=True))
    first = (
        next((a for a, pair in enumerate(pairs) if pair == (source.shape[0], rest)), None) if source.chunks else None
    )
    if first is not None:
        others = [pair for a, pair in enumerate(pairs) if a != first]
        low, high = span(tuple(n for n, _ in others), tuple(step for _, step in others))
        if not 0 <= x.offset + low < x.offset + high <= rest:
            first = None
    if first is None and any(n > 1 for n in source.counts):
        return None
    source = whole(source, tuple(range(1, len(source.chunks))))
    chunks = tuple(source.chunks[0] if a == first else (n,) for a, n in enumerate(once))
    layer = Layer("view", chunks, source.dtype, (source,), once, x.strides, x.offset)
    for place in product(*(range(len(lengths)) for lengths in chunks)):
        its = tuple(lengths[i] for lengths, i in zip(chunks, place, strict=True))
        at = (0 if first is None else place[first], *(0 for _ in source.chunks[1:]))[: len(source.chunks)]
        layer.put(place, work.strided, its, x.strides, x.offset, source.ref(at))
    return layer.grid()


Walk = tuple[int, int, int]
"""How a source's axis is walked: from where, by which step, how often."""


def axes_of(shape: Shape, view: Shape, strides: Shape, offset: int) -> tuple[list[int | None], list[Walk]] | None:
    """For each axis of a view the axis of a row-major source that it walks, None of length 1; and how each axis of the
    source is walked. None where the view is no such thing."""
    steps = [prod(shape[a + 1 :]) for a in range(len(shape))]
    begin = []
    for step in steps:
        begin.append(offset // step)
        offset %= step
    walks: list[Walk] = [(at, 1, 1) for at in begin]
    found: list[int | None] = []
    taken: set[int] = set()
    for n, stride in zip(view, strides, strict=True):
        if n == 1:
            found.append(None)
            continue
        axis = next((a for a, step in enumerate(steps) if shape[a] > 1 and step <= abs(stride)), None)
        if axis is None or axis in taken or stride % steps[axis]:
            return None
        by = stride // steps[axis]
        if not 0 <= begin[axis] + by * (n - 1) < shape[axis]:
            return None
        taken.add(axis)
        found.append(axis)
        walks[axis] = (begin[axis], by, n)
    if any(not 0 <= at < n for at, n in zip(begin, shape, strict=True)):
        return None
    return found, walks


def walked(lengths: Lengths, walk: Walk) -> list[tuple[int, slice]]:
    """The chunks that a walk along an axis meets, in its order, and what it takes of each."""
    at, by, n = walk
    found, end, number = [], sum(lengths), len(lengths)
    starts = []
    for length in reversed(lengths):
        end -= length
        starts.insert(0, end)
    order = range(number) if by > 0 else range(number - 1, -1, -1)
    i = 0
    for c in order:
        if i == n:
            break
        inside = at + i * by - starts[c]
        if not 0 <= inside < lengths[c]:
            continue
        fits = (lengths[c] - 1 - inside) // by if by > 0 else inside // -by
        count = min(n - i, fits + 1)
        last = inside + (count - 1) * by
        stop = last + (1 if by > 0 else -1)
        found.append((c, slice(inside, None if stop < 0 else stop, by)))
        i += count
    return found


def _seen(source: Grid, shape: Shape, axes: list[int | None], walks: list[Walk]) -> Grid:
    """A view of slices, with the axes in another order, some of length 1 more or fewer."""
    cuts = [walked(lengths, walk) for lengths, walk in zip(source.chunks, walks, strict=True)]
    kept = sorted(a for a in axes if a is not None)
    order, new = [], len(kept)
    for a in axes:
        order.append(kept.index(a) if a is not None else new)
        new += a is None
    chunks = tuple((1,) if a is None else tuple(len(range(source.chunks[a][c])[s]) for c, s in cuts[a]) for a in axes)
    kind = "permuted" if walks == [(0, 1, n) for n in source.shape] else "view"
    layer = Layer(kind, chunks, source.dtype, (source,), shape, axes, walks)
    for place in product(*(range(len(lengths)) for lengths in chunks)):
        at = {a: i for a, i in zip(axes, place, strict=True) if a is not None}
        taken = [cuts[a][at.get(a, 0)] for a in range(len(source.chunks))]
        key: list[Any] = [s if a in at else s.start for a, (_, s) in enumerate(taken)]
        key += [None] * (len(shape) - len(kept))
        layer.put(place, work.seen, tuple(key), tuple(order), source.ref(tuple(c for c, _ in taken)))
    return layer.grid()


def nothing(dtype: DType, shape: Shape) -> Grid:
    """An array without elements."""
    chunks = tuple((n,) for n in shape)
    layer = Layer("full", chunks, dtype, (), shape)
    number = work.Number(False if dtype.kind == "b" else 0, dtype.name)
    layer.put((0,) * len(shape), work.full, shape, number)
    return layer.grid()


def broadcast(source: Grid, shape: Shape) -> Grid:
    """Stretched to a shape of as many axes; in one chunk along axes that become longer."""
    source = whole(source, tuple(a for a, n in enumerate(shape) if source.shape[a] != n))
    chunks = tuple(lengths if sum(lengths) == n else (n,) for lengths, n in zip(source.chunks, shape, strict=True))
    layer = Layer("broadcast", chunks, source.dtype, (source,), shape)
    for place in product(*(range(len(lengths)) for lengths in chunks)):
        its = tuple(lengths[i] for lengths, i in zip(chunks, place, strict=True))
        layer.put(place, work.widened, its, source.ref(place_in(source, place)))
    return layer.grid()


def reshaped(source: Grid, shape: Shape) -> Grid:
    """The elements, in row-major order, under another shape. Where axes become one, or one becomes several, all of them
    but the first are in one chunk each, for which elements travel if they were not."""
    old = source.shape
    before: list[Lengths] = []
    after: list[Lengths] = []
    i = j = 0
    while i < len(old) or j < len(shape):
        first, second = i, j
        a = old[i] if i < len(old) else 1
        b = shape[j] if j < len(shape) else 1
        i, j = min(i + 1, len(old)), min(j + 1, len(shape))
        while a != b:
            if a < b:
                a, i = a * old[i], i + 1
            else:
                b, j = b * shape[j], j + 1
        chunks, its = source.chunks[first:i], shape[second:j]
        if old[first:i] != its:
            chunks, made = merged(chunks, its, prod(max(c) for c in chunks))
        else:
            made = chunks
        before += chunks
        after += made
    cut = rechunked(source, tuple(before))
    layer = Layer("reshape", tuple(after), source.dtype, (cut,), shape)
    for place, target in zip(cut.places(), product(*(range(len(lengths)) for lengths in after)), strict=True):
        its = tuple(lengths[k] for lengths, k in zip(after, target, strict=True))
        layer.put(target, work.shaped, its, cut.ref(place))
    return layer.grid()


def boxed(sources: list[Grid], begins: Sequence[Shape], shape: Shape) -> Grid:
    """Boxes that fill a shape, from where they begin in it: chunks end wherever a box does, or one of its chunks."""
    dtype = sources[0].dtype
    pairs = [(g, begin) for g, begin in zip(sources, begins, strict=True) if 0 not in g.shape]
    if not pairs:
        return nothing(dtype, shape)
    ends = [{0, n} for n in shape]
    for g, begin in pairs:
        for axis, at in enumerate(begin):
            ends[axis] |= {at, *(at + p for p in borders(g.chunks[axis])), at + g.shape[axis]}
    chunks = tuple(between(sorted(each), n) for each, n in zip(ends, shape, strict=True))
    at_start = [{at: i for i, at in enumerate(starts(lengths))} for lengths in chunks]
    parts, places = [], []
    for g, begin in pairs:
        first = tuple(each[at] for each, at in zip(at_start, begin, strict=True))
        places.append(first)
        inside = [between([p - at for p in each], n) for each, at, n in zip(ends, begin, g.shape, strict=True)]
        parts.append(rechunked(g, tuple(inside)))
    layer = Layer("join", chunks, dtype, parts, begins)
    for g, first in zip(parts, places, strict=True):
        for place in g.places():
            layer.alias(tuple(i + k for i, k in zip(place, first, strict=True)), g.ref(place))
    return layer.grid()


def stored(x: Array, value: Grid) -> Grid:
    """The grid that an array is a view of, with a value, of the array's shape, in the place of what the array sees.
    Raises UnsupportedError for a view that is no part of each axis."""
    source: Grid = x.buffer
    if not x.size:
        return source
    found = axes_of(source.shape, x.shape, x.strides, x.offset)
    if found is None:
        raise UnsupportedError(
            f"a chunked array of shape {source.shape} is not written to through a view of shape {x.shape} with strides "
            f"{x.strides} from element {x.offset} on; only through slices and places along its axes"
        )
    axes, walks = found
    taken = [walked(lengths, walk) for lengths, walk in zip(source.chunks, walks, strict=True)]
    lengths = [tuple(len(range(n)[s]) for n, s in _met(source.chunks[a], taken[a])) for a in range(len(taken))]
    lengths_of = [(1,) if a is None or n == 1 else lengths[a] for a, n in zip(axes, value.shape, strict=True)]
    value = rechunked(value, tuple(lengths_of))
    layer = Layer("stored", source.chunks, source.dtype, (source, value), x.shape, x.strides, x.offset)
    kept = tuple(sorted(a for a in axes if a is not None))
    order = [i for i, a in sorted(((i, a) for i, a in enumerate(axes) if a is not None), key=lambda pair: pair[1])]
    order += [i for i, a in enumerate(axes) if a is None]
    there = [{c: i for i, (c, _) in enumerate(each)} for each in taken]
    for place in product(*(range(n) for n in source.counts)):
        if any(c not in each for c, each in zip(place, there, strict=True)):
            layer.alias(place, source.ref(place))
            continue
        at = [each[c] for c, each in zip(place, there, strict=True)]
        key = tuple(each[i][1] for i, each in zip(at, taken, strict=True))
        its = value.ref(tuple(0 if a is None or n == 1 else at[a] for a, n in zip(axes, value.counts, strict=True)))
        layer.put(place, work.stored, key, kept, tuple(order), source.ref(place), its)
    return layer.grid()


def _met(lengths: tuple[int, ...], taken: list[tuple[int, slice]]) -> list[tuple[int, slice]]:
    return [(lengths[c], s) for c, s in taken]

"""Reductions, with the order of rule 2 of docs/numerics.md wherever chunks end.

A sum of floats goes by blocks of BLOCK elements of the flattened axes. A chunk gives the results of the blocks that lie
in it, and the elements of those that do not, which are added where the block's other elements arrive. The block results
are reduced by the same rule. Where the order makes no difference a chunk gives one result.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from math import prod
from typing import Any

from dask.task_spec import TaskRef

from ..dtypes import TABLE, DType
from ..layout import Shape
from ..numerics import BLOCK
from . import work
from .chunks import starts
from .grid import Grid, Index, Layer
from .movement import reshaped, resolved, whole
from .recorder import RULES, Call

FAN = 16
"""Results that are joined by one task, where the order makes no difference."""

JOINED = 1 << 16
"""Block results of one sum that are joined by one task; more are shared out again."""


def reduce(call: Call) -> tuple[Grid, ...]:
    """The rule of the primitive ``reduce``."""
    reduction, ((shape, dtype),) = call.inferred.params, call.inferred.outputs
    kind, axes = reduction.kind, reduction.axes
    x = call.operand(0)
    if not axes or all(len(x.chunks[a]) == 1 for a in axes) or 0 in x.shape:
        return (_inside(call, whole(x, axes) if 0 in x.shape else x, kind, axes, dtype),)
    if kind in ("argmax", "argmin"):
        return (_first(x, kind, axes, shape, dtype),)
    if kind in ("sum", "prod") and x.dtype.kind == "f":
        kept = tuple(a for a in range(len(x.chunks)) if a not in axes)
        view = resolved(x.array().permute((*kept, *axes)))
        return (_ordered(reshaped(view, (*shape, prod(x.shape[a] for a in axes))), kind, dtype),)
    return (_free(x, kind, axes, shape, dtype),)


def _inside(call: Call, x: Grid, kind: str, axes: Shape, dtype: DType) -> Grid:
    """Of axes that no chunk's border cuts."""
    chunks = tuple(lengths for a, lengths in enumerate(x.chunks) if a not in axes)
    layer = Layer(f"{kind}-inside", chunks, dtype, (x,), axes)
    asked = dtype if kind in ("sum", "prod") else None
    for place in x.places():
        kept = tuple(i for a, i in enumerate(place) if a not in axes)
        layer.put(kept, work.called, kind, (axes, asked), x.ref(place))
    return layer.grid()


def _ordered(x: Grid, kind: str, dtype: DType) -> Grid:
    """Of the last axis: block by block."""
    accumulator = TABLE[x.dtype.accumulator]
    while True:
        made = _blocks(x, kind, accumulator)
        if made.shape[-1] <= JOINED:
            break
        x = made
    layer = Layer(kind, made.chunks[:-1], dtype, (made,))
    for kept in product(*(range(len(lengths)) for lengths in made.chunks[:-1])):
        refs = [made.ref((*kept, i)) for i in range(len(made.chunks[-1]))]
        layer.put(kept, work.joined, kind, dtype.name, *refs)
    return layer.grid()


def _blocks(x: Grid, kind: str, accumulator: DType) -> Grid:
    """The results of all blocks along the last axis."""
    lengths, n = x.chunks[-1], x.shape[-1]
    parts = _shares(lengths, n)
    chunks = (*x.chunks[:-1], tuple(blocks for blocks, _ in parts))
    layer = Layer(f"{kind}-blocks", chunks, accumulator, (x,))
    name = accumulator.name
    for kept in product(*(range(len(each)) for each in x.chunks[:-1])):
        box = tuple((0, each[i]) for each, i in zip(x.chunks[:-1], kept, strict=True))
        for at, (_, pieces) in enumerate(parts):
            if isinstance(pieces, tuple):
                c, start, stop = pieces
                layer.put((*kept, at), work.blocks, kind, name, start, stop, x.ref((*kept, c)))
            else:
                refs = [layer.cut(x, (*kept, c), (*box, (start, stop))) for c, start, stop in pieces]
                layer.put((*kept, at), work.block, kind, name, *refs)
    return layer.grid()


Share = tuple[int, tuple[int, int, int] | list[tuple[int, int, int]]]
"""So many blocks of one chunk, from where to where; or one block and the parts of chunks that it is of."""


def _shares(lengths: Shape, n: int) -> list[Share]:
    """Which task computes which blocks of an axis of n elements, in ascending order."""
    found: list[Share] = []
    cut: list[tuple[int, int, int]] = []  # of a block that no chunk so far has ended
    for c, (begin, length) in enumerate(zip(starts(lengths), lengths, strict=True)):
        end = begin + length
        first = min(-(-begin // BLOCK) * BLOCK, end)
        last = end if end == n else max(first, end // BLOCK * BLOCK)
        if begin < first:
            cut.append((c, 0, first - begin))
        if cut and (first % BLOCK == 0 or first == n):
            found.append((1, cut))
            cut = []
        if first < last:
            found.append((-(-(last - first) // BLOCK), (c, first - begin, last - begin)))
        if last < end:
            cut.append((c, last - begin, length))
    return found


def _free(x: Grid, kind: str, axes: Shape, shape: Shape, dtype: DType) -> Grid:
    """Of any order: a result for each chunk, joined some at a time."""
    asked = dtype.name if kind in ("sum", "prod") else None
    chunks = tuple((1,) * len(lengths) if a in axes else lengths for a, lengths in enumerate(x.chunks))
    layer = Layer(kind, chunks, dtype, (x,), axes)
    for place in x.places():
        if _some(x, axes, place):
            layer.put(place, work.folded, kind, axes, asked, x.ref(place))
    made = layer.grid()
    joining = "any" if kind == "any" else kind
    result = Layer(kind, tuple(lengths for a, lengths in enumerate(x.chunks) if a not in axes), dtype, (made,), axes)
    for kept, places in _groups(x, axes).items():
        refs = _joined(result, kept, [made.ref(place) for place in places], work.merged, joining, asked)
        its = tuple(n for a, n in enumerate(made.lengths(places[0])) if a not in axes)
        result.put(kept, work.shaped, its, refs)
    return result.grid()


def _joined(layer: Layer, kept: Index, refs: list[TaskRef], function: Callable[..., Any], *arguments: Any) -> TaskRef:
    """One of several results, FAN at a time."""
    level = 0
    while len(refs) > 1:
        refs = [
            layer.aside(f"join{level}", (*kept, i), function, *arguments, *refs[i : i + FAN])
            for i in range(0, len(refs), FAN)
        ]
        level += 1
    return refs[0]


def _groups(x: Grid, axes: Shape) -> dict[Index, list[Index]]:
    """Places of chunks that have something along these axes by their places along others, in row-major order."""
    found: dict[Index, list[Index]] = {}
    for place in x.places():
        if _some(x, axes, place):
            kept = tuple(i for a, i in enumerate(place) if a not in axes)
            found.setdefault(kept, []).append(place)
    return found


def _some(x: Grid, axes: Shape, place: Index) -> bool:
    return all(x.chunks[a][place[a]] for a in axes)


def _first(x: Grid, kind: str, axes: Shape, shape: Shape, dtype: DType) -> Grid:
    """The place of the first extreme element: that of each chunk, and of equal ones the first."""
    chunks = tuple(lengths for a, lengths in enumerate(x.chunks) if a not in axes)
    layer = Layer(kind, chunks, dtype, (x,), axes)
    lengths = tuple(x.shape[a] for a in axes)
    begins = [starts(x.chunks[a]) for a in axes]
    for kept, places in _groups(x, axes).items():
        refs = []
        for place in places:
            begin = tuple(each[place[a]] for each, a in zip(begins, axes, strict=True))
            refs.append(layer.aside("extreme", place, work.extreme, kind, axes, lengths, begin, x.ref(place)))
        pair = _joined(layer, kept, refs, work.first_extreme, kind)
        layer.put(kept, work.place_of, pair, tuple(each[i] for each, i in zip(chunks, kept, strict=True)))
    return layer.grid()


RULES["reduce"] = reduce

"""Composed ops that compute each chunk by itself: one task then calls the whole op, which is one compiled kernel.

Whether one does is tried, not listed: its body is described once for the whole array, and once for chunks of each shape
that there is. Where no chunk's border is crossed, and every call that the body makes has the same parameters and
numbers, the op of a chunk is the chunk of the op.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from .. import registry
from ..array import Array, Symbol
from ..errors import AccelError
from ..layout import Shape
from ..ops.compose import Bound
from ..ops.spec import OpSpec
from . import work
from .grid import MADE, Grid, Index, Layer
from .parts import grid_of

INSIDE = ("permuted", "broadcast", "part", "complex")
"""Layers, beside those of elements and of reductions inside of chunks, that cross no border."""

SHAPES = 16
"""Combinations of chunks' shapes that are tried at most."""

Log = list[tuple[Any, ...]]
"""The calls that a body makes: op, parameters and numbers of each."""

Describe = Callable[[OpSpec, Sequence[Array], Any], tuple[Log, Any]]
"""What a body calls and what it returns, of arrays on grids."""


def attempt(describe: Describe, spec: OpSpec, operands: Sequence[Grid | work.Number], params: Any) -> Any:
    """The results of a composed op as grids with one task for each chunk, or None where that is not right."""
    grids = [x for x in operands if isinstance(x, Grid)]
    if not isinstance(params, Bound) or registry.OPS.get(spec.name) is not spec or not grids:
        return None
    with _made() as layers:
        log, results = describe(spec, [_array(x) for x in operands], params)
        several = results if isinstance(results, tuple) else (results,)
        if not all(isinstance(x.buffer, Symbol) for x in several):
            return None
        made = [grid_of(x) for x in several]
    if not all(map(_inside, layers)) or len({x.chunks for x in made}) > 1:
        return None
    sources = _sources(made[0], grids)
    if sources is None or any(_sources(other, grids) != sources for other in made[1:]):
        return None
    shapes = {tuple(x.lengths(place[x.name]) for x in grids): made[0].lengths(at) for at, place in sources.items()}
    if len(shapes) > SHAPES or not all(
        _same(describe, spec, operands, params, log, chunks, its, len(made)) for chunks, its in shapes.items()
    ):
        return None
    return [_layer(spec, params, operands, made, i, sources) for i in range(len(made))]


@contextmanager
def _made() -> Iterator[list[str]]:
    """The kinds of layers that are made inside."""
    found: list[str] = []
    token = MADE.set(found)
    try:
        yield found
    finally:
        MADE.reset(token)


def _array(x: Grid | work.Number) -> Array:
    return x.array() if isinstance(x, Grid) else work.here(x)


def _inside(kind: str) -> bool:
    found = registry.OPS.get(kind)
    return kind in INSIDE or kind.endswith("-inside") or (found is not None and found.primitive == "pointwise")


def _sources(made: Grid, grids: Sequence[Grid]) -> dict[Index, dict[str, Index]] | None:
    """Of each chunk of a result the one chunk of each operand that it is made of; None where they are several."""
    names = {x.name for x in grids}
    tasks = {key: task for layer in made.graph.layers.values() for key, task in layer.items()}  # type: ignore[union-attr]
    known: dict[Any, frozenset[Any]] = {}

    def found(key: Any) -> frozenset[Any]:
        if key not in known:
            if key[0] in names:
                known[key] = frozenset([key])
            else:
                known[key] = frozenset().union(*map(found, tasks[key].dependencies))
        return known[key]

    result = {}
    for place in made.places():
        keys = found((made.name, *place))
        by_name = {name: tuple(rest) for name, *rest in keys}
        if len(by_name) < len(keys) or set(by_name) != names:
            return None
        result[place] = by_name
    return result


def _same(
    describe: Describe,
    spec: OpSpec,
    operands: Sequence[Grid | work.Number],
    params: Any,
    log: Log,
    chunks: Sequence[Shape],
    its: Shape,
    count: int,
) -> bool:
    """Whether the body makes the same calls of chunks alone, and results of the right shape."""
    left = iter(chunks)
    alone = [
        Grid(x.name, tuple((n,) for n in next(left)), x.dtype, x.graph) if isinstance(x, Grid) else x for x in operands
    ]
    try:
        other, results = describe(spec, [_array(x) for x in alone], params)
    except AccelError:
        return False
    several = results if isinstance(results, tuple) else (results,)
    return other == log and [x.shape for x in several] == [its] * count


def _layer(
    spec: OpSpec,
    params: Bound,
    operands: Sequence[Grid | work.Number],
    made: Sequence[Grid],
    i: int,
    sources: dict[Index, dict[str, Index]],
) -> Grid:
    """The tasks of a result."""
    grids = [x for x in operands if isinstance(x, Grid)]
    told = (params.given, params.values)
    known = [x.name if isinstance(x, Grid) else x for x in operands]
    layer = Layer(spec.name, made[i].chunks, made[i].dtype, grids, told, known, i)
    for place, its in sources.items():
        given = [x.ref(its[x.name]) if isinstance(x, Grid) else x for x in operands]
        if len(made) == 1:
            layer.put(place, work.composed, spec.name, *told, *given)
        else:
            ref = layer.aside("all", place, work.composed, spec.name, *told, *given)
            layer.put(place, work.one_of, ref, i)
    return layer.grid()

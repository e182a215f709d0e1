"""Calls on chunked arrays: accel's own functions run, and where they call a primitive its rule here makes tasks of it.

So a function needs nothing of its own to work on chunks: what it does is its body, and what is shared out, with the
order of docs/numerics.md, are the primitives below it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from .. import dispatch
from ..array import Array, Symbol
from ..composition import recorded_by
from ..conversion import given_number, to_numpy
from ..errors import ArgumentError, DtypeError, UnsupportedError
from ..graph.trace import passed_on
from ..layout import Shape
from ..ops.spec import Inferred, OpSpec
from . import chunkwise, work
from .chunks import Chunks, Lengths, beside, unified
from .grid import Grid, Index, Layer, held
from .movement import along_axes, boxed, place_in, rechunked, resolved, whole


@dataclass(frozen=True)
class Call:
    """A call of a primitive: the op, its parameters as given and as kernels take them, its operands."""

    spec: OpSpec
    params: Any
    inferred: Inferred
    inputs: tuple[Array, ...]

    @property
    def shape(self) -> Shape:
        """Of the first result."""
        return self.inferred.outputs[0][0]

    def operand(self, i: int, stretched: bool = True) -> Grid:
        """An operand as a grid of its own."""
        return grid_of(self.inputs[i], stretched)

    def layer(self, chunks: Chunks, sources: Sequence[Grid], *what: Any) -> Layer:
        """The tasks of the first result."""
        return Layer(self.spec.name, chunks, self.inferred.outputs[0][1], sources, self.params, *what)


def grid_of(x: Array, stretched: bool = True) -> Grid:
    """An array as a grid: a view of one, or one chunk of elements that are there."""
    if isinstance(x.buffer, Grid):
        return resolved(x, stretched)
    if isinstance(x.buffer, Symbol):
        raise DtypeError("a chunked array has no complex numbers; share out their real and imaginary parts")
    if not stretched:
        x = x[tuple(slice(None) if step else slice(1) for step in x.strides)]
    return held(to_numpy(x), x.dtype)


class Recorder:
    """Takes the place of `dispatch.call` while a function of chunked arrays runs. log: where what is called is noted;
    composed ops are then taken apart in any case."""

    def __init__(self, log: chunkwise.Log | None = None) -> None:
        self._log = log

    def call(self, spec: OpSpec, inputs: Sequence[Array], params: Any, out: Array | None) -> Any:
        """The results of a call: arrays on grids of tasks."""
        if not any(isinstance(x.buffer, Symbol) for x in inputs):
            with recorded_by(None):
                return dispatch.call(spec, tuple(inputs), params, out)
        if out is not None:
            raise ArgumentError(f"{spec.name}: chunked arrays are not written into; use the result instead")
        if self._log is None and spec.decompose is not None:
            found = chunkwise.attempt(_logged, spec, [_operand(x) for x in inputs], params)
            if found is not None:
                return _results(found)
        if (passed := passed_on(spec, inputs, params, self.call)) is not None:
            return passed
        if self._log is not None:
            numbers = [repr(x) for x in map(_number, inputs) if x is not None]
            self._log.append((spec.name, params, numbers))
        inferred = spec.infer(tuple(x.layout for x in inputs), params)
        call = Call(spec, params, inferred, tuple(inputs))
        return _results(RULES.get(spec.primitive, alone)(call))


def _results(grids: Sequence[Grid]) -> Any:
    made = tuple(grid.array() for grid in grids)
    return made[0] if len(made) == 1 else made


def _number(x: Array) -> work.Number | None:
    """A Python scalar that became an array without memory of its own."""
    number = None if isinstance(x.buffer, Symbol) else given_number(x)
    return work.Number(number, x.dtype.name) if isinstance(number, (bool, int, float)) else None


def _operand(x: Array) -> Grid | work.Number:
    return (None if x.ndim else _number(x)) or grid_of(x)


def _logged(spec: OpSpec, inputs: Sequence[Array], params: Any) -> tuple[chunkwise.Log, Any]:
    """What the body of a composed op calls, and what it returns."""
    log: chunkwise.Log = []
    with recorded_by(Recorder(log)):
        return log, spec.decompose(*inputs, params)  # type: ignore[misc]


def described(function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    """What a function of accel's makes of arrays on grids."""
    with recorded_by(Recorder()):
        return function(*arguments, **keywords)


Rule = Callable[[Call], tuple[Grid, ...]]


def pointwise(call: Call) -> tuple[Grid, ...]:
    """Chunk by chunk, in chunks that all operands share."""
    operands: list[Any] = [_number(x) or grid_of(x, stretched=False) for x in call.inputs]
    shape = call.shape
    grids, chunks = along_axes([x for x in operands if isinstance(x, Grid)], shape)
    chunks = tuple(c if sum(c) == n else (n,) for c, n in zip(chunks, shape, strict=True))
    if call.spec.name == "copy" and grids[0].chunks == chunks and isinstance(operands[0], Grid):
        return (grids[0],)
    left = iter(grids)
    operands = [next(left) if isinstance(x, Grid) else x for x in operands]
    layer = call.layer(chunks, grids, *(x.name if isinstance(x, Grid) else x for x in operands))
    name = call.spec.name
    for place in _places(chunks):
        its = tuple(c[i] for c, i in zip(chunks, place, strict=True))
        given = [x.ref(place_in(x, place)) if isinstance(x, Grid) else x for x in operands]
        layer.put(place, work.pointwise, name, call.params, its, *given)
    return (layer.grid(),)


def _places(chunks: Chunks) -> Iterator[Index]:
    return product(*(range(len(lengths)) for lengths in chunks))


def join(call: Call) -> tuple[Grid, ...]:
    """Chunks under other names."""
    params = call.inferred.params
    return (boxed([grid_of(x) for x in call.inputs], params.starts, params.shape),)


def along(call: Call) -> tuple[Grid, ...]:
    """What goes along one axis, which is in one chunk for it."""
    axis = call.inferred.params.axis
    x = whole(call.operand(0), (axis,))
    chunks = tuple((call.shape[a],) if a == axis else lengths for a, lengths in enumerate(x.chunks))
    layer = call.layer(chunks, (x,))
    for place in x.places():
        layer.put(place, work.called, call.spec.name, call.params, x.ref(place))
    return (layer.grid(),)


def search(call: Call) -> tuple[Grid, ...]:
    """Each chunk of values in the whole vector."""
    vector, values = whole(call.operand(0), (0,)), call.operand(1)
    layer = call.layer(values.chunks, (vector, values))
    for place in values.places():
        layer.put(place, work.called, call.spec.name, call.params, vector.ref((0,)), values.ref(place))
    return (layer.grid(),)


def gather(call: Call) -> tuple[Grid, ...]:
    """Each chunk of positions in whole axes, those that are walked with the result chunk by chunk."""
    walks = call.inferred.params.walks
    x = whole(call.operand(0), tuple(a for a, to in enumerate(walks) if to < 0))
    shape = call.shape
    indices = [grid_of(index, stretched=False) for index in call.inputs[1:]]
    chunks: list[Lengths] = []
    for axis, n in enumerate(shape):
        given = [g.chunks[axis] for g in indices if sum(g.chunks[axis]) == n]
        given += [lengths for lengths, to in zip(x.chunks, walks, strict=True) if to == axis]
        chunks.append(unified(given) if given else (n,))
    x = rechunked(x, tuple(chunks[to] if to >= 0 else lengths for to, lengths in zip(walks, x.chunks, strict=True)))
    indices = [rechunked(g, tuple(map(beside, g.chunks, chunks))) for g in indices]
    layer = call.layer(tuple(chunks), (x, *indices))
    lengths = call.inputs[0].shape
    for place in _places(chunks):
        source = x.ref(tuple(place[to] if to >= 0 else 0 for to in walks))
        given = [g.ref(place_in(g, place)) for g in indices]
        layer.put(place, work.gathered, call.spec.name, call.params, lengths, source, *given)
    return (layer.grid(),)


def by_first_axis(call: Call) -> tuple[Grid, ...]:
    """What computes each image, sequence or matrix alone: chunks of the first axis, of all others whole axes."""
    shared = _shared(call)
    if not shared:
        return alone(call)
    grids = [grid_of(x) for x in call.inputs]
    first = tuple(n for n in unified([grids[i].chunks[0] for i in shared]) if n) or (0,)
    grids = [
        rechunked(x, tuple(first if not a and i in shared else (n,) for a, n in enumerate(x.shape)))
        for i, x in enumerate(grids)
    ]
    return _several(call, grids, first, shared)


def _shared(call: Call) -> tuple[int, ...]:
    """The operands whose first axis is that of the results, each place of which is computed from its own elements."""
    operands = range(len(call.inputs))
    if call.spec.primitive == "convolution":
        return tuple(i for i in operands if i == 0 or i >= len(operands) - call.inferred.params.extras)
    if call.spec.primitive == "attention":
        named = ("query", "key", "value", *call.inferred.params.given)
        if "offsets" in named or "pages" in named:
            return ()
        return tuple(i for i in operands if named[i] not in ("sinks", "slopes"))
    return tuple(operands)


def alone(call: Call) -> tuple[Grid, ...]:
    """Operands of one chunk each in one task; others are refused."""
    grids = [grid_of(x) for x in call.inputs]
    for x in grids:
        if any(n > 1 for n in x.counts):
            raise UnsupportedError(
                f"{call.spec.name}: its primitive {call.spec.primitive} is not shared out between chunks, and an "
                f"operand of shape {x.shape} has {' x '.join(map(str, x.counts))} of them; rechunk(-1) puts all "
                "elements into one"
            )
    return _several(call, grids, None, ())


def _several(call: Call, grids: list[Grid], first: Lengths | None, shared: tuple[int, ...]) -> tuple[Grid, ...]:
    """The results of calls of operands in one chunk each, or in several along the first axis of those that share it."""
    name, outputs, results = call.spec.name, call.inferred.outputs, []
    for i, (shape, dtype) in enumerate(outputs):
        chunks = tuple(first if first and not a else (n,) for a, n in enumerate(shape))
        layer = Layer(name, chunks, dtype, grids, call.params, i)
        for place in _places(chunks):
            refs = [
                x.ref(tuple(place[0] if not a and k in shared else 0 for a in range(len(x.chunks))))
                for k, x in enumerate(grids)
            ]
            if len(outputs) == 1:
                layer.put(place, work.called, name, call.params, *refs)
            else:
                made = layer.aside("all", place[:1], work.called, name, call.params, *refs)
                layer.put(place, work.one_of, made, i)
        results.append(layer.grid())
    return tuple(results)


RULES: dict[str, Rule] = {
    "pointwise": pointwise,
    "join": join,
    "scan": along,
    "sort": along,
    "search": search,
    "gather": gather,
    "convolution": by_first_axis,
    "attention": by_first_axis,
    "factor": by_first_axis,
}
"""By primitive; all others are `alone`."""

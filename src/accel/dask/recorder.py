"""Calls on chunked arrays: accel's own functions run, and where they call a primitive its rule here makes tasks of it.

So a function needs nothing of its own to work on chunks: what it does is its body, and what is shared out, with the
order of docs/numerics.md, are the primitives below it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from .. import dispatch, registry
from ..array import Array, Symbol
from ..checks import Check
from ..complex_plan import Moved
from ..composition import recorded_by
from ..conversion import given_number
from ..dtypes import complex_of
from ..errors import ArgumentError, UnsupportedError
from ..graph.trace import passed_on
from ..layout import Shape
from ..ops.spec import Inferred, OpSpec
from ..parts import half, pair, parts
from . import chunkwise, wholes, work
from .chunks import Chunks, Lengths, beside, unified
from .grid import Grid, Index, Layer
from .movement import along_axes, boxed, place_in, rechunked, stored, whole
from .parts import grid_of, once


@dataclass(frozen=True)
class Call:
    """A call of a primitive: the op, its parameters as given and as kernels take them, its operands."""

    spec: OpSpec
    params: Any
    inferred: Inferred
    inputs: tuple[Array, ...]
    checks: tuple[tuple[Check, Grid], ...] = ()
    """Positions that the function has had looked at, which tasks have to do."""

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


class Recorder:
    """Takes the place of `dispatch.call` while a function of chunked arrays runs. log: where what is called is noted;
    composed ops are then taken apart in any case. writing: whether results may go to a part of an array, of which
    `written` then has the grid that takes its place, by its name."""

    def __init__(self, log: chunkwise.Log | None = None, writing: bool = False) -> None:
        self._log = log
        self._checks: list[tuple[Check, Grid]] = []
        self.written: dict[str, Grid] | None = {} if writing else None

    def check(self, check: Check, array: Array) -> None:
        """Has scatters' tasks look at positions; those of gathers do so themselves."""
        if self._log is None:
            self._checks.append((check, grid_of(array, stretched=False)))

    def call(self, spec: OpSpec, inputs: Sequence[Array], params: Any, out: Array | None) -> Any:
        """The results of a call: arrays on grids of tasks."""
        if out is not None and self.written is not None:
            return self._write(spec, inputs, params, out)
        if not any(isinstance(x.buffer, Symbol) for x in inputs):
            with recorded_by(None):
                return dispatch.call(spec, tuple(inputs), params, out)
        if out is not None:
            raise ArgumentError(f"{spec.name}: chunked arrays are not written into; use the result instead")
        if self._log is None and spec.decompose is not None:
            found = wholes.attempt(spec, inputs, params)
            if found is None and spec.name not in wholes.MATRICES:
                found = chunkwise.attempt(_logged, spec, [_operand(x) for x in inputs], params)
            if found is not None:
                return _results(found)
        if self._log is None and (inferred := _of_complex(spec, inputs, params)) is not None:
            return _results(pointwise(Call(spec, params, inferred, tuple(inputs))))
        if (passed := passed_on(spec, inputs, params, self.call)) is not None:
            return wholes.rechunked_as(spec, inputs, passed)
        if self._log is not None:
            numbers = [repr(x) for x in map(_number, inputs) if x is not None]
            self._log.append((spec.name, params, numbers))
        inferred = spec.infer(tuple(x.layout for x in inputs), params)
        call = Call(spec, params, inferred, tuple(inputs), tuple(self._checks))
        return _results(RULES.get(spec.primitive, alone)(call))

    def _write(self, spec: OpSpec, inputs: Sequence[Array], params: Any, out: Array) -> Array:
        """A call whose result goes to a part of the array that is written to."""
        assert self.written is not None
        seen = parts(out) if out.dtype.kind == "c" else (out,)
        if spec.primitive == "scatter" and spec.in_place:
            inputs, spec = (out, *inputs), registry.OPS[spec.name]
        else:
            inputs = [once(x) for x in inputs]
        made = self.call(spec, inputs, params, None)
        for its, value in zip(seen, parts(made) if len(seen) > 1 else (made,), strict=True):
            self.written[its.buffer.name] = stored(its, grid_of(value, stretched=False))
        return out


def _results(grids: Sequence[Grid]) -> Any:
    made = tuple(grid.array() for grid in grids)
    return made[0] if len(made) == 1 else made


def _of_complex(spec: OpSpec, inputs: Sequence[Array], params: Any) -> Inferred | None:
    """What a function of complex elements gives, which one task for each chunk computes; None for all else."""
    if spec.primitive != "pointwise" or registry.OPS.get(spec.name) is not spec:
        return None
    layouts = tuple(x.layout for x in inputs)
    served = registry.served(spec, layouts, params)
    if served is spec:
        return None
    adapted = served.adapt(layouts, params)
    if not isinstance(adapted, Moved):
        return served.infer(layouts, params) if adapted is None else None
    found = spec.infer(tuple(half(x) if x.dtype.kind == "c" else x for x in layouts), params)
    return Inferred(tuple((shape, complex_of(dtype)) for shape, dtype in found.outputs), params)


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


def written(x: Grid, key: Any, value: Any) -> Grid:
    """A grid after ``x[key] = value``."""
    recorder, array = Recorder(writing=True), x.array()
    with recorded_by(recorder):
        array[key] = value
    assert recorder.written is not None
    if x.dtype.kind != "c":
        return recorder.written.get(x.name, x)
    its = [part.buffer for part in parts(array)]
    re, im = (recorder.written.get(part.name, part) for part in its)
    return grid_of(pair(re.array(), im.array()))


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


def factor(call: Call) -> tuple[Grid, ...]:
    """Each matrix alone. Of one, a panel whose rows are in several chunks comes to one task, as each of its columns is
    summed over all rows in order, and goes back to where its rows were; right-hand sides are solved for side by
    side."""
    kind, source = call.inferred.params.kind, grid_of(call.inputs[-1])
    if source.shape[0] != 1:
        return by_first_axis(call)
    if kind.startswith("solve") and len(call.inputs) == 2:
        triangle, b = whole(grid_of(call.inputs[0]), (1, 2)), whole(source, (0, 1))
        layer = call.layer(b.chunks, (triangle, b))
        for place in b.places():
            layer.put(place, work.called, call.spec.name, call.params, triangle.ref((0, 0, 0)), b.ref(place))
        return (layer.grid(),)
    panel, *others = by_first_axis(call)
    return (rechunked(panel, ((1,), source.chunks[1], panel.chunks[2])), *others)


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
    "factor": factor,
}
"""By primitive; all others are `alone`."""

"""Plans of calls on complex arrays: those of real kernels, which read and write the parts where they lie.

Where a plan of the real call has launches alone, so has that of the complex one: the same launches, to which complex
arrays are real elements, two for each of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from . import _core, composition
from .array import Array, empty
from .backends.base import Device
from .composition import Run, stored
from .config import Settings
from .dtypes import DType, complex_of
from .errors import DtypeError
from .graph.compile import Stage
from .graph.graph import Graph, Node, Read
from .layout import Layout, Shape, layout
from .parts import half, halves, interleaved, is_apart, joined, pair, parts, settled
from .plan import Operand, Out, Plan, each, packed, seen_through


class Moved:
    """A call that does the same to both parts of complex numbers: on real arrays with a last axis for the two, or on
    each of them where they lie apart.

    call: `dispatch.call`. params: of the call on one part, and of that on arrays with the further axis.
    seen(arrays, view, more): the operands of the real call, of which view makes the complex ones real, and others get
    so many axes of length 1 at the end. There may be constants among them.
    """

    def __init__(self, call: Run, spec: Any, params: tuple[Any, Any], seen: Callable[..., Sequence[Array]]) -> None:
        self._call, self._spec, self._seen = call, spec, seen
        self._own, self._params = params

    def __call__(self, *arrays: Array) -> Array:
        return self.run(arrays, None)

    def run(self, arrays: Sequence[Array], out: Any) -> Array:
        """The plan: as `accel.plan.Plan` says."""
        if not any(is_apart(x) for x in arrays):
            if out is not None and out.dtype.kind != "c":
                raise DtypeError(f"{self._spec.name}: out: complex numbers do not become {out.dtype}")
            target = None if out is None else interleaved(out)
            made = self._call(self._spec, self._seen(arrays, interleaved, 1), self._params, target)
            return joined(made) if out is None else out
        if out is not None:
            return stored(self.run([settled(x) for x in arrays], None), out, self._call)
        re, im = (
            self._call(self._spec, self._seen(arrays, lambda x, i=i: parts(x)[i], 0), self._own, None) for i in (0, 1)
        )
        return pair(re, im)

    def plan(self, layouts: Sequence[Layout], plan_of: Callable[..., Plan]) -> Plan:
        """The plan for arrays in memory, with fresh outputs. plan_of: `dispatch.plan_of`."""
        seen = self._seen([Array(i, 0, its) for i, its in enumerate(layouts)], interleaved, 1)
        made = plan_of(self._spec, seen, self._params, None)
        if not isinstance(made, _core.Plan):
            return self.run
        (real,) = made.description.outputs
        *strides, last = real.strides
        if real.shape[-1:] != (2,) or last != 1 or any(step % 2 for step in strides):
            return self.run
        whole = _whole(real.dtype, real.shape[:-1], tuple(strides), real.device)
        inputs = [_given(x, layouts) for x in seen]
        return seen_through(made, inputs, [Operand("output", 0, 0, real, 2)], [whole], None)


def _given(x: Array, layouts: Sequence[Layout]) -> Operand:
    """An array of the real call, whose buffer is the number of an operand of the complex one, or that of a constant."""
    if not isinstance(x.buffer, int):
        return Operand("constant", x)
    return Operand("input", x.buffer, x.offset, x.layout, 2 if layouts[x.buffer].dtype.kind == "c" else 1)


def _whole(part: DType, shape: Shape, strides: Shape, device: Device) -> Layout:
    """How complex numbers lie whose parts have these strides."""
    return layout(complex_of(part), shape, tuple(step // 2 for step in strides), device)


def beside(graph: Graph) -> Graph | None:
    """The graph with the parts of complex results one beside the other in memory, as they are in a complex array; None
    where a result is no value of its own, or none is complex."""
    values = [read.value for read in graph.returned]
    own = all(r.value >= graph.first and r.layout is graph.layout(r.value) and not r.offset for r in graph.returned)
    if not graph.pairs or not own or len(set(values)) < len(values):
        return None
    moved = {read.value for read, paired in zip(graph.returned, _of_parts(graph), strict=True) if paired}

    def spread(its: Layout) -> Layout:
        return layout(its.dtype, its.shape, tuple(2 * step for step in its.strides), its.device)

    def seen(read: Read) -> Read:
        return Read(read.value, spread(read.layout), 2 * read.offset) if read.value in moved else read

    nodes: list[Node] = []
    for number, node in graph.numbered():
        outputs = tuple(spread(x) if value in moved else x for value, x in enumerate(node.outputs, number))
        nodes.append(replace(node, reads=tuple(map(seen, node.reads)), outputs=outputs))
    return replace(graph, nodes=tuple(nodes), results=tuple(map(seen, graph.results)))


def _of_parts(graph: Graph) -> Iterator[bool]:
    """For each result whether it is a part of a complex array."""
    for paired in graph.pairs or (False,) * len(graph.returned):
        yield from (True, True) if paired else (False,)


def complex_plan(
    graph: Graph,
    made: Sequence[Stage],
    inputs: Sequence[Layout],
    device: Device,
    settings: Settings,
    call: Run,
    overlap: Callable[[Array, Array], bool],
) -> Plan:
    """The plan of a graph whose operands or results are parts of complex arrays. inputs: layouts of the operands."""
    inner = composition.compiled(graph, made, device, settings, call, lambda arrays, out: None)
    seen = tuple(half(x) if x.dtype.kind == "c" else None for x in inputs)
    results = graph.outputs

    def given(arrays: Sequence[Array]) -> Iterator[Array]:
        for x, its in zip(arrays, seen, strict=True):
            if its is None:
                yield x
            else:
                yield Array(x.buffer, 2 * x.offset, its)
                yield Array(x.buffer, 2 * x.offset + 1, its)

    def meets(arrays: Sequence[Array], out: Out) -> bool:
        # the parts of one number have no gaps between elements: kernels would read one where the other is written
        return any(overlap(x, y) and (x is not y or y.size == 1) for y in each(out) for x in (*arrays, *each(out)))

    def run(arrays: Sequence[Array], out: Out | None) -> Out:
        if out is not None and meets(arrays, out):
            return stored(run(arrays, None), out, call)
        if out is None and not graph.pairs:
            return inner(tuple(given(arrays)), None)
        made = each(out) or tuple(empty(shape, dtype, device) for shape, dtype in results)
        inner(tuple(given(arrays)), packed(x for y in made for x in (halves(y) if y.dtype.kind == "c" else (y,))))
        return packed(made)

    outputs = _outputs(graph)
    if not isinstance(inner, _core.Plan) or outputs is None:
        return run

    def into(arrays: Sequence[Array], out: Out) -> Out | None:
        lie = all(x.layout is its for x, its in zip(each(out), outputs, strict=True))
        return None if lie and not meets(arrays, out) else stored(plan(arrays, None), out, call)

    plan = seen_through(inner, _seen("input", inputs), _seen("output", outputs), outputs, into)
    return plan


def _seen(kind: str, layouts: Sequence[Layout]) -> list[Operand]:
    """Arrays of these layouts, of complex ones their parts."""
    seen: list[Operand] = []
    for i, its in enumerate(layouts):
        if its.dtype.kind == "c":
            seen += [Operand(kind, i, part, half(its), 2) for part in (0, 1)]
        else:
            seen.append(Operand(kind, i))
    return seen


def _outputs(graph: Graph) -> list[Layout] | None:
    """How a graph's results lie in memory of their own; None where parts of complex ones are not side by side there."""
    given, found = iter(graph.results), []
    for paired in graph.pairs or (False,) * len(graph.results):
        its = next(given).layout
        if paired:
            if next(given).layout is not its or any(step % 2 for step in its.strides):
                return None
            its = _whole(its.dtype, its.shape, its.strides, its.device)
        found.append(its)
    return found

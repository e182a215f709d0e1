"""A group as a call of its primitive: the parameters, and the layouts under which its launch sees each value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from ..conversion import is_range
from ..layout import Layout, Shape, broadcast_strides, layout
from ..ops.parameters import Reduction, Rows, accumulator_dtype
from ..scalar import FUNCTIONS, Fold, Index, Input, Program, RowProgram, Step
from .fit import PRODUCTS, Group, product_of, space
from .graph import Graph, Node, Read


@dataclass(frozen=True)
class Work:
    """What a kernel is asked for: a primitive, its parameters, and what it reads and writes. The layouts need not be
    the values' own: a launch is given addresses."""

    primitive: str
    params: Any
    inputs: tuple[Read, ...]
    outputs: tuple[Read, ...]


class Inexpressible(Exception):
    """A group that its primitive has no parameters for, with the reason; it is cut in two."""


def is_emitted(group: Group) -> bool:
    """Whether a group's call is a program of its nodes. Its layouts then have numbers of the graph's layouts alone."""
    return len(group.members) > 1 and group.kind in ("pointwise", "row")


def work(graph: Graph, group: Group) -> Work:
    """The call that computes a group. Raises Inexpressible."""
    if len(group.members) == 1:
        (member,) = group.members
        node = graph.node(member)
        written = tuple(written_to(graph, group, value) for value in graph.results_of(member))
        return Work(node.spec.primitive, node.inferred, node.reads, written)
    if group.kind in PRODUCTS:
        return _product(graph, group)
    if group.kind == "scatter":
        return _sourced(graph, group)
    return _Emission(graph, group).work()


def gathered_rows(graph: Graph, values: Read) -> tuple[Read, Read] | None:
    """The rows that a gather chooses from, as (rows, …), and the vector that says which: where a value is read as it
    lies, and comes from a gather along its first axis; None where it does not."""
    node, own = graph.node(values.value), values.layout
    if node.spec.primitive != "gather" or values.offset or own.shape != node.outputs[0].shape:
        return None
    if own.strides != node.outputs[0].strides or any(read.layout.size == 0 for read in node.reads):
        return None
    if prod(own.shape[1:]) == 1:  # single elements, which are read by the thousand before they are stored
        return None
    (x, *indices), walks = node.reads, node.inferred.walks
    if len(indices) != 1 or sorted(walks) != [-1, *range(1, own.ndim)]:
        return None
    its = indices[0].layout
    if its.shape != (own.shape[0], *(1,) * (own.ndim - 1)):
        return None
    order = [walks.index(to) for to in (-1, *range(1, own.ndim))]
    shape, strides = (tuple(each[a] for a in order) for each in (x.layout.shape, x.layout.strides))
    return (
        Read(x.value, layout(own.dtype, shape, strides, own.device), x.offset),
        Read(indices[0].value, layout(its.dtype, its.shape[:1], its.strides[:1], its.device), indices[0].offset),
    )


def _sourced(graph: Graph, group: Group) -> Work:
    """A scatter of rows that a gather chooses."""
    node = graph.node(group.members[-1])
    *base, values, cells = node.reads
    rows = gathered_rows(graph, values)
    assert rows is not None
    written = written_to(graph, group, group.members[-1])
    return Work("scatter", replace(node.inferred, sourced=True), (*base, rows[0], cells, rows[1]), (written,))


def leaving(graph: Graph, group: Group) -> list[int]:
    """The group's values that others need."""
    inside, users = set(group.members), graph.users
    return [v for m in group.members for v in graph.results_of(m) if not users.get(v, inside) <= inside]


def written_to(graph: Graph, group: Group, value: int) -> Read:
    """Where a group writes one of its values: to memory of its own, or to a box in a join's."""
    return group.boxes.get(value) or Read(value, graph.layout(value))


class _Emission:
    """Nodes of one domain as one list of steps, each written once. Inputs are numbered from ~0 downwards until all of
    them are known."""

    def __init__(self, graph: Graph, group: Group) -> None:
        self._graph, self._group = graph, group
        self._axes = (*group.kept, *(group.reduced or ()))
        self._shape = tuple(group.lengths[a] for a in self._axes)
        self._inputs: dict[Read, int] = {}
        self._kinds: list[Input] = []
        self._items: list[Step | Fold | Index] = []  # arguments: ~i for input i, else the number of an item
        self._known: dict[Any, int] = {}
        self._value: dict[int, int] = {}  # of each result of a member: ~i or the number of an item

    def work(self) -> Work:
        graph, group = self._graph, self._group
        for member in group.members:
            node = graph.node(member)
            if node.spec.primitive == "reduce":
                self._value[member] = self._fold(member, node)
            else:
                given = [self._read(member, node, read) for read in node.reads]
                self._value.update(zip(graph.results_of(member), self._include(node.inferred, given), strict=True))
        results = leaving(graph, group)
        numbers = [self._value[m] for m in results]
        if len(set(numbers)) < len(numbers):
            raise Inexpressible("one value is two results")
        if group.reduced is None:
            if any(number < 0 for number in numbers) and len(numbers) > 1:
                raise Inexpressible("a copy of an operand beside other results")
            params: Any = self._pointwise(numbers)
            return Work("pointwise", params, tuple(self._inputs), tuple(self._written(m, self._shape) for m in results))
        return self._rows(results, numbers)

    # steps

    def _read(self, member: int, node: Node, read: Read) -> int:
        """A value that a node reads: one of the group's, or an operand."""
        if read.value in self._value:
            return self._value[read.value]
        steps = self._strides(member, node, read)
        dtype = read.layout.dtype
        reduced = steps[len(self._group.kept) :]
        if self._group.reduced is not None and self._counts(read, steps):
            return self._item(Index())
        its = Read(read.value, layout(dtype, self._shape, steps, read.layout.device), read.offset)
        found = self._inputs.get(its)
        if found is None:
            found = self._inputs[its] = len(self._inputs)
            self._kinds.append(Input(dtype.name, any(reduced)))
        return ~found

    def _strides(self, member: int, node: Node, read: Read) -> Shape:
        """How an operand is walked along the axes of the domain."""
        return _steps_along(self._axes, self._group.places[member], node, read)

    def _counts(self, read: Read, steps: Shape) -> bool:
        """Whether an operand is each element's own number in its row."""
        constant = read.value - len(self._graph.inputs)
        if not 0 <= constant < len(self._graph.constants) or read.offset:
            return False
        return (
            is_range(self._graph.constants[constant])
            and len(self._group.reduced or ()) == 1
            and steps == (*(0 for _ in self._group.kept), 1)
        )

    def _include(self, program: Program, given: list[int]) -> list[int]:
        values = list(given)
        for step in program.steps:
            values.append(self._item(Step(step.function, step.dtype, tuple(values[a] for a in step.args))))
        return [values[v] for v in program.values]

    def _item(self, item: Step | Fold | Index) -> int:
        found = self._known.get(item)
        if found is None:
            found = self._known[item] = len(self._items)
            self._items.append(item)
        return found

    def _cast(self, value: int, source: str, target: str) -> int:
        return value if source == target else self._item(Step("cast", target, (value,)))

    def _fold(self, member: int, node: Node) -> int:
        """A reduction as a fold of accumulators, between casts: what the primitive computes."""
        reduction: Reduction = node.inferred
        value, source, output = (
            self._read(member, node, node.reads[0]),
            node.reads[0].layout.dtype,
            node.outputs[0].dtype,
        )
        kind = {"any": "max", "all": "min"}.get(reduction.kind, reduction.kind)
        if reduction.kind in ("any", "all"):
            value, accumulator = self._cast(self._cast(value, source.name, "bool"), "bool", "uint64"), "uint64"
        else:
            accumulator = source.accumulator if source.kind == "f" else "int64" if source.kind == "i" else "uint64"
            value = self._cast(value, source.name, accumulator)
        return self._cast(self._item(Fold(kind, value)), accumulator, output.name)

    # parameters

    def _written(self, value: int, shape: Shape) -> Read:
        """A result as its launch writes it: along the axes of the domain, all of them or those that are kept."""
        node, written = self._graph.node(value), written_to(self._graph, self._group, value)
        its = written.layout
        places = self._group.places[self._graph.giver(value)]
        if node.spec.primitive == "reduce":
            places = tuple(p for axis, p in enumerate(places) if axis not in node.inferred.axes)
        at = {p: step for p, step in zip(places, its.strides, strict=True) if p is not None}
        axes = self._axes[: len(shape)]
        if any(a not in at for a in axes):
            raise Inexpressible(f"%{value} does not run over the whole domain")
        return replace(written, layout=layout(its.dtype, shape, tuple(at[a] for a in axes), its.device))

    def _numbered(self, value: int) -> int:
        return ~value if value < 0 else len(self._inputs) + value

    def _steps(self) -> tuple[Any, ...]:
        return tuple(
            item
            if isinstance(item, Index)
            else Fold(item.kind, self._numbered(item.arg))
            if isinstance(item, Fold)
            else Step(item.function, item.dtype, tuple(map(self._numbered, item.args)))
            for item in self._items
        )

    def _pointwise(self, numbers: list[int]) -> Program:
        dtypes = tuple(its.dtype for its in self._kinds)
        steps = self._steps()
        values = [self._numbered(n) for n in numbers]
        several = () if values == [len(dtypes) + len(steps) - 1] else tuple(values)
        return Program(dtypes, steps, _dtype(dtypes, steps, values[0]), several)

    def _is_of_each(self, value: int) -> bool:
        """Whether a result has a number for each element, which it may repeat."""
        node = self._graph.node(value)
        places = self._group.places[self._graph.giver(value)]
        return node.spec.primitive != "reduce" and any(p in places for p in self._group.reduced or ())

    def _spread(self, number: int, kinds: list[Input]) -> None:
        """Where a result that has a number for each element would be computed once for each row, as all that it is made
        of repeats along rows: takes one of its operands as elements. Raises Inexpressible where it has none."""
        pending, rows = [number], []
        while pending:
            value = pending.pop()
            if value < 0:
                if kinds[~value].each:
                    return
                rows.append(~value)
            elif isinstance(item := self._items[value], Step):
                pending += item.args
            elif isinstance(item, Index):
                return
        if not rows:
            raise Inexpressible("a number for each row is repeated for each element")
        kinds[rows[0]] = Input(kinds[rows[0]].dtype, True)

    def _rows(self, results: list[int], numbers: list[int]) -> Work:
        reduced = len(self._group.reduced or ())
        kept_axes = len(self._group.kept)
        shape, extra = self._shape, ()
        if not reduced:  # rows of one element
            shape, extra, reduced = (*shape, 1), (0,), 1
        kinds = list(self._kinds)
        if kinds and not any(its.each for its in kinds):
            kinds[0] = Input(kinds[0].dtype, True)
        for result, number in zip(results, numbers, strict=True):
            if self._is_of_each(result):
                self._spread(number, kinds)
        program = RowProgram(tuple(kinds), self._steps(), tuple(self._numbered(n) for n in numbers))
        inputs = []
        for read, its in zip(self._inputs, kinds, strict=True):
            n = len(shape) if its.each else kept_axes
            lay = layout(read.layout.dtype, shape[:n], (*read.layout.strides, *extra)[:n], read.layout.device)
            inputs.append(Read(read.value, lay, read.offset))
        outputs = []
        for result, value in zip(results, program.outputs, strict=True):
            each = program.values[value].each
            written = self._written(result, shape[: len(shape) - len(extra)] if each else shape[:kept_axes])
            if each and extra:
                its_layout = written.layout
                lay = layout(its_layout.dtype, shape, (*its_layout.strides, 1), its_layout.device)
                written = replace(written, layout=lay)
            outputs.append(written)
        return Work("row", Rows(program, reduced), tuple(inputs), tuple(outputs))


def _dtype(inputs: tuple[str, ...], steps: tuple[Step, ...], value: int) -> str:
    """The dtype of one value of a program."""
    if value < len(inputs):
        return inputs[value]
    step = steps[value - len(inputs)]
    return step.dtype if step.function == "cast" else FUNCTIONS[step.function].result_dtype(step.dtype)


def _product(graph: Graph, group: Group) -> Work:
    """A product with the group's steps as its epilogue."""
    head = product_of(graph, group)
    members = [m for m in group.members if m != head]
    node = graph.node(head)
    (output,) = node.outputs
    accumulator = accumulator_dtype(node.reads[0].layout.dtype, output.dtype)
    extras: dict[Read, int] = {}
    for member in members:
        for read in graph.node(member).reads:
            if read.value < graph.first or graph.giver(read.value) not in group.members:
                extras.setdefault(_beside(group, member, graph.node(member), read, output), 1 + len(extras))
    dtypes = (accumulator.name, *(read.layout.dtype.name for read in extras))
    steps: list[Step] = []

    def add(step: Step) -> int:
        steps.append(step)
        return len(dtypes) + len(steps) - 1

    values = {head: 0 if accumulator is output.dtype else add(Step("cast", output.dtype.name, (0,)))}
    for member in members:
        its = graph.node(member)
        given = [
            values[r.value] if r.value in values else extras[_beside(group, member, its, r, output)] for r in its.reads
        ]
        for step in its.inferred.steps:
            given.append(add(Step(step.function, step.dtype, tuple(given[a] for a in step.args))))
        values.update(zip(graph.results_of(member), (given[v] for v in its.inferred.values), strict=True))
    (result,) = leaving(graph, group)
    if values[result] != len(dtypes) + len(steps) - 1:
        raise Inexpressible("a product's result is not its last step")
    last = graph.layout(result)
    operand = node.reads[0].layout.dtype
    rounded_only = (
        not extras
        and steps == [Step("cast", last.dtype.name, (0,))]
        and last.dtype.name in (operand.name, operand.accumulator)  # which products give without a program
    )
    program = None if rounded_only else Program(dtypes, tuple(steps), last.dtype.name)
    params = replace(node.inferred, epilogue=program)
    return Work(group.kind, params, (*node.reads, *extras), (Read(result, last),))


def _beside(group: Group, member: int, node: Node, read: Read, output: Layout) -> Read:
    """A further operand of a product as its kernels take it, of the results' shape."""
    strides = _steps_along(range(output.ndim), group.places[member], node, read)
    return Read(read.value, layout(read.layout.dtype, output.shape, strides, output.device), read.offset)


def _steps_along(axes: Iterable[int], places: tuple[int | None, ...], node: Node, read: Read) -> Shape:
    """How a node's operand is walked along axes of the domain. places: of the node's axes."""
    steps = broadcast_strides(read.layout, space(node))
    at = {p: step for p, step in zip(places, steps, strict=True) if p is not None}
    return tuple(at.get(a, 0) for a in axes)

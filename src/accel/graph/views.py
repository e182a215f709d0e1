"""Views of what one step makes of an operand, such as the halves of a 16-bit array that was widened: the same step on
views of the operand, which any kernel reads as they are. Done where every reader sees a view: that saves a launch."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from ..layout import Layout, collapse, layout
from .graph import Graph, Node, Read

ONE_INSTRUCTION = ("cast", "add", "subtract", "multiply", "negative")
"""Functions that may be computed again and again where that saves a launch."""

Readers = dict[int, list[tuple[int, Read]]]


def viewed(graph: Graph) -> Graph:
    """The graph with such steps on views."""
    while (found := _next(graph)) is not None:
        graph = _split(graph, *found)
    return graph


def _next(graph: Graph) -> tuple[int, dict[Read, tuple[Layout, Node]]] | None:
    """The last step that is to be split, and for each read of it, the step in its place and how that one is read."""
    readers: Readers = defaultdict(list)
    for user, read in graph.reads():
        readers[read.value].append((user, read))
    for number, node in reversed(list(graph.numbered())):
        if any(read.layout is node.outputs[0] and not read.offset for _, read in readers[number]):
            continue  # it is read as it lies, as most values are
        if (source := _source(graph, readers, node)) is None:
            continue
        if not all(user >= 0 and _groups(graph.node(user)) for user, _ in readers[number]):
            continue
        reads = {read for _, read in readers[number]}
        if any(_in_place(read, node.outputs[0]) for read in reads):
            continue
        made = {read: step for read in reads if (step := _on_view(node, source, read)) is not None}
        elements = sum({node: node.outputs[0].size for _, node in made.values()}.values())
        cheap = all(step.function in ONE_INSTRUCTION for step in node.inferred.steps)
        if len(made) == len(reads) and (cheap or elements <= node.outputs[0].size):
            return number, made
    return None


def _groups(node: Node) -> bool:
    return node.spec.primitive in ("pointwise", "reduce")


def _source(graph: Graph, readers: Readers, node: Node) -> Read | None:
    """What a step of one operand reads, and numbers besides; None for other nodes, and where that is computed for other
    nodes too, or otherwise than by such steps."""
    if node.spec.primitive != "pointwise" or len(node.outputs) > 1 or node.outputs[0].size < 2:
        return None
    varying = [r for r in node.reads if r.layout.size > 1]
    if len(varying) != 1 or varying[0].layout.shape != node.outputs[0].shape:
        return None
    (source,) = varying
    if source.value < graph.first:
        return source
    alone = len(readers[source.value]) == 1
    return source if alone and _source(graph, readers, graph.node(source.value)) is not None else None


def _in_place(read: Read, own: Layout) -> bool:
    """Whether a view goes through a value's own axes, in any order, and broadcasts."""
    walked = sorted((n, step) for n, step in zip(read.layout.shape, read.layout.strides, strict=True) if n > 1 and step)
    return not read.offset and walked == sorted((n, s) for n, s in zip(own.shape, own.strides, strict=True) if n > 1)


def _on_view(node: Node, source: Read, read: Read) -> tuple[Layout, Node] | None:
    """A step on a view of its operand, and the layout under which a reader sees its result; None where no strides make
    that view."""
    view = read.layout
    shape = tuple(n if step else 1 for n, step in zip(view.shape, view.strides, strict=True))
    its = _through(node.outputs[0], source, read)
    if its is None:
        return None
    own = layout(node.outputs[0].dtype, shape, None, view.device)
    seen = tuple(0 if n == 1 else step for n, step in zip(shape, own.strides, strict=True))
    operand = Read(source.value, layout(source.layout.dtype, shape, its[0], view.device), its[1])
    reads = tuple(operand if r is source else scalar(r) for r in node.reads)
    made = replace(node, reads=reads, outputs=(own,))
    return layout(own.dtype, view.shape, seen if shape != view.shape else own.strides, view.device), made


def scalar(read: Read) -> Read:
    """A read of one element, without axes."""
    return Read(read.value, layout(read.layout.dtype, (), (), read.layout.device), read.offset)


def _through(own: Layout, source: Read, read: Read) -> tuple[tuple[int, ...], int] | None:
    """Strides and offset, in the source's memory, of a view of a value that lies without gaps. A place in the value's
    memory is an index into its axes; the view's steps are steps along these."""
    lengths, (mine, theirs) = collapse(own.shape, (own.strides, source.layout.strides))
    axes = sorted(zip(mine, lengths, theirs, strict=True), reverse=True)

    def index(place: int) -> list[int]:
        found = []
        for step, _, _ in axes:
            found.append(place // step)
            place %= step
        return found

    moves = [[m if step > 0 else -m for m in index(abs(step))] for step in read.layout.strides]
    start = index(read.offset)
    for a, (_, length, _) in enumerate(axes):
        reach = [(n - 1) * move[a] for n, move in zip(read.layout.shape, moves, strict=True)]
        if start[a] + sum(min(0, r) for r in reach) < 0 or start[a] + sum(max(0, r) for r in reach) >= length:
            return None
    strides = tuple(sum(m * step for m, (_, _, step) in zip(move, axes, strict=True)) for move in moves)
    return strides, source.offset + sum(m * step for m, (_, _, step) in zip(start, axes, strict=True))


def _split(graph: Graph, split: int, made: dict[Read, tuple[Layout, Node]]) -> Graph:
    """The graph with steps in the place of one."""
    steps = list(dict.fromkeys(node for _, node in made.values()))
    more = len(steps) - 1

    def renumbered(read: Read) -> Read:
        if read.value == split:
            seen, node = made[read]
            return Read(split + steps.index(node), seen)
        return replace(read, value=read.value + more) if read.value > split else read

    nodes: list[Node] = []
    for number, node in graph.numbered():
        its = steps if number == split else [replace(node, reads=tuple(map(renumbered, node.reads)))]
        nodes += its
    return replace(graph, nodes=tuple(nodes), results=tuple(map(renumbered, graph.results)))

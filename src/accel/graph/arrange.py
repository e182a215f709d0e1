"""A graph rewritten before it is grouped, so that fewer views lie between a value and what is made of it. No number
changes, nor where the elements of a result are."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from operator import is_

from ..layout import Layout, Shape, broadcast_strides, layout, reshaped
from .fit import PRODUCTS
from .graph import Graph, Node, Read
from .views import scalar, viewed


def arranged(graph: Graph) -> Graph:
    """Steps on views of operands, in the place of views of what steps make of these (`views.py`). Steps on a product
    that is seen under another shape (linear's of more than two axes, a product of vectors), in the product's own, where
    their other operands can be seen like that too; and a last step on any value, such as the rounding of a result."""
    graph = viewed(graph)
    nodes = dict(graph.numbered())
    _last_steps(graph, nodes)
    for number, node in graph.numbered():
        if node.spec.primitive in PRODUCTS:
            _Product(graph, number, nodes).follow()
    made = tuple(nodes.values())
    return graph if all(map(is_, made, graph.nodes)) else replace(graph, nodes=made)


class _Product:
    """What is made of one product where it lies, as far as that has one result: what its kernel computes."""

    def __init__(self, graph: Graph, number: int, nodes: dict[int, Node]) -> None:
        self._graph, self._number, self._nodes = graph, number, nodes
        self._shape = graph.layout(number).shape
        self._inside = {number}

    def follow(self) -> None:
        """Gives the steps the product's shape."""
        pending: dict[int, Node] = {}
        for number, node in self._graph.numbered():
            on = [r for r in node.reads if r.value in self._inside]
            if not on:
                continue
            its = node.outputs[0]
            if any(not self._is_whole(r) or r.layout.shape != its.shape for r in on):
                return
            made = {} if its.shape == self._shape else self._seen(number, node, self._shape)
            if made is None or node.spec.primitive != "pointwise":
                return
            pending |= made
            self._inside.update(self._graph.results_of(number))
            if self._leaving() <= set(self._graph.results_of(number)):
                self._nodes.update(pending)
                pending = {}

    def _leaving(self) -> set[int]:
        return {v for v in self._inside if not self._graph.users.get(v, set()) <= self._inside}

    def _is_whole(self, read: Read) -> bool:
        return _whole(read, self._graph.layout(read.value))

    def _seen(self, number: int, node: Node, shape: Shape) -> dict[int, Node] | None:
        """A step over another shape, with those that it alone needs; None where an operand has no strides for that, or
        is computed for others too."""
        if node.spec.primitive != "pointwise" or not all(its.contiguous for its in node.outputs):
            return None
        found: dict[int, Node] = {}
        reads = []
        for read in node.reads:
            its = read.layout
            if its.size > 1 or its.ndim > len(shape):
                seen = _stretched(its, node.outputs[0].shape, shape)
                if seen is None or not self._follows(read, seen, found):
                    return None
                its = seen
            reads.append(Read(read.value, its, read.offset))
        outputs = tuple(layout(its.dtype, shape, None, its.device) for its in node.outputs)
        found[number] = replace(node, reads=tuple(reads), outputs=outputs)
        return found

    def _follows(self, read: Read, seen: Layout, found: dict[int, Node]) -> bool:
        """Whether what a node reads lies as it is seen, or comes to do so: operands do, and a value that steps make of
        operands for this node alone."""
        if read.value < self._graph.first or read.value in self._inside:
            return True
        own = self._graph.layout(read.value)
        if self._is_whole(read) and (own.shape, own.strides) == (seen.shape, seen.strides):  # as another product's
            return True
        giver = self._graph.giver(read.value)
        readers = sum(r.value in self._graph.results_of(giver) for _, r in self._graph.reads())
        shape = tuple(n if step else 1 for n, step in zip(seen.shape, seen.strides, strict=True))
        if readers > 1 or not self._is_whole(read) or prod(shape) != read.layout.size:
            return False
        made = self._seen(giver, self._nodes[giver], shape)
        found.update(made or {})
        return made is not None


def _last_steps(graph: Graph, nodes: dict[int, Node]) -> None:
    """Results that are steps of one computed value under another shape, in the value's own."""
    needed = {read.value for user, read in graph.reads() if user >= 0}
    for number, node in graph.numbered():
        outputs = node.outputs
        if node.spec.primitive != "pointwise" or needed.intersection(range(number, number + len(outputs))):
            continue
        varying = [r for r in node.reads if r.layout.size > 1]
        if len(varying) != 1 or varying[0].value < graph.first:
            continue
        (read,) = varying
        its = graph.layout(read.value)
        if read.layout.shape == its.shape:
            continue
        if read.offset or read.layout.size != its.size or any(_axes(x) != _axes(read.layout) for x in outputs):
            continue
        nodes[number] = replace(
            node,
            reads=tuple(Read(read.value, its) if r is read else scalar(r) for r in node.reads),
            outputs=tuple(layout(x.dtype, its.shape, its.strides, x.device) for x in outputs),
        )


def _axes(its: Layout) -> tuple[Shape, Shape]:
    return its.shape, its.strides


def _whole(read: Read, own: Layout) -> bool:
    """Whether a read sees all of a value's memory in its order."""
    return not read.offset and read.layout.contiguous and own.contiguous and read.layout.size == own.size


def _stretched(its: Layout, shape: Shape, seen: Shape) -> Layout | None:
    """An operand that broadcasts to a shape, as one of another shape of as many elements."""
    strides = reshaped(layout(its.dtype, shape, broadcast_strides(its, shape), its.device), seen)
    return None if strides is None else layout(its.dtype, seen, strides, its.device)

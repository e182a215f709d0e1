"""Reverse mode over a graph, by each primitive's vector-Jacobian product. These are written with accel's own functions
of arrays, so that it runs on a device, and under a trace gives a graph again."""

from __future__ import annotations

from collections.abc import Sequence

from .. import dispatch, registry
from ..array import Array
from ..errors import ArgumentError
from ..layout import Layout
from ..ops.derivative import Cotangents
from .graph import Graph, Node, Read
from .transpose import transposed


def undivided() -> frozenset[str]:
    """The composed ops that state their own derivative: a graph that is to be derived is traced with them as nodes
    (`Tracer.stand_alone`). Where one is not a node, its body is derived."""
    return frozenset(name for name, spec in registry.OPS.items() if spec.vjp is not None)


def forward(graph: Graph, inputs: Sequence[Array]) -> list[Array]:
    """Every value of a graph, node by node. inputs: of the layouts that the graph was traced for."""
    values = [*inputs, *graph.constants]
    for node in graph.nodes:
        made = dispatch.call(node.spec, [seen(values, read) for read in node.reads], node.params)
        values += map(_lying, made if isinstance(made, tuple) else (made,), node.outputs)
    return values


def _lying(x: Array, its: Layout) -> Array:
    """A node's result as the graph has it: what a composed op gives may be a view."""
    if x.layout is its:
        return x
    result: Array = registry.OPS["copy"].function(x)
    return result


def seen(values: Sequence[Array], read: Read) -> Array:
    """A value under the layout of a read."""
    x = values[read.value]
    return Array(x.buffer, x.offset + read.offset, read.layout)


def backward(graph: Graph, values: Sequence[Array], results: Cotangents) -> list[Array | None]:
    """The cotangent of every input of a graph, of the input's shape and dtype; None where no result depends on it by
    numbers that change smoothly.

    values: of `forward`. results: the cotangent of each result, None for nothing. Cotangents of one value add in
    descending order of the trace, those of one node's operands from the last to the first (docs/numerics.md, rule 8).
    Raises ArgumentError where a node has no derivative in itself.
    """
    found: list[Array | None] = [None] * len(values)

    def add(read: Read, g: Array | None) -> None:
        constant = len(graph.inputs) <= read.value < graph.first
        if g is None or constant or read.layout.dtype.kind != "f":
            return
        mine = transposed(g, read, graph.layout(read.value))
        before = found[read.value]
        found[read.value] = mine if before is None else before + mine

    for read, g in reversed(list(zip(graph.returned, results, strict=True))):
        add(read, g)
    for number, node in reversed(list(graph.numbered())):
        its = slice(number, number + len(node.outputs))
        given = found[its]
        if all(g is None for g in given) or not any(read.layout.dtype.kind == "f" for read in node.reads):
            continue
        operands = [seen(values, read) for read in node.reads]
        parts = _parts(node, given, values[its], operands)
        for read, mine in reversed(list(zip(node.reads, parts, strict=True))):
            add(read, mine)
    return found[: len(graph.inputs)]


def _parts(node: Node, given: Cotangents, results: Sequence[Array], operands: Sequence[Array]) -> Cotangents:
    """The cotangents of a node's operands, as it reads them."""
    rule = node.spec.vjp or registry.primitive(node.spec.primitive).vjp
    if isinstance(rule, str):
        raise ArgumentError(f"{node.spec.name}: the primitive {node.spec.primitive} has no derivative: {rule}")
    return rule(node.inferred, given, results, operands)

"""Reverse mode over a graph: each primitive's vector-Jacobian product, written with accel's own functions of arrays, so
that it runs on a device, and under a trace gives a graph again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .. import dispatch
from ..array import Array
from ..dtypes import TABLE, DType
from ..errors import ArgumentError
from ..ops.parameters import Product, Reduction, accumulator_dtype
from ..ops.primitive.matmul import matmul
from ..ops.primitive.pointwise import apply, astype, fn
from ..ops.primitive.reduce import prod
from ..ops.primitive.reduce import sum as total
from ..ops.views import broadcast_to, reshape
from ..scalar import FUNCTIONS, Program, Step
from .graph import Graph, Node, Read
from .transpose import transposed

Cotangents = Sequence[Array | None]

Rule = Callable[[Node, Cotangents, Sequence[Array], list[Array]], Cotangents]
"""rule(node, cotangents, results, operands): the cotangents of a node's operands, as it reads them, from those of its
results (None: nothing), of which one is there."""


def forward(graph: Graph, inputs: Sequence[Array]) -> list[Array]:
    """Every value of a graph, node by node. inputs: of the layouts that the graph was traced for."""
    values = [*inputs, *graph.constants]
    for node in graph.nodes:
        made = dispatch.call(node.spec, [seen(values, read) for read in node.reads], node.params)
        values += made if isinstance(made, tuple) else (made,)
    return values


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
        if g is None or read.layout.dtype.kind != "f":
            return
        mine = transposed(g, read, graph.layout(read.value))
        before = found[read.value]
        found[read.value] = mine if before is None else before + mine

    for read, g in reversed(list(zip(graph.results, results, strict=True))):
        add(read, g)
    for number, node in reversed(list(graph.numbered())):
        its = slice(number, number + len(node.outputs))
        given = found[its]
        if all(g is None for g in given) or not any(read.layout.dtype.kind == "f" for read in node.reads):
            continue
        operands = [seen(values, read) for read in node.reads]
        parts = _rule(node)(node, given, values[its], operands)
        for read, mine in reversed(list(zip(node.reads, parts, strict=True))):
            add(read, mine)
    return found[: len(graph.inputs)]


def _rule(node: Node) -> Rule:
    rule = VJP.get(node.spec.primitive)
    if rule is None:
        raise ArgumentError(f"{node.spec.name}: the primitive {node.spec.primitive} has no derivative as a whole")
    return rule


def _summed(g: Array | None, x: Array) -> Array | None:
    """The cotangent of an operand that was broadcast: summed where it was repeated; of the operand's dtype."""
    if g is None or x.dtype.kind != "f":
        return None
    if g.shape != x.shape:
        lead = g.ndim - x.ndim
        padded = (1,) * lead + x.shape
        axes = tuple(a for a, (have, want) in enumerate(zip(g.shape, padded, strict=True)) if have != want)
        g = reshape(total(g, axis=axes, keepdims=True) if axes else g, x.shape)
    return astype(g, x.dtype, copy=False)


def program_vjp(program: Program, cotangents: Cotangents, operands: Sequence[Array]) -> list[Array | None]:
    """Of a scalar program: its steps again, then the derivative of each, from the last."""
    dtypes, values = program.value_dtypes(), list(operands)
    for step, dtype in zip(program.steps, dtypes[len(operands) :], strict=True):
        given = [values[a] for a in step.args]
        its = tuple(dtypes[a] for a in step.args)
        values.append(apply(Program(its, (Step(step.function, step.dtype, tuple(range(len(its)))),), dtype), *given))
    found: list[Array | None] = [None] * len(values)
    for value, g in reversed(list(zip(program.values, cotangents, strict=True))):
        if (mine := _summed(g, values[value])) is not None:
            before = found[value]
            found[value] = mine if before is None else before + mine
    for number in range(len(values) - 1, len(operands) - 1, -1):
        step, mine = program.steps[number - len(operands)], found[number]
        if mine is None or values[number].dtype.kind != "f":
            continue
        given = [values[a] for a in step.args]
        parts: Cotangents = (mine,)
        if step.function != "cast":
            derivative = FUNCTIONS[step.function].derivative
            if isinstance(derivative, str):
                continue
            parts = derivative(fn, mine, values[number], *given)
        for a, part in reversed(list(zip(step.args, parts, strict=True))):
            part = _summed(part, values[a])
            if part is not None:
                before = found[a]
                found[a] = part if before is None else before + part
    return found[: len(operands)]


def _pointwise(node: Node, given: Cotangents, results: Sequence[Array], operands: list[Array]) -> Cotangents:
    return [_summed(part, x) for part, x in zip(program_vjp(node.inferred, given, operands), operands, strict=True)]


def _reduce(node: Node, given: Cotangents, results: Sequence[Array], operands: list[Array]) -> Cotangents:
    (g,), (y,), (x,), reduction = given, results, operands, node.inferred
    assert g is not None
    rule = OF_FOLDS.get(reduction.kind)
    if rule is None:
        return [None]
    shape = tuple(1 if a in reduction.axes else n for a, n in enumerate(x.shape))
    wide: DType = TABLE[x.dtype.accumulator]
    g, y = (astype(reshape(each, shape), wide, copy=False) for each in (g, y))
    made = rule(reduction, g, y, astype(x, wide, copy=False))
    return [astype(broadcast_to(made, x.shape), x.dtype, copy=False)]


def _of_prod(reduction: Reduction, g: Array, y: Array, x: Array) -> Array:
    """The product of the other elements: y / x; of a zero among others that are not, the product of these."""
    zero = fn.equal(x, 0.0)
    zeros = total(astype(zero, x.dtype), axis=reduction.axes, keepdims=True)
    others = prod(fn.where(zero, 1.0, x), axis=reduction.axes, keepdims=True)
    at_zero = fn.where(fn.equal(zeros, 1.0), others, 0.0)
    elsewhere = fn.where(fn.equal(zeros, 0.0), others / fn.where(zero, 1.0, x), 0.0)
    return g * fn.where(zero, at_zero, elsewhere)


def _of_extreme(reduction: Reduction, g: Array, y: Array, x: Array) -> Array:
    """Shared evenly among the elements that are the extreme, which is torch's rule."""
    chosen = fn.equal(x, y)
    count = total(astype(chosen, x.dtype), axis=reduction.axes, keepdims=True)
    return fn.where(chosen, g / count, 0.0)


OF_FOLDS: dict[str, Callable[[Reduction, Array, Array, Array], Array]] = {
    "sum": lambda reduction, g, y, x: g,
    "prod": _of_prod,
    "max": _of_extreme,
    "min": _of_extreme,
}
"""By kind, with the reduced axes kept as length 1; a choice of an index, any and all are no smooth numbers."""


def _matmul(node: Node, given: Cotangents, results: Sequence[Array], operands: list[Array]) -> Cotangents:
    """g b.T and a.T g, after the epilogue's own."""
    (g,), (a, b, *extras) = given, operands
    product: Product = node.inferred
    rest: list[Array | None] = []
    if product.epilogue is not None:
        accumulator = accumulator_dtype(a.dtype, node.outputs[0].dtype)
        value = matmul(a, b, dtype=accumulator)
        inner, *rest = program_vjp(product.epilogue, [g], [value, *extras])
        if inner is None:
            return [None, None, *rest]
        g = inner
    found = []
    for left, right, x in ((g, _turned(b), a), (_turned(a), g, b)):
        wide = [astype(m, g.dtype, copy=False) for m in (left, right)]
        found.append(astype(matmul(*wide), x.dtype, copy=False))
    return [*found, *rest]


def _turned(x: Array) -> Array:
    return x.permute((*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


VJP: dict[str, Rule] = {
    "pointwise": _pointwise,
    "reduce": _reduce,
    "matmul": _matmul,
}
"""By primitive."""

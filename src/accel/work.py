"""How many arithmetic operations calls need (docs/bench.md)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any

from . import composition
from .graph.graph import Graph
from .layout import Layout
from .ops.spec import OpSpec, Output
from .scalar import Program, convert
from .scalar.functions import STEPS


def of_call(spec: OpSpec, inputs: tuple[Layout, ...], outputs: Sequence[Output], params: Any) -> int:
    """Those of a call: as its row counts them, else of its scalar functions or its composition."""
    if spec.flops is not None:
        return int(spec.flops(inputs, tuple(outputs), params))
    if isinstance(params, Program):
        return prod(outputs[0][0]) * sum(of_function(step.function, step.dtype) for step in params.steps)
    if spec.decompose is None or not spec.decomposes(params):
        return 0
    return of_graph(composition.graph_of(spec, inputs, params))


def of_graph(graph: Graph) -> int:
    """Those of the nodes that a result comes from; what only checks look at counts nothing."""
    total, needed = 0, {read.value for read in graph.returned}
    for number, node in reversed(list(graph.numbered())):
        if not needed.isdisjoint(graph.results_of(number)):
            needed.update(read.value for read in node.reads)
            inputs, outputs = (tuple(its) for its in ([r.layout for r in node.reads], node.outputs))
            params = node.inferred if node.spec.primitive == "pointwise" else node.params
            total += of_call(node.spec, inputs, [(x.shape, x.dtype) for x in outputs], params)
    return total


ARITHMETIC = {"add": 1, "sub": 1, "mul": 1, "div": 1, "idiv": 1, "sqrt": 1, "fma": 2}
"""Operations of the nodes of an expression that count as such: what an arithmetic probe's rate limits."""


@lru_cache(maxsize=1024)
def of_function(name: str, dtype: str) -> int:
    """Arithmetic operations of a scalar function that every element of a dtype needs, in the dtype in which it is
    computed: the least, so that a limit made from them is one. Comparisons, selections and the handling of bits are
    none; nor is what only rare elements need, nor a cast."""
    if name not in STEPS:
        return 0
    compute = convert.compute_dtype(dtype)
    needed, todo = set(), [STEPS[name].expression(compute)]
    while todo:
        node = todo.pop()
        if node not in needed:
            needed.add(node)
            rare = node.op == "select" and node.value
            todo += (node.args[0], node.args[2]) if rare else node.args
    return sum(ARITHMETIC.get(node.op, 0) for node in needed if node.dtype == compute)

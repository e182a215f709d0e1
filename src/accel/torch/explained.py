"""`accel.torch.explain`: what of a model runs in accel under torch.compile, and what stays torch's."""

from __future__ import annotations

import copy
import operator
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.fx import Node
from torch.fx.node import map_arg

from ..errors import ArgumentError, shown
from .backend import compiled
from .cut import Cut
from .part import is_views


@dataclass(frozen=True)
class GraphReport:
    """One graph. kind: "forward", "backward" or "inference". parts: the number of nodes in each of accel's parts.
    flops: of the graph, and of accel's parts. left: the operators that stay torch's, with the reason and their number.
    """

    kind: str
    parts: tuple[int, ...]
    flops: tuple[int, int]
    left: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True)
class Explanation:
    """What `explain` gives; its text is for reading. graphs: in the order in which they were compiled. breaks: the
    reasons of graph breaks."""

    graphs: tuple[GraphReport, ...]
    breaks: tuple[str, ...]

    @property
    def share(self) -> float:
        """Of the floating-point operations of all graphs, the share that runs in accel."""
        whole = sum(graph.flops[0] for graph in self.graphs)
        return sum(graph.flops[1] for graph in self.graphs) / whole if whole else 1.0

    def __str__(self) -> str:
        lines = [f"{self.share:.1%} of floating-point operations in accel; graph breaks: {len(self.breaks)}"]
        lines += [f"  break: {why}" for why in self.breaks]
        for graph in self.graphs:
            sizes = ", ".join(map(str, graph.parts)) or "none"
            lines.append(
                f"{graph.kind}: parts of accel, by nodes: {sizes}; operations {graph.flops[1]:,} of {graph.flops[0]:,}"
            )
            lines += [f"  torch's: {n} x {name}: {why}" for name, why, n in graph.left]
        return "\n".join(lines)


def explain(model: Callable[..., Any], *inputs: Any, **keywords: Any) -> Explanation:
    """How ``torch.compile(model, backend="accel")`` runs a model on such inputs, forward and, where a result requires
    gradients, backward.

    It runs a copy of the model once, whose parameters, buffers and random numbers are left as they are. It forgets what
    torch.compile has compiled, as torch._dynamo.explain does. Matrix products, convolutions and their gradients count
    as torch's flop counter has them, every other operator of floating numbers one operation for each element. Raises
    ArgumentError where model is no callable.
    """
    if not callable(model):
        raise ArgumentError(f"explain: model: expected a torch.nn.Module or a function, got {shown(model)}")
    import torch._dynamo as dynamo
    from torch._dynamo.utils import counters

    model = copy.deepcopy(model) if isinstance(model, torch.nn.Module) else model
    graphs: list[GraphReport] = []
    breaks: list[str] = []

    def backend(graph: torch.fx.GraphModule, given: Any) -> Callable[..., Any]:
        why = getattr(graph, "compile_subgraph_reason", None)
        if why is not None and why.graph_break:
            breaks.append(why.reason)
        return compiled(graph, given, lambda kind, its: graphs.append(report(kind, its)))

    dynamo.reset()
    before = Counter(counters["graph_break"])
    try:
        with torch.random.fork_rng(devices=[]):
            its = torch.compile(model, backend=backend)
            _backward(model, inputs, keywords, its(*inputs, **keywords))
        counted = Counter(counters["graph_break"]) - before
    finally:
        dynamo.reset()
    # torch counts breaks before the first operator too, but not all of those behind a graph
    return Explanation(tuple(graphs), tuple(breaks if len(breaks) >= counted.total() else counted.elements()))


def _backward(model: Any, inputs: tuple[Any, ...], keywords: dict[str, Any], result: Any) -> None:
    """Runs the backward pass of a result, without adding to gradients."""
    leaves = torch.utils._pytree.tree_leaves
    results = [y for y in leaves(result) if isinstance(y, torch.Tensor) and y.requires_grad]
    given = [*(model.parameters() if isinstance(model, torch.nn.Module) else ()), *leaves((inputs, keywords))]
    wanted = [x for x in given if isinstance(x, torch.Tensor) and x.requires_grad]
    if results and wanted:
        torch.autograd.grad(results, wanted, [torch.ones_like(y) for y in results], allow_unused=True)


def report(kind: str, its: Cut) -> GraphReport:
    """What is told of a graph."""
    mine = sum(flops(node) for part in its.parts for node in part)
    theirs = sum(map(flops, its.left))
    named = Counter((str(node.target), why) for node, why in its.left.items() if node.target is not operator.getitem)
    return GraphReport(
        kind,
        tuple(map(len, its.parts)),
        (mine + theirs, mine),
        tuple((name, why, n) for (name, why), n in sorted(named.items())),
    )


def flops(node: Node) -> int:
    """The floating-point operations of a node: by torch's counter, of accel's operators by what they are made of, else
    one for each element of the largest operand or result."""
    from torch.utils.flop_counter import flop_registry

    if node.op != "call_function" or is_views(node):
        return 0
    if getattr(node.target, "namespace", None) == "accel":
        from .library_operator import flops as of_operator

        return of_operator(*map_arg((node.target, node.args, node.kwargs), lambda n: n.meta["val"]))
    counted = flop_registry.get(getattr(node.target, "overloadpacket", None))
    if counted is not None:
        args, keywords = map_arg((node.args, node.kwargs), lambda n: n.meta["val"])
        return int(counted(*args, **keywords, out_val=node.meta["val"]))
    value = node.meta.get("val")
    results = value if isinstance(value, (tuple, list)) else (value,)
    every = [*results, *(x.meta.get("val") for x in node.all_input_nodes)]
    floating = [x for x in every if isinstance(x, torch.Tensor) and x.is_floating_point()]
    return max((int(x.numel()) for x in floating), default=0)

"""`torch.compile(model, backend="accel")`: graphs after AOTAutograd, cut into accel's parts and torch's own."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch.fx import GraphModule
from torch.ops import aten

from .aten import attention
from .cut import Cut, cut

KEPT = (aten.embedding_dense_backward.default, aten._adaptive_avg_pool2d.default)
"""Operators with a rule of their own, although torch would take them apart."""

TAKEN_APART = (
    aten.native_layer_norm.default,
    aten.native_group_norm.default,
    aten._native_batch_norm_legit_functional.default,
    aten._native_batch_norm_legit_no_training.default,
    aten._native_batch_norm_legit.default,
    aten.native_batch_norm.default,
)
"""Operators that torch's core set keeps whole."""


def backend(module: GraphModule, inputs: Sequence[Any]) -> Callable[..., Any]:
    """The compiled graph: what torch.compile calls a backend, by the name "accel".

    Forward and backward graphs run in accel where its table has the operators, on the tensors' memory, and in torch
    where not. A graph with symbolic shapes is compiled at the first call with each set of lengths.
    """
    return compiled(module, inputs, lambda name, its: None)


def compiled(module: GraphModule, inputs: Sequence[Any], watch: Callable[[str, Cut], None]) -> Callable[..., Any]:
    """`backend`, watched. watch: is told of each graph, "forward", "backward" or "inference", how it was cut."""
    attention.keep_whole(module)
    if any(map(_is_symbolic, inputs)):
        return _by_lengths(module, watch)
    from torch._dynamo.backends.common import aot_autograd
    from torch._functorch.aot_autograd import make_boxed_func
    from torch.nn.attention import SDPBackend, sdpa_kernel

    def compiler(name: str) -> Callable[..., Any]:
        def made(graph: GraphModule, inputs: Sequence[Any]) -> Callable[..., Any]:
            its = cut(graph)
            watch(name, its)
            return make_boxed_func(its.module.forward)

        return made

    compile = aot_autograd(
        fw_compiler=compiler("forward"),
        bw_compiler=compiler("backward"),
        inference_compiler=compiler("inference"),
        decompositions=_decompositions(),
    )
    with sdpa_kernel(SDPBackend.MATH):  # attention that accel has not whole: as products and softmax
        return compile(module, inputs)


@cache
def _decompositions() -> dict[Any, Callable[..., Any]]:
    from torch._decomp import core_aten_decompositions, get_decompositions

    table = {**core_aten_decompositions(), **get_decompositions(TAKEN_APART)}
    return {operator: its for operator, its in table.items() if operator not in KEPT}


def _is_symbolic(x: Any) -> bool:
    if isinstance(x, torch.Tensor):
        return any(isinstance(n, torch.SymInt) for n in x.shape)
    return isinstance(x, (torch.SymInt, torch.SymFloat))


def _by_lengths(module: GraphModule, watch: Callable[[str, Cut], None]) -> Callable[..., Any]:
    """The graph compiled at each call with new lengths, with these in it."""
    made: dict[Any, Callable[..., Any]] = {}

    def run(*inputs: Any) -> Any:
        key = (torch.is_grad_enabled(), *map(_known_by, inputs))
        found = made.get(key)
        if found is None:
            found = made[key] = compiled(_with_numbers(module, inputs), inputs, watch)
        return found(*inputs)

    return run


def _known_by(x: Any) -> Any:
    if isinstance(x, torch.Tensor):
        return tuple(x.shape), x.stride(), x.dtype, x.device, x.requires_grad
    return x


def _with_numbers(module: GraphModule, inputs: Sequence[Any]) -> GraphModule:
    """A copy of a graph in which the values of inputs that are numbers stand for these."""
    graph = copy.deepcopy(module.graph)
    holders = [node for node in graph.nodes if node.op == "placeholder"]
    for node in graph.nodes:
        node.meta = {}
    for holder, x in zip(holders, inputs, strict=True):
        if not isinstance(x, torch.Tensor):
            for user in list(holder.users):
                user.args, user.kwargs = torch.fx.node.map_arg(
                    (user.args, user.kwargs), lambda n, holder=holder, x=x: x if n is holder else n
                )
    return GraphModule(module, graph)

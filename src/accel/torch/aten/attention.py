"""Attention of torch's models as one operator of accel, forward and backward.

torch takes it apart before a backend of torch.compile sees it: into the scores of all queries and keys, or into a
kernel of a vendor's, with a random state. So it is exchanged before AOTAutograd differentiates the graph.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from types import FunctionType
from typing import Any

import torch
from torch.fx import GraphModule, Node

from ...errors import AccelError

TORCHS = torch.ops.aten.scaled_dot_product_attention.default
TAKEN = (torch.nn.functional.scaled_dot_product_attention, TORCHS)

HEADS = torch.nn.functional.multi_head_attention_forward


def keep_whole(module: GraphModule) -> None:
    """Exchanges attention in a graph of torch's functions, and in those that it calls, for `attention`."""
    from .. import library  # noqa: F401  # registers the operator, which is not there before something needs it

    for its in module.modules():
        if isinstance(its, GraphModule):
            for node in its.graph.nodes:
                if node.op == "call_function" and node.target in TAKEN:
                    node.target = attention
                    node.kwargs = {**node.kwargs, "by_places": _is_by_places(node)}
                elif node.op == "call_function" and node.target is HEADS:
                    node.target = _heads()
            its.recompile()


@cache
def _heads() -> Callable[..., Any]:
    """torch.nn.functional.multi_head_attention_forward, which a graph has as one function, calling `attention`."""
    known = {**vars(torch.nn.functional), "scaled_dot_product_attention": partial(attention, by_places=False)}
    made = FunctionType(HEADS.__code__, known, HEADS.__name__, HEADS.__defaults__)
    made.__kwdefaults__ = HEADS.__kwdefaults__
    known[HEADS.__name__] = made  # which it hands to what wants to see calls
    return made


def _is_by_places(node: Node) -> bool:
    """Whether torch's result has the heads of a place beside each other in memory."""
    value = node.meta.get("example_value")
    if not isinstance(value, torch.Tensor) or value.ndim != 4:
        return False
    head, place = (getattr(getattr(step, "node", None), "hint", step) for step in value.stride()[1:3])
    return bool(head < place)


def attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    *,
    by_places: bool,
) -> torch.Tensor:
    """torch.nn.functional.scaled_dot_product_attention as accel's operator, with torch's strides; torch's own where
    accel has it not: with dropout, whose random numbers are torch's, or with a last axis of more than 256."""
    if not dropout_p:
        try:
            y: torch.Tensor = torch.ops.accel.scaled_dot_product_attention(
                query, key, value, attn_mask, 0.0, is_causal, scale, enable_gqa
            )
        except AccelError:
            pass
        else:
            return y.transpose(1, 2).contiguous().transpose(1, 2) if by_places else y
    return torchs(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa)


def torchs(*args: Any, **keywords: Any) -> torch.Tensor:
    """torch's own attention, taken apart: also where accel's stands in its place in torch's dispatcher."""
    its: torch.Tensor = TORCHS.decompose(*args, **keywords)
    return its

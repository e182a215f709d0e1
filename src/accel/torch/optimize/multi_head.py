"""torch.nn.MultiheadAttention by accel."""

from __future__ import annotations

from typing import Any

import torch

from accel import nn

from .layers import Rule, check
from .replacement import Left, Replacement

WEIGHTS = ("in_proj_weight", "in_proj_bias", "q_proj_weight", "k_proj_weight", "v_proj_weight", "bias_k", "bias_v")
"""Tensors of the module, by the names that accel has for them too."""


class MultiHead(Replacement):
    """A torch.nn.MultiheadAttention, with its masks and, where they are asked for, its weights."""

    def __init__(self, module: torch.nn.Module, name: str, numerics: str | None, rule: Rule) -> None:
        super().__init__(module, name, numerics)
        self.kind = rule.kind

    def computed(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        key_padding_mask: torch.Tensor | None = None,
        need_weights: bool = True,
        attn_mask: torch.Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        module: Any = self.module
        if module.training and module.dropout:
            raise Left("random numbers are torch's")
        if is_causal and attn_mask is None:
            raise Left("is_causal without attn_mask")  # for which torch has an error
        swapped = query.ndim == 3 and not module.batch_first
        if swapped:
            query, key, value = (x.transpose(0, 1) for x in (query, key, value))
        named = {"query": query, "key": key, "value": value}
        named |= {name: getattr(module, name) for name in WEIGHTS}
        named |= {"out_proj_weight": module.out_proj.weight, "out_proj_bias": module.out_proj.bias}
        for name, mask in (("key_padding_mask", key_padding_mask), ("attn_mask", attn_mask)):
            if mask is not None:
                named[name] = mask if mask.dtype == torch.bool else mask.to(query.dtype)
        named = {name: x for name, x in named.items() if x is not None}
        check(tuple(x for x in named.values() if x.dtype is not torch.bool))
        result = self.run(
            multi_head,
            tuple(named.values()),
            names=tuple(named),
            num_heads=module.num_heads,
            add_zero_attn=module.add_zero_attn,
            need_weights=need_weights,
            average_attn_weights=average_attn_weights,
        )
        y, weights = result if need_weights else (result, None)
        return (y.transpose(0, 1) if swapped else y), weights


def multi_head(*tensors: Any, names: tuple[str, ...], **params: Any) -> Any:
    return nn.multi_head_attention(**dict(zip(names, tensors, strict=True)), **params)

"""Attention of the heads that a rank has."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch

import accel

from ...errors import ArgumentError, shown
from .local import Local


def attention(query: Any, key: Any, value: Any, *, is_causal: bool = False, scale: float | None = None) -> torch.Tensor:
    """`accel.nn.scaled_dot_product_attention` of this rank's heads, with grouped queries, in reproducible mode.

    query: (batch, heads, queries, features), key and value: (batch, heads of keys, keys, features): of each head of
    keys all heads of queries that belong to it, so that a head, and the gradients of its keys, is one rank's alone.
    A rank may have no head. is_causal: the last query sees the last key. Nothing is sent.
    Raises ArgumentError, ShapeError, DtypeError.
    """
    for name, x in (("query", query), ("key", key), ("value", value)):
        if not isinstance(x, torch.Tensor) or x.ndim != 4:
            raise ArgumentError(f"attention: {name}: expected a torch tensor of four axes, got {shown(x)}")
    if not key.shape[1] and not query.shape[1]:  # recorded, so that ranks agree on what has a gradient
        return (query.sum() + key.sum() + value.sum()) + value.new_zeros((*query.shape[:3], value.shape[3]))
    made: torch.Tensor = _local(bool(is_causal), scale)(query, key, value)
    return made


@lru_cache(maxsize=64)
def _local(is_causal: bool, scale: float | None) -> Local:
    def attended(query: Any, key: Any, value: Any) -> Any:
        return accel.nn.scaled_dot_product_attention(
            query, key, value, is_causal=is_causal, scale=scale, enable_gqa=True, causal_alignment="lower_right"
        )

    return Local(attended, "attention")

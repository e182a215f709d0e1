"""Scaled dot-product attention of two products and a softmax, with all scores in memory."""

from __future__ import annotations

import math

import accel
from accel import Array


def scaled_dot_product_attention(
    query: Array,
    key: Array,
    value: Array,
    attn_mask: Array | None = None,
    is_causal: bool = False,
    enable_gqa: bool = False,
    causal_alignment: str = "upper_left",
) -> Array:
    """softmax(query @ key.T / sqrt(d)) @ value for query (batch, heads, queries, d), key and value alike.

    attn_mask: bool, True where a query sees a key. is_causal: a query sees no key behind its own place; the first query
    is at the first key's place (``upper_left``), or the last one at the last key's (``lower_right``).
    """
    heads, queries, d = query.shape[1:]
    kept, keys = key.shape[1], key.shape[2]
    if enable_gqa:
        key, value = (accel.repeat(x, heads // kept, axis=1) for x in (key, value))
    scores = accel.matmul(query, key.mT) * (1 / math.sqrt(d))
    if is_causal:
        ahead = keys - queries if causal_alignment == "lower_right" else 0
        attn_mask = accel.tril(accel.ones((queries, keys), dtype=accel.bool, device=query.device), k=ahead)
    if attn_mask is not None:
        scores = accel.where(attn_mask, scores, -math.inf)
    return accel.matmul(accel.nn.softmax(scores, axis=-1), value)

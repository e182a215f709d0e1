"""The exact answer of multi_head.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...dtypes import FLOAT64, as_dtype
from ..parameters import Attention
from .exact_attention import dropped
from .exact_random import words


def multi_head_attention(
    query: np.ndarray,
    key: np.ndarray,
    value: np.ndarray,
    num_heads: int,
    in_proj_weight: np.ndarray | None = None,
    in_proj_bias: np.ndarray | None = None,
    out_proj_weight: np.ndarray | None = None,
    out_proj_bias: np.ndarray | None = None,
    *,
    q_proj_weight: np.ndarray | None = None,
    k_proj_weight: np.ndarray | None = None,
    v_proj_weight: np.ndarray | None = None,
    bias_k: np.ndarray | None = None,
    bias_v: np.ndarray | None = None,
    add_zero_attn: bool = False,
    key_padding_mask: np.ndarray | None = None,
    attn_mask: np.ndarray | None = None,
    is_causal: bool = False,
    need_weights: bool = False,
    average_attn_weights: bool = True,
    dropout_p: float = 0.0,
    dropout_key: np.ndarray | None = None,
) -> Any:
    """By its definition: all scores of a head, their softmax, its product with the values."""
    wide = np.longdouble if as_dtype(query.dtype) is FLOAT64 else np.float64

    def widened(x: np.ndarray | None) -> Any:
        return None if x is None else x.astype(wide)

    packed = [q_proj_weight, k_proj_weight, v_proj_weight] if in_proj_weight is None else np.split(in_proj_weight, 3)
    bias = np.zeros((3, 1)) if in_proj_bias is None else np.reshape(widened(in_proj_bias), (3, -1))
    q, k, v = (widened(x) @ widened(w).T + b for x, w, b in zip((query, key, value), packed, bias, strict=True))
    batch, queries, keys = query.shape[:-2], query.shape[-2], key.shape[-2]
    added = np.zeros((*batch, num_heads, queries, keys), wide)
    for mask in (attn_mask, None if key_padding_mask is None else key_padding_mask[..., None, None, :]):
        if mask is not None:
            if batch and mask.shape == (int(np.prod(batch)) * num_heads, queries, keys):
                mask = mask.reshape(added.shape)
            added = added + (np.where(mask, -np.inf, 0) if mask.dtype == bool else mask.astype(wide))
    if is_causal:
        added = np.where(np.tri(queries, keys, dtype=bool), added, -np.inf)
    rows = [] if bias_k is None else [(widened(bias_k), widened(bias_v))]
    for row in rows + [(np.zeros(q.shape[-1]),) * 2] * add_zero_attn:
        more = [np.broadcast_to(x.reshape(-1), (*batch, 1, x.size)) for x in row]
        k, v = np.concatenate([k, more[0]], -2), np.concatenate([v, more[1]], -2)
        added = np.concatenate([added, np.zeros((*added.shape[:-1], 1))], -1)

    def heads(x: np.ndarray) -> np.ndarray:
        return np.moveaxis(x.reshape(*x.shape[:-1], num_heads, x.shape[-1] // num_heads), -2, -3)

    d = q.shape[-1] // num_heads
    with np.errstate(all="ignore"):
        s = heads(q) @ heads(k).mT / np.sqrt(wide(d)) + added
        p = np.exp(s - np.maximum(s.max(axis=-1, keepdims=True, initial=-np.inf), np.finfo(wide).min))
        total = p.sum(axis=-1, keepdims=True)
        p = p / np.where(total == 0, 1, total)
    used = p
    if dropout_key is not None and dropout_p:
        params, rows, columns = Attention(1.0, dropout=dropout_p), np.arange(queries), np.arange(p.shape[-1])
        every = words(dropout_key, (int(np.prod(batch)), num_heads))
        chance = np.stack([dropped(each, rows, columns, params) for each in every]).reshape(p.shape)
        used = np.where(chance, 0, p * wide(params.kept))
    mixed = np.moveaxis(used @ heads(v), -3, -2).reshape(*batch, queries, q.shape[-1])
    result = mixed if out_proj_weight is None else mixed @ widened(out_proj_weight).T
    if out_proj_bias is not None:
        result = result + widened(out_proj_bias)
    if not need_weights:
        return result
    return result, p.mean(axis=-3) if average_attn_weights else p

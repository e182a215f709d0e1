"""multi_head_attention: products of linear layers around scaled_dot_product_attention."""

from __future__ import annotations

import math
from math import inf, prod
from typing import Any

from ...arguments import integer, switch
from ...array import Array
from ...conversion import index_range
from ...dtypes import BOOL, DType
from ...errors import ArgumentError, DtypeError, ShapeError
from ...layout import Shape
from ...layout import broadcast_shapes as common_shape
from .. import bounds
from ..compose import AnyOperand, Indices, Operand, composed
from ..pieces import filled, joined
from ..primitive.matmul import matmul
from ..primitive.pointwise import astype, fn
from ..primitive.reduce import max, sum
from ..views import broadcast_to, reshape
from . import exact_multi_head
from .attention import scaled_dot_product_attention
from .linear import linear
from .statistics import mean
from .stopping import stop_gradient

NAME = "multi_head_attention"


def _samples(dtype: DType) -> Any:
    from ...testing import multi_head_family

    return multi_head_family.samples(dtype)


@composed(reference=exact_multi_head.multi_head_attention, samples=_samples, bits=bounds.unless_fast)
def multi_head_attention(
    query: Operand,
    key: Operand,
    value: Operand,
    num_heads: int,
    in_proj_weight: Operand | None = None,
    in_proj_bias: Operand | None = None,
    out_proj_weight: Operand | None = None,
    out_proj_bias: Operand | None = None,
    *,
    q_proj_weight: Operand | None = None,
    k_proj_weight: Operand | None = None,
    v_proj_weight: Operand | None = None,
    bias_k: Operand | None = None,
    bias_v: Operand | None = None,
    add_zero_attn: bool = False,
    key_padding_mask: AnyOperand | None = None,
    attn_mask: AnyOperand | None = None,
    is_causal: bool = False,
    need_weights: bool = False,
    average_attn_weights: bool = True,
    dropout_p: float = 0.0,
    dropout_key: Indices | None = None,
) -> Any:
    """Attention of each head's part of projected queries, keys and values, and a projection of all heads' results.

    query: (…, queries, in), with batch axes before it or none. key: (…, keys, in), value: (…, keys, in), with the same
    batch axes (torch's ``batch_first``). in_proj_weight: (3 E, in), the projections of query, key and value one below
    the other; or q_proj_weight, k_proj_weight and v_proj_weight, each (E, in) with an in of its own. in_proj_bias:
    (3 E,). num_heads: it divides E. out_proj_weight: (out, E), None for the heads' results side by side; out_proj_bias:
    (out,). bias_k, bias_v: E numbers each, one more key and its value behind every sequence's. add_zero_attn: one more
    key and value of zeros.
    key_padding_mask: (…, keys), attn_mask: (queries, keys), or what broadcasts to (…, num_heads, queries, keys), or
    torch's (batch * num_heads, queries, keys): bool, True where a key is *not* seen, as in torch, or floating, added to
    the scores. is_causal: a query sees no key behind its own place; the keys of bias_k and add_zero_attn are seen.
    A query that sees no key gets zeros of every head. Results: (…, queries, out), and with need_weights a pair of it
    and the weights, (…, queries, keys), the mean of the heads', or, without average_attn_weights, (…, num_heads,
    queries, keys), with a column more for each key that was added; they take memory for all scores, and change no bit
    of the first result. dropout_p, dropout_key: as in scaled_dot_product_attention; weights that are given are those
    before it. 16-bit operands are computed in float32, and results rounded once.
    Raises ShapeError, DtypeError, DeviceError, ArgumentError.
    """
    heads = integer(NAME, "num_heads", num_heads)
    causal, wanted = switch(NAME, "is_causal", is_causal), switch(NAME, "need_weights", need_weights)
    zero, average = (
        switch(NAME, "add_zero_attn", add_zero_attn),
        switch(NAME, "average_attn_weights", average_attn_weights),
    )
    batch = _batch(query, key, value)
    weights = _weights(in_proj_weight, q_proj_weight, k_proj_weight, v_proj_weight)
    e = weights[0].shape[0]
    if heads < 1 or e % heads:
        raise ShapeError(f"{NAME}: num_heads: {heads} heads do not divide {e} projected features")
    for name, weight, x in zip(("query", "key", "value"), weights, (query, key, value), strict=True):
        if weight.ndim != 2 or weight.shape[0] != e or weight.shape[1] != x.shape[-1]:
            expected = f"({e}, {x.shape[-1]})"
            raise ShapeError(f"{NAME}: {name} of shape {x.shape} takes a weight {expected}, got {weight.shape}")
    for name, bias, count in (("in_proj_bias", in_proj_bias, 3 * e), ("bias_k", bias_k, e), ("bias_v", bias_v, e)):
        if bias is not None and bias.size != count:
            raise ShapeError(f"{NAME}: {name}: expected {count} numbers, got shape {bias.shape}")
    if (bias_k is None) != (bias_v is None):
        raise ArgumentError(f"{NAME}: bias_k and bias_v: expected both or neither")
    if out_proj_weight is None and out_proj_bias is not None:
        raise ArgumentError(f"{NAME}: out_proj_bias: there is no out_proj_weight")
    q, k, v = (
        linear(x, w, None if in_proj_bias is None else reshape(in_proj_bias, (3, e))[i])
        for i, (x, w) in enumerate(zip((query, key, value), weights, strict=True))
    )
    queries, keys = q.shape[-2], k.shape[-2]
    mask = _mask(key_padding_mask, attn_mask, batch, heads, queries, keys)
    if bias_k is not None and bias_v is not None:
        k, v = (
            joined([x, broadcast_to(reshape(b, (e,)), (*batch, 1, e))], len(batch))
            for x, b in ((k, bias_k), (v, bias_v))
        )
        if causal:
            mask = _also_causal(mask, queries, keys, query)
            causal = False
        if mask is not None:
            more = filled(0 if mask.dtype.kind == "f" else True, (*mask.shape[:-1], 1), mask.dtype, query.device)
            mask = joined([mask, more], mask.ndim - 1)
    q, k, v = (_heads(x, heads) for x in (q, k, v))
    sinks = filled(0.0, (heads,), q.dtype, query.device) if zero else None
    mixed = scaled_dot_product_attention(q, k, v, mask, dropout_p, causal, sinks=sinks, dropout_key=dropout_key)
    axes = tuple(range(len(batch)))
    n = len(batch)
    together = reshape(mixed.permute((*axes, n + 1, n, n + 2)), (*batch, queries, e))
    result = together if out_proj_weight is None else _out(together, out_proj_weight, out_proj_bias)
    if not wanted:
        return result
    shares = _shares(q, k, mask, causal, zero)
    return result, mean(shares, axis=-3) if average else shares


def _batch(query: Array, key: Array, value: Array) -> Shape:
    """The axes before the last two. Raises ShapeError."""
    shapes = f"query has shape {query.shape}, key {key.shape} and value {value.shape}"
    if min(x.ndim for x in (query, key, value)) < 2:
        raise ShapeError(f"{NAME}: expected two axes each, or batch axes before them: {shapes}")
    if not query.shape[:-2] == key.shape[:-2] == value.shape[:-2] or key.shape[-2] != value.shape[-2]:
        raise ShapeError(f"{NAME}: expected the same batch axes, and key and value of one length: {shapes}")
    return query.shape[:-2]


def _weights(packed: Array | None, *several: Array | None) -> list[Array]:
    """The projections of query, key and value. Raises ArgumentError, ShapeError."""
    there = [x for x in several if x is not None]
    if (packed is None) == (not there) or len(there) not in (0, 3):
        raise ArgumentError(
            f"{NAME}: expected in_proj_weight, or all of q_proj_weight, k_proj_weight and v_proj_weight without it"
        )
    if packed is None:
        return there
    if packed.ndim != 2 or packed.shape[0] % 3:
        raise ShapeError(f"{NAME}: in_proj_weight: expected shape (3 E, in), got {packed.shape}")
    e = packed.shape[0] // 3
    return [packed[i * e : (i + 1) * e] for i in range(3)]


def _mask(padding: Array | None, mask: Array | None, batch: Shape, heads: int, queries: int, keys: int) -> Array | None:
    """Both masks as one of scaled_dot_product_attention's: with axes for heads and queries; True where seen."""
    shape, found = (*batch, heads, queries, keys), []
    if mask is not None:
        every = prod(batch) * heads
        if batch and mask.shape == (every, queries, keys):
            mask = reshape(mask, shape)
        found.append(("attn_mask", mask, shape))
    if padding is not None:
        found.append(("key_padding_mask", padding, (*batch, keys)))
    made: Array | None = None
    for name, x, to in found:
        if x.dtype is not BOOL and x.dtype.kind != "f":
            raise DtypeError(f"{NAME}: {name}: takes bool and floating dtypes, got {x.dtype}; cast with astype")
        if common_shape(x.shape, to, what=f"{NAME}: {name}") != to:
            raise ShapeError(f"{NAME}: {name}: {x.shape} does not broadcast to {to}")
        if name == "key_padding_mask":
            x = broadcast_to(x, to)[..., None, None, :]
        made = x if made is None else _together(made, x)
    return fn.logical_not(made) if made is not None and made.dtype is BOOL else made


def _together(a: Array, b: Array) -> Array:
    """Of bool: where a key is not seen by one of them. With numbers: -inf there."""
    if a.dtype is BOOL and b.dtype is BOOL:
        return fn.logical_or(a, b)
    if a.dtype.kind == b.dtype.kind:
        return a + b
    unseen, numbers = (a, b) if a.dtype is BOOL else (b, a)
    result: Array = fn.where(unseen, -inf, numbers)
    return result


def _also_causal(mask: Array | None, queries: int, keys: int, like: Array) -> Array:
    """A mask that also says that a query sees no key behind its place."""
    place = index_range(queries, like.device).view((queries, 1), (1, 0))
    seen = fn.less_equal(index_range(keys, like.device), place)
    if mask is None:
        return seen
    result: Array = fn.where(seen, mask, -inf) if mask.dtype.kind == "f" else fn.logical_and(mask, seen)
    return result


def _heads(x: Array, heads: int) -> Array:
    """(…, heads, length, d)."""
    *batch, length, e = x.shape
    n = len(batch)
    apart = reshape(x, (*batch, length, heads, e // heads))
    return apart.permute((*range(n), n + 1, n, n + 2))


def _out(x: Array, weight: Array, bias: Array | None) -> Array:
    if weight.ndim != 2 or weight.shape[1] != x.shape[-1]:
        raise ShapeError(f"{NAME}: out_proj_weight: expected shape (out, {x.shape[-1]}), got {weight.shape}")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ShapeError(f"{NAME}: out_proj_bias: expected shape {weight.shape[:1]}, got {bias.shape}")
    result: Array = linear(x, weight, bias)
    return result


def _shares(q: Array, k: Array, mask: Array | None, causal: bool, zero: bool) -> Array:
    """The weights of all keys: a softmax of all scores, zeros where no key is seen."""
    s = matmul(q, k.mT) * (1 / math.sqrt(q.shape[-1]))
    if causal:
        mask = _also_causal(mask, q.shape[-2], k.shape[-2], q)
    if mask is not None:
        s = s + astype(mask, s.dtype, copy=False) if mask.dtype.kind == "f" else fn.where(mask, s, -inf)
    if zero:
        s = joined([s, filled(0.0, (*s.shape[:-1], 1), s.dtype, s.device)], s.ndim - 1)
    if s.size == 0:
        return s
    top = stop_gradient(max(s, axis=-1, keepdims=True))
    none = top == -inf
    powers = fn.exp(s - fn.where(none, 0.0, top))
    return powers / fn.where(none, 1.0, sum(powers, axis=-1, keepdims=True))

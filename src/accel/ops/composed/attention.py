"""scaled_dot_product_attention: views of operands of any number of axes, for one kernel."""

from __future__ import annotations

import math
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from ... import dispatch, registry
from ...arguments import integer, switch, word
from ...array import Array
from ...dtypes import BOOL, INT64, TABLE, UINT64, DType
from ...errors import ArgumentError, DtypeError, ShapeError, shown
from ...layout import Shape
from ...layout import broadcast_shapes as common_shape
from ...numerics import HEAD
from .. import bounds
from ..compose import AnyOperand, Indices, Operand, composed
from ..parameters import Attention
from ..pieces import filled
from ..primitive.pointwise import astype
from ..views import broadcast_to, reshape
from . import exact_attention
from .loss import number
from .random import words

NAME = "scaled_dot_product_attention"

ALIGNMENTS = ("upper_left", "lower_right")


def _samples(dtype: DType) -> Any:
    from ...testing import attention_family

    return attention_family.public(dtype)


@composed(
    reference=exact_attention.of_public, bound=exact_attention.bound_of_public, bits=bounds.unless_fast,
    samples=_samples, widen=False,
)  # fmt: skip
def scaled_dot_product_attention(
    query: Operand,
    key: Operand,
    value: Operand,
    attn_mask: AnyOperand | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    *,
    causal_alignment: str = "upper_left",
    window_size: tuple[int | None, int | None] | None = None,
    softcap: float = 0.0,
    sinks: Operand | None = None,
    alibi_slopes: Operand | None = None,
    key_starts: Indices | None = None,
    key_lengths: Indices | None = None,
    dropout_key: Indices | None = None,
) -> Array:
    """softmax(scale * query @ key.T + what follows from the other arguments) @ value, in memory that grows with the
    length alone.

    query: (…, heads, queries, d). key: (…, heads, keys, d). value: (…, heads, keys, dv), of one floating dtype; d and
    dv are 1 to 256. The axes before the last two broadcast, or there are none. enable_gqa: the number of query's heads
    may be a multiple of the others', which have then as many of query's, one after the other, to a head. attn_mask: it
    broadcasts to (…, heads, queries, keys): bool, True where a query sees a key, or floating, added to the scores.
    scale: 1 / sqrt(d) by default. dropout_p: the probability with which a weight is dropped; the others are multiplied
    by 1 / (1 - dropout_p). dropout_key: uint64 of shape (2,), a stream and a key of random numbers; what is dropped is
    a function of these, of the numbers of sequence and head, and of the places of query and key, on every device.
    is_causal: a query sees no key behind its own place. causal_alignment: the first query is at the place of the
    sequence's first key (``upper_left``), or the last one at that of its last key (``lower_right``), whether causal or
    not. window_size: how many keys before and behind its own place a query sees; None or -1: all. softcap: c > 0 makes
    of a score s c * tanh(s / c). alibi_slopes: (heads,), times the distance of the places subtracted from scores.
    sinks: (heads,), a score that every query has besides, of nothing. key_starts, key_lengths: integers that broadcast
    to the axes before the heads: the sequence's first key and its number of keys, cut to what there is; the others may
    be any memory. Places count from the sequence's first key.
    A query that sees no key gets zeros. What is not seen, or has the score -inf, is skipped, and may be NaN. A result
    does not depend on other queries, heads and sequences, nor on where its keys begin in memory (docs/numerics.md, rule
    8), so that of the last query with a cache has the bits of the whole sequence's last row. Computed in float32 for
    16-bit floats, and rounded once. Its derivative has the scores of 512 queries of every head in memory at once.
    Algorithm: online softmax (Milakov and Gimelshein 2018) by blocks of keys, as in Dao et al. 2022.
    Raises ShapeError, DtypeError, DeviceError, ArgumentError.
    """
    dtype, accumulator = query.dtype, TABLE[query.dtype.accumulator]
    for name, x in (("key", key), ("value", value)):
        if x.dtype is not dtype:
            raise DtypeError(f"{NAME}: {name}: query is {dtype}, got {x.dtype}; cast with astype")
    shared = switch(NAME, "enable_gqa", enable_gqa)
    batch, heads, its_heads = _axes(query, key, value, shared)
    queries, keys, dv = query.shape[-2], key.shape[-2], value.shape[-1]
    params = options(NAME, query, queries + keys, dropout_p, is_causal, scale, causal_alignment, window_size, softcap)
    count = prod(batch)
    given = {}
    if attn_mask is not None:
        given["mask"] = _mask(attn_mask, (*batch, *heads, queries, keys), dtype, accumulator)
    given |= of_heads(NAME, heads, accumulator, sinks, alibi_slopes)
    for name, argument, vector in (("starts", "key_starts", key_starts), ("lengths", "key_lengths", key_lengths)):
        if vector is not None:
            if vector.dtype.name == "uint64":
                raise DtypeError(f"{NAME}: {argument}: takes integers that int64 holds, got uint64; cast with astype")
            wide = astype(vector, INT64, copy=False)
            given[name] = reshape(_stretched(argument, wide, batch), (count,))
    chance = check_key(NAME, params.dropout, dropout_key)
    shape = (*batch, *heads, queries, dv)
    if keys == 0 or prod(shape) == 0:
        return filled(0.0, shape, dtype, query.device)
    if chance is not None:
        given["dropout"] = words(chance, (count, prod(heads)))
    four = [
        reshape(broadcast_to(x, (*batch, *its, *x.shape[-2:])), (count, prod(its), *x.shape[-2:]))
        for x, its in ((query, heads), (key, its_heads), (value, its_heads))
    ]
    if "mask" in given:
        given["mask"] = reshape(given["mask"], (count, prod(heads), queries, keys))
    result = dispatch.call(registry.OPS["attention"], (*four, *given.values()), replace(params, given=tuple(given)))
    return reshape(result, shape)


def options(
    op: str, query: Array, most: int, dropout_p: Any, is_causal: Any, scale: Any, causal_alignment: Any,
    window_size: Any, softcap: Any,
) -> Attention:  # fmt: skip
    """The kernels' parameters, but for what is given. most: a reach that is all. Raises ArgumentError."""
    chance = number(op, "dropout_p", dropout_p, 0, 1)
    before, after = _window(op, window_size, most)
    if switch(op, "is_causal", is_causal):
        after = 0 if after is None else min(after, 0)
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else number(op, "scale", scale)
    cap = number(op, "softcap", softcap, 0)
    aligned = word(op, "causal_alignment", causal_alignment, ALIGNMENTS)
    accumulator = TABLE[query.dtype.accumulator]
    scaled, capped = _as(op, accumulator, "scale", factor), _as(op, accumulator, "softcap", cap)
    return Attention(scaled, capped, aligned == "lower_right", before, after, dropout=chance)


def of_heads(op: str, heads: Shape, accumulator: DType, sinks: Array | None, slopes: Array | None) -> dict[str, Array]:
    """Operands with a number for each head, as the kernels take them. Raises ShapeError."""
    given = {}
    for name, argument, vector in (("sinks", "sinks", sinks), ("slopes", "alibi_slopes", slopes)):
        if vector is not None:
            if vector.shape != heads:
                raise ShapeError(f"{op}: {argument}: expected a number for each head, {heads}, got {vector.shape}")
            given[name] = reshape(astype(vector, accumulator, copy=False), (prod(heads),))
    return given


def check_key(op: str, dropout: float, key: Array | None) -> Array | None:
    """The key of random numbers where weights are dropped, else None. Raises ArgumentError, DtypeError."""
    if key is not None and (key.dtype is not UINT64 or key.shape != (2,)):
        raise DtypeError(f"{op}: dropout_key: expected uint64 of shape (2,), got {key.dtype} of shape {key.shape}")
    if dropout and key is None:
        raise ArgumentError(f"{op}: dropout_key: expected a stream and a key of random numbers, as dropout_p is not 0")
    return key if dropout else None


def _axes(query: Array, key: Array, value: Array, shared: bool) -> tuple[Shape, Shape, Shape]:
    """The axes before the heads, that of query's heads, and that of the others' heads (no axis where there are no
    heads). Raises ShapeError."""
    shapes = f"query has shape {query.shape}, key {key.shape} and value {value.shape}"
    if not query.ndim == key.ndim == value.ndim >= 2:
        raise ShapeError(f"{NAME}: expected as many axes each, 2 at least: {shapes}")
    d, dv = query.shape[-1], value.shape[-1]
    if key.shape[-1] != d or key.shape[-2] != value.shape[-2]:
        raise ShapeError(f"{NAME}: query and key must have one last axis, key and value one length: {shapes}")
    if not 1 <= d <= HEAD or not 1 <= dv <= HEAD:
        raise ShapeError(f"{NAME}: the last axes must be 1 to {HEAD} long: {shapes}")
    others = [x.shape[:-3] for x in (query, key, value)]
    batch = common_shape(*others, what=f"{NAME}: axes before the heads")
    heads, *its = (x.shape[-3:-2] for x in (query, key, value))
    if not shared or not heads:
        every = common_shape(heads, *its, what=f"{NAME}: heads (enable_gqa lets them differ)")
        return batch, every, every
    fewer = common_shape(*its, what=f"{NAME}: heads of key and value")
    if not fewer[0] or heads[0] % fewer[0]:
        raise ShapeError(f"{NAME}: {fewer[0]} heads of key and value do not divide {heads[0]} heads of query")
    return batch, heads, fewer


def _window(op: str, window: Any, most: int) -> tuple[int | None, int | None]:
    """How far a query sees before and behind its place; None: all, as what reaches `most` does."""
    if window is None:
        return None, None
    if not isinstance(window, tuple) or len(window) != 2:
        raise ArgumentError(f"{op}: window_size: expected a pair (before, behind) or None, got {shown(window)}")
    sides = [-1 if side is None else integer(op, "window_size", side) for side in window]
    if min(sides) < -1:
        raise ArgumentError(f"{op}: window_size: expected no number below -1, got {shown(window)}")
    before, after = (None if side == -1 or side >= most else side for side in sides)
    return before, after


def _mask(mask: Array, shape: Shape, dtype: DType, accumulator: DType) -> Array:
    """A mask of the scores' shape, bool or of a dtype that kernels take. Raises DtypeError, ShapeError."""
    if mask.dtype is not BOOL and mask.dtype.kind != "f":
        raise DtypeError(f"{NAME}: attn_mask: takes bool and floating dtypes, got {mask.dtype}; cast with astype")
    if mask.dtype not in (BOOL, dtype, accumulator):
        mask = astype(mask, accumulator)
    return _stretched("attn_mask", mask, shape)


def _stretched(argument: str, x: Array, shape: Shape) -> Array:
    if common_shape(x.shape, shape, what=f"{NAME}: {argument}") != shape:
        raise ShapeError(f"{NAME}: {argument}: {x.shape} does not broadcast to {shape}")
    return broadcast_to(x, shape)


def _as(op: str, dtype: DType, name: str, value: float) -> float:
    """A number rounded to a dtype. Raises ArgumentError where that is infinite."""
    with np.errstate(all="ignore"):
        rounded = float(dtype.numpy.type(value))
    if not math.isfinite(rounded):
        raise ArgumentError(f"{op}: {name}: {value} is beyond {dtype}")
    return rounded

"""Attention by its definition, in float64 or extended precision, and the bound of what the canonical order loses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...config import config
from ...dtypes import FLOAT32, FLOAT64, TABLE, as_dtype
from ...numerics import ATTENTION, LANES
from .. import bounds
from ..parameters import Attention, attention_sizes
from .exact_random import MASK, philox, words


@dataclass(frozen=True)
class Weights:
    """Of one sequence, in the reference's dtype: scores (heads, queries, keys), -inf where a key is not seen; their
    maxima, taken with the sinks; the weights, of which those of a row add up to 1 with the sink's; the values of every
    head. products: what a score adds up, without signs; sizes: of all that is added to it.
    used: whose value counts, as it is seen and not dropped."""

    scores: np.ndarray
    top: np.ndarray
    weights: np.ndarray
    values: np.ndarray
    products: np.ndarray
    sizes: np.ndarray
    used: np.ndarray


def apart(*operands: np.ndarray, params: Attention) -> Iterator[tuple[Any, list[np.ndarray], Attention]]:
    """Where the result has a sequence, its operands with neither offsets nor pages, and their parameters."""
    query, key, value, *others = operands
    named = dict(zip(params.given, others, strict=True))
    sequences, queries = attention_sizes(operands, params).sequences, query.shape[2]
    offsets, pages = named.pop("offsets", None), named.pop("pages", None)
    its = replace(params, given=tuple(named))
    for b in range(sequences):
        one = slice(b, b + 1)
        rows: tuple[slice, ...] = (one,)
        if offsets is not None:
            first = 0 if b == 0 else int(np.clip(offsets[b], 0, queries))
            last = queries if b == sequences - 1 else int(np.clip(offsets[b + 1], first, queries))
            rows = (slice(None), slice(None), slice(first, last))
        k, v = (x if offsets is not None else x[one] for x in (key, value))
        if pages is not None:
            table = np.clip(pages[b], 0, len(key) - 1)
            k, v = (
                np.moveaxis(x[table], 1, 0).reshape(1, x.shape[1], table.size * x.shape[2], x.shape[3])
                for x in (key, value)
            )
        mine = [x if name in ("sinks", "slopes") else x[one] for name, x in named.items()]
        yield rows, [query[rows], k, v, *mine], its


def dropped(keys: np.ndarray, place: np.ndarray, j: np.ndarray, params: Attention) -> np.ndarray:
    """Which weights (heads, queries, keys) are dropped, of the heads' keys of random bits and of places."""
    counter = place.astype(np.uint64)[:, None] << np.uint64(32) | j.astype(np.uint64)
    words = np.stack([philox(counter, 0, int(key)) for key in keys])
    chosen: np.ndarray = (words & np.uint64(MASK)) >> np.uint64(8) < params.dropped
    return chosen


def weights(b: int, query: np.ndarray, key: np.ndarray, value: np.ndarray, params: Attention, **others: Any) -> Weights:
    """Of a sequence."""
    wide = np.longdouble if as_dtype(query.dtype) is FLOAT64 else np.float64
    queries, keys, shared = query.shape[2], key.shape[2], query.shape[1] // key.shape[1]
    start, length = _extent(b, keys, others)
    q, k, v = query[b].astype(wide), *(np.repeat(x[b].astype(wide), shared, axis=0) for x in (key, value))
    k, v = k[:, start : start + length], v[:, start : start + length]
    distance = np.arange(length) - np.arange(queries)[:, None] - (length - queries if params.from_end else 0)
    with np.errstate(all="ignore"):
        s = q @ k.mT * wide(params.scale)
        products = np.abs(q).astype(np.float64) @ np.abs(k).mT.astype(np.float64) * abs(params.scale)
        sizes = np.abs(s).astype(np.float64)
        if params.softcap:
            s = np.tanh(s / wide(params.softcap)) * wide(params.softcap)
            sizes = sizes + params.softcap
        if "slopes" in others:
            bias = -np.abs(distance) * others["slopes"].astype(wide)[:, None, None]
            s, sizes = s + bias, sizes + np.abs(bias)
        seen = np.ones(s.shape, bool)
        if "mask" in others:
            mask = others["mask"][b, :, :, start : start + length]
            if mask.dtype == bool:
                seen &= mask
            else:
                s, sizes = s + mask.astype(wide), sizes + np.abs(mask.astype(np.float64))
        if params.before is not None:
            seen &= distance >= -params.before
        if params.after is not None:
            seen &= distance <= params.after
        s = np.where(seen, s, -np.inf)
        seen &= s != -np.inf
        top = s.max(axis=-1, initial=-np.inf)
        sink = np.broadcast_to(others["sinks"].astype(wide)[:, None], top.shape) if "sinks" in others else -np.inf
        top = np.maximum(top, sink)
        p = np.where(seen, np.exp(s - top[..., None]), 0)
        total = p.sum(axis=-1) + np.where(np.isneginf(sink), 0, np.exp(sink - top))
        p = np.where((top == -np.inf)[..., None], 0, p / total[..., None])
        if "dropout" in others:
            place = np.arange(queries) + (length - queries if params.from_end else 0)
            seen &= ~dropped(others["dropout"][b], place, np.arange(length), params)
            p = np.where(seen, p * wide(params.kept), 0)
    return Weights(s, top, p, v, products, sizes, seen)


def _extent(b: int, keys: int, others: dict[str, Any]) -> tuple[int, int]:
    """A sequence's first key, and how many it has."""
    start = min(max(int(others["starts"][b]), 0), keys) if "starts" in others else 0
    return start, min(max(int(others["lengths"][b]), 0), keys - start) if "lengths" in others else keys - start


def _sequences(query: np.ndarray, key: np.ndarray, value: np.ndarray, *others: np.ndarray, params: Attention) -> Any:
    named = dict(zip(params.given, others, strict=True))
    return [weights(b, query, key, value, params, **named) for b in range(query.shape[0])]


def attention(*operands: np.ndarray, params: Attention) -> np.ndarray:
    """The exact answer; values that are not seen count for nothing, whatever they are."""
    if {"offsets", "pages"} & set(params.given):
        out = np.zeros((*operands[0].shape[:3], operands[2].shape[-1]), np.longdouble)
        for rows, mine, its in apart(*operands, params=params):
            out[rows] = attention(*mine, params=its)
        return out
    found = _sequences(*operands, params=params)
    if not found:
        return np.zeros((0, *operands[0].shape[1:3], operands[2].shape[-1]))
    with np.errstate(all="ignore"):
        return np.stack([_sum(its.weights, its.values, its.used) for its in found])


def _sum(p: np.ndarray, v: np.ndarray, used: np.ndarray) -> np.ndarray:
    result = p @ np.where(np.isfinite(v), v, 0)
    strange = ~np.isfinite(v).all(axis=-1)
    for j in np.flatnonzero(strange.any(axis=0)):
        odd = np.where(np.isfinite(v[:, None, j]), 0, v[:, None, j])
        result = result + np.where(used[..., j, None], p[..., j, None] * odd, 0)
    return result


def bound(reference: np.ndarray, *operands: np.ndarray, params: Attention) -> np.ndarray:
    """Of what is lost, and of one rounding."""
    accumulator = TABLE[as_dtype(operands[0].dtype).accumulator]
    absolute = losses(*operands, params=params)
    return bounds.rounded(np.asarray(reference, np.float64), absolute, accumulator, as_dtype(operands[0].dtype))


def losses(*operands: np.ndarray, params: Attention, errors: Sequence[np.ndarray] | None = None) -> np.ndarray:
    """Largest error before the last rounding, of operands that have errors themselves where some are given.

    Each score has an error E; each weight then a relative one of exp(2 E) - 1, of what the exponentials' arguments
    lose (they add up to the range of the scores, thrice), of the exponentials and products by which it reaches the end,
    and of one addition for each key of a chunk, block and chunk. Matrix units read operands, and weights, in fewer
    digits."""
    query, key, value = operands[:3]
    dtype = as_dtype(query.dtype)
    accumulator = TABLE[dtype.accumulator]
    u, least, most = bounds.unit_roundoff(accumulator), bounds.smallest(accumulator), bounds.largest(accumulator)
    depth = bounds.gamma(query.shape[-1], u)
    operand = bounds.TF32_ROUNDOFF if dtype is FLOAT32 else 0.0
    weight = operand or bounds.unit_roundoff(dtype)
    absolute = np.zeros((*query.shape[:3], value.shape[-1]))
    if {"offsets", "pages"} & set(params.given):
        if errors is not None and any(x.any() for x in errors):
            return np.full_like(absolute, np.inf)
        for rows, mine, its in apart(*operands, params=params):
            absolute[rows] = losses(*mine, params=its)
        return absolute
    with np.errstate(all="ignore"):
        for b, its in enumerate(_sequences(*operands, params=params)):
            seen = its.scores != -np.inf
            n = its.scores.shape[-1]
            error = depth * its.products + query.shape[-1] * least * abs(params.scale) + 16 * u * its.sizes
            error = error + (2 * operand + depth) * its.products if config.numerics == "fast" else error
            sizes = np.where(np.isfinite(its.values), np.abs(its.values), 0).astype(np.float64)
            of_v = np.zeros_like(sizes)
            if errors is not None:
                start, length = _extent(b, key.shape[2], dict(zip(params.given, operands[3:], strict=True)))
                part = slice(start, start + length)
                shared = query.shape[1] // key.shape[1]
                k = np.abs(np.repeat(key[b, :, part].astype(np.float64), shared, axis=0))
                of_k, of_v = (np.repeat(x[b, :, part], shared, axis=0) for x in errors[1:3])
                of_q, q = errors[0][b], np.abs(query[b].astype(np.float64))
                error = error + abs(params.scale) * (q @ of_k.mT + of_q @ (k + of_k).mT)
                for name, x in zip(params.given, errors[3:], strict=True):
                    if name == "mask":
                        error = error + np.where(x[b, :, :, part] > 0, _of_mask(operands[3], x[b, :, :, part]), 0)
                    elif x.any():
                        error = np.full_like(error, np.inf)  # of vectors, which are given as they are
            error = np.where(seen, error, 0).max(axis=-1, initial=0)
            spread = np.where(seen, np.abs(its.scores), 0).max(axis=-1, initial=0) + np.where(
                np.isfinite(its.top), np.abs(its.top), 0
            )
            steps = -(-n // LANES) + -(-n // ATTENTION) + 4
            relative = 2 * error + u * (6 * spread + 6 * steps + min(n, ATTENTION) + 64)
            largest = sizes.max(axis=(-2, -1), initial=0)[:, None]
            lost = 8 * (n + 4) * least * (1 + (n + 1) * largest)
            if config.numerics == "fast" and accumulator.itemsize == 4:  # weights are operands of matrix units, too
                relative = relative + weight + operand
                lost = lost + (n + 1) * max(bounds.FLUSHED, bounds.smallest(dtype)) * (1 + largest)
            shares = its.weights.astype(np.float64)
            own = np.expm1(2 * relative)[..., None] * (shares @ sizes) + lost[..., None]
            own = own + np.exp(2 * relative)[..., None] * (shares @ of_v)
            size = np.where(seen, its.products + its.sizes, 0).max(axis=-1, initial=0)
            fits = (size < most / 4) & ((n + 1) * largest < most / 4)
            absolute[b] = np.where(fits[..., None], own.astype(np.float64), np.inf)
    return absolute


def _of_mask(mask: np.ndarray, error: np.ndarray) -> np.ndarray:
    """What errors of a mask's elements do to scores: where it is of bool, nothing is known."""
    return np.full(error.shape, np.inf) if mask.dtype == bool else error


def _plain(
    query: np.ndarray,
    key: np.ndarray,
    value: np.ndarray,
    attn_mask: np.ndarray | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    *,
    causal_alignment: str = "upper_left",
    window_size: tuple[int | None, int | None] | None = None,
    softcap: float = 0.0,
    sinks: np.ndarray | None = None,
    alibi_slopes: np.ndarray | None = None,
    key_starts: np.ndarray | None = None,
    key_lengths: np.ndarray | None = None,
    dropout_key: np.ndarray | None = None,
) -> tuple[tuple[np.ndarray, ...], Attention, tuple[int, ...]]:
    """The arguments of the public function as those of the primitive, and the result's shape."""
    batch = np.broadcast_shapes(*(x.shape[:-3] for x in (query, key, value)))
    heads, few = query.shape[-3:-2], key.shape[-3:-2]
    if not enable_gqa:
        heads = few = np.broadcast_shapes(*(x.shape[-3:-2] for x in (query, key, value)))
    count, queries, keys = int(np.prod(batch)), query.shape[-2], key.shape[-2]

    def four(x: np.ndarray, its: tuple[int, ...]) -> np.ndarray:
        wide = np.broadcast_to(x, (*batch, *its, *x.shape[-2:]))
        return wide.reshape(count, int(np.prod(its)), *x.shape[-2:])

    given: dict[str, np.ndarray] = {}
    if attn_mask is not None:
        given["mask"] = four(np.broadcast_to(attn_mask, (*batch, *heads, queries, keys)), heads)
    if sinks is not None:
        given["sinks"] = sinks.reshape(-1)
    if alibi_slopes is not None:
        given["slopes"] = alibi_slopes.reshape(-1)
    if key_starts is not None:
        given["starts"] = np.broadcast_to(key_starts, batch).reshape(-1)
    if key_lengths is not None:
        given["lengths"] = np.broadcast_to(key_lengths, batch).reshape(-1)
    if dropout_key is not None and dropout_p:
        given["dropout"] = words(dropout_key, (count, int(np.prod(heads))))
    before, after = (None if x in (None, -1) else x for x in window_size or (None, None))
    if is_causal:
        after = 0
    factor = query.shape[-1] ** -0.5 if scale is None else scale
    params = Attention(factor, softcap, causal_alignment == "lower_right", before, after, tuple(given), dropout_p)
    operands = (four(query, heads), four(key, few), four(value, few), *given.values())
    return operands, params, (*batch, *heads, queries, value.shape[-1])


def of_public(*arguments: Any, **keywords: Any) -> np.ndarray:
    """The exact answer."""
    operands, params, shape = _plain(*arguments, **keywords)
    return attention(*operands, params=params).reshape(shape)


def bound_of_public(reference: np.ndarray, *arguments: Any, **keywords: Any) -> np.ndarray:
    """Of the primitive's."""
    operands, params, shape = _plain(*arguments, **keywords)
    its_shape = (*operands[0].shape[:3], operands[2].shape[-1])
    return bound(np.reshape(reference, its_shape), *operands, params=params).reshape(shape)

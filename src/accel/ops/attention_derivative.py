"""The vector-Jacobian product of attention: plain products of some queries at a time with all keys, so that memory
grows with the length and not with its square."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf
from typing import Any

from .. import dispatch, registry
from ..array import Array
from ..conversion import index_range
from ..dtypes import INT64, TABLE
from ..errors import ArgumentError
from .derivative import Cotangents, fn
from .parameters import Attention, Gather
from .pieces import joined
from .views import reshape

ROWS = 512
"""Queries that are looked at together: scores of so many, of every head and sequence, are in memory at once."""


class _Places:
    """Integers that say which keys a query sees, of shapes that broadcast to (batch, heads of keys, heads of queries to
    each, queries, keys): the key's place in the sequence, how many there are, the query's place."""

    def __init__(self, query: Array, keys: int, params: Attention, named: dict[str, Array]) -> None:
        batch, _, queries, _ = query.shape
        row = index_range(queries, query.device).view((queries,), (1,))
        self.sequence, counted, first = None, queries, None
        if "offsets" in named:
            offsets = named["offsets"]
            inner = offsets[1:-1]
            before = fn.less_equal(inner.view((inner.size, 1), (*inner.strides, 0)), row)
            self.sequence = fn.sum(fn.astype(before, INT64), axis=0)
            first, last = (_rows(x, self.sequence) for x in (offsets[:-1], offsets[1:]))
            counted = last - first
        start, length = (self._each(named.get(name), batch) for name in ("starts", "lengths"))
        key = index_range(keys, query.device)
        self.key = key if start is None else key - start
        most = keys if start is None else keys - start
        self.length = None if start is None and length is None else most if length is None else fn.minimum(length, most)
        place = row if first is None else row - first
        if params.from_end:
            place = place.view((queries, 1), (*place.strides, 0)) + (
                (keys if self.length is None else self.length) - self._column(counted)
            )
        else:
            place = place.view((queries, 1), (*place.strides, 0))
        self.place = place

    def _column(self, x: Any) -> Any:
        return x.view((*x.shape, 1), (*x.strides, 0)) if isinstance(x, Array) else x

    def _each(self, x: Array | None, batch: int) -> Array | None:
        if x is None:
            return None
        if self.sequence is not None:
            return self._column(_rows(x, self.sequence))
        return x.view((batch, 1, 1, 1, 1), (*x.strides, 0, 0, 0, 0))


def _rows(x: Array, positions: Array) -> Array:
    """Rows of x by their positions."""
    its = positions.view((positions.size, *(1,) * (x.ndim - 1)), (*positions.strides, *(0,) * (x.ndim - 1)))
    result: Array = dispatch.call(registry.OPS["gather"], (x, its), Gather((-1, *range(1, x.ndim))))
    return result


def _grouped(x: Array, shared: int) -> Array:
    """(batch, heads, …) as (batch, heads of keys, heads of queries to each, …)."""
    batch, heads, *rest = x.shape
    group, (step, head, *others) = heads // shared, x.strides
    return x.view((batch, shared, group, *rest), (step, head * group, head, *others))


def _of_rows(x: Any, a: int, b: int, queries: int) -> Any:
    """The part of what has an axis for queries, the last but one."""
    if not isinstance(x, Array) or x.ndim < 2 or x.shape[-2] != queries or queries == 1:
        return x
    return x[..., a:b, :]


def attention_vjp(
    params: Attention, cotangents: Cotangents, results: Sequence[Array], operands: Sequence[Array]
) -> list[Array | None]:
    """The cotangents of query, key, value, mask, sinks and slopes; computed in the accumulator's dtype. Raises
    ArgumentError for a cache in pages."""
    (g,), (query, key, value, *others) = cotangents, operands
    assert g is not None
    named = dict(zip(params.given, others, strict=True))
    if "pages" in named:
        raise ArgumentError("attention: a cache in pages has no derivative")
    wide, shared = TABLE[query.dtype.accumulator], key.shape[1]
    queries, keys = query.shape[2], key.shape[2]
    q, gs = (_grouped(fn.astype(x, wide, copy=False), shared) for x in (query, g))
    k, v = (fn.astype(x, wide, copy=False)[:, :, None] for x in (key, value))
    k = fn.where(fn.isfinite(k), k, 0.0)  # what no query sees may be anything; scores are of the key itself
    raw = fn.astype(key, wide, copy=False)[:, :, None]
    places = _Places(query, keys, params, named)
    heads: dict[str, Array] = {
        n: named[n].view((shared, q.shape[2], 1, 1), (named[n].strides[0] * q.shape[2], *named[n].strides, 0, 0))
        for n in ("sinks", "slopes")
        if n in named
    }
    chance = None
    if "dropout" in named:
        x = named["dropout"]
        if places.sequence is not None:  # one for each query
            x = _rows(x, places.sequence).permute((1, 0))[None]
            chance = _grouped(x, shared)[..., None]
        else:
            chance = _grouped(x, shared)[..., None, None]
    sums: dict[str, Array] = {}
    blocks: dict[str, list[Array]] = {"query": [], "mask": []}

    def add(name: str, part: Array) -> None:
        sums[name] = sums[name] + part if name in sums else part

    for a, b in _blocks(queries):
        its = {n: _of_rows(x, a, b, queries) for n, x in (("place", places.place), ("length", places.length))}
        j = _of_rows(places.key, a, b, queries)
        distance = j - its["place"]
        rows, cotangent = q[..., a:b, :], gs[..., a:b, :]
        s = fn.matmul(rows, raw.mT) * params.scale
        bent = None
        if params.softcap:
            bent = fn.tanh(s / params.softcap)
            s = bent * params.softcap
        far = fn.astype(fn.abs(distance), wide)
        if "slopes" in heads:
            s = s - heads["slopes"] * far
        if "mask" in named:
            mask = _grouped(named["mask"], shared)[..., a:b, :]
            s = fn.where(mask, s, -inf) if mask.dtype.kind == "b" else s + fn.astype(mask, wide, copy=False)
        for hidden in _hidden(params, j, distance, its["length"]):
            s = fn.where(hidden, -inf, s)
        seen = fn.not_equal(s, -inf)
        top = fn.max(s, axis=-1, keepdims=True)
        if "sinks" in heads:
            top = fn.maximum(top, heads["sinks"])
        top = fn.where(fn.equal(top, -inf), 0.0, top)
        p = fn.where(seen, fn.exp(s - top), 0.0)
        total = fn.sum(p, axis=-1, keepdims=True)
        sink = None
        if "sinks" in heads:
            sink = fn.exp(heads["sinks"] - top)
            total = total + sink
        total = fn.where(fn.equal(total, 0.0), 1.0, total)
        p = p / total
        along, given = fn.matmul(cotangent, v.mT), p
        if chance is not None:
            high = fn.bitwise_left_shift(fn.astype(its["place"], chance.dtype), 32)
            counter = fn.bitwise_or(high, fn.astype(fn.maximum(j, 0), chance.dtype))
            word = fn.bitwise_and(fn.philox(counter, 0, _of_rows(chance, a, b, queries)), 2**32 - 1)
            kept = fn.greater_equal(fn.bitwise_right_shift(word, 8), params.dropped)
            along, given = (fn.where(kept, x * float(wide.numpy.type(params.kept)), 0.0) for x in (along, p))
        add("value", fn.matmul(given.mT, cotangent))
        along = fn.where(seen, along, 0.0)
        mean = fn.sum(p * along, axis=-1, keepdims=True)
        if sink is not None:
            add("sinks", fn.sum(-mean * (sink / total), axis=(0, 3, 4)))
        ds = p * (along - mean)
        if "mask" in named and named["mask"].dtype.kind == "f":
            blocks["mask"].append(ds)
        if "slopes" in heads:
            add("slopes", fn.sum(-(ds * far), axis=(0, 3, 4)))
        if bent is not None:
            ds = ds * (1.0 - bent * bent)
            ds = fn.where(seen, ds, 0.0)
        ds = ds * params.scale
        blocks["query"].append(fn.matmul(ds, k))
        add("key", fn.matmul(ds.mT, rows))
    found = {n: parts[0] if len(parts) == 1 else joined(parts, 3) for n, parts in blocks.items() if parts}
    found |= {n: fn.sum(sums[n], axis=2) for n in ("key", "value")}
    found |= {n: sums[n] for n in heads}
    return [
        None if n not in found else fn.astype(reshape(found[n], x.shape), x.dtype, copy=False)
        for n, x in zip(("query", "key", "value", *params.given), operands, strict=True)
    ]


def _blocks(queries: int) -> Iterator[tuple[int, int]]:
    for a in range(0, queries, ROWS):
        yield a, min(a + ROWS, queries)


def _hidden(params: Attention, j: Array, distance: Array, length: Array | None) -> Iterator[Array]:
    """Where a query does not see a key by their places."""
    if length is not None:
        yield fn.logical_or(fn.less(j, 0), fn.greater_equal(j, length))
    if params.before is not None:
        yield fn.less(distance, -params.before)
    if params.after is not None:
        yield fn.greater(distance, params.after)

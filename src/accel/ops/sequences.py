"""Attention of batches whose sequences have lengths of their own, and of caches in pages."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .. import dispatch, interop, registry
from ..arguments import switch
from ..array import Array, Symbol
from ..composition import RECORDER
from ..conversion import index_range, on_host
from ..dtypes import TABLE
from ..errors import DtypeError, ShapeError, shown
from ..numerics import HEAD
from .ascending import check_ascending
from .composed.attention import check_key, of_heads, options
from .composed.random import words
from .pieces import filled
from .primitive.gather import as_positions, check_positions
from .primitive.pointwise import fn
from .views import expand_dims

NAME = "scaled_dot_product_attention_varlen"


def scaled_dot_product_attention_varlen(
    query: Any,
    key: Any,
    value: Any,
    cu_seqlens_q: Any,
    cu_seqlens_k: Any,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    *,
    causal_alignment: str = "upper_left",
    window_size: tuple[int | None, int | None] | None = None,
    softcap: float = 0.0,
    sinks: Any = None,
    alibi_slopes: Any = None,
    dropout_key: Any = None,
    block_table: Any = None,
) -> Any:
    """scaled_dot_product_attention of each of several sequences, whose queries and keys stand one behind the other.

    query: (all queries, heads, d). key: (all keys, heads, d), value: (all keys, heads, dv). cu_seqlens_q, cu_seqlens_k:
    integers (sequences + 1,), from 0 on: sequence b has the queries cu_seqlens_q[b] to cu_seqlens_q[b + 1] - 1, and so
    its keys; none is a length, too. Result: (all queries, heads, dv).
    block_table: integers (sequences, columns). Then key and value are a cache of pages, (pages, keys of a page, heads,
    d or dv), and a sequence's keys are those of the pages in its row, one after the other; cu_seqlens_k gives their
    number alone, and what is behind them in the row is not looked at.
    The other arguments are those of scaled_dot_product_attention, and so are the bits of each sequence: they are those
    that it has alone, wherever its keys are. Kernels go by offsets and pages; nothing is copied or padded.
    Offsets and pages are read before anything is computed, for which a GPU is waited for. Raises IndexError for a page
    that there is not, and for offsets that do not ascend from 0 to the number of queries or keys, also ShapeError,
    DtypeError, DeviceError, ArgumentError. Within a fused function they are looked at when it has run, on a GPU when
    that is synchronised or copied from (`accel.config.check`); nothing beyond the operands is read.
    """
    shared = switch(NAME, "enable_gqa", enable_gqa)
    named = {"query": query, "key": key, "value": value, "cu_seqlens_q": cu_seqlens_q, "cu_seqlens_k": cu_seqlens_k}
    more = {"sinks": sinks, "alibi_slopes": alibi_slopes, "dropout_key": dropout_key, "block_table": block_table}
    named |= {name: x for name, x in more.items() if x is not None}
    arrays, restore = interop.arrays(NAME, **named)
    its = dict(zip(named, arrays, strict=True))
    q, k, v, table = its["query"], its["key"], its["value"], its.get("block_table")
    _check(q, k, v, table is not None, shared)
    of_q, of_k = (_offsets(name, its[name]) for name in ("cu_seqlens_q", "cu_seqlens_k"))
    if of_q.shape != of_k.shape:
        raise ShapeError(f"{NAME}: cu_seqlens_k: has shape {of_k.shape}, cu_seqlens_q {of_q.shape}")
    sequences, (total, heads, _) = of_q.shape[0] - 1, q.shape
    if table is not None:
        table = as_positions(NAME, "block_table", table)
        if table.ndim != 2 or table.shape[0] != sequences:
            raise ShapeError(f"{NAME}: block_table: expected shape ({sequences}, columns), got {table.shape}")
    if _traced(of_q, of_k, *([] if table is None else [table])):
        _check_later(of_q, of_k, table, total, k.shape[0], k.shape[1])
    else:
        _check_offsets("cu_seqlens_q", of_q, total)
        lengths = _check_offsets("cu_seqlens_k", of_k, k.shape[0] if table is None else None)
        if table is not None:
            _check_pages(on_host(table), lengths, k.shape[0], k.shape[1])
    accumulator = TABLE[q.dtype.accumulator]
    most = total + (k.shape[0] if table is None else table.shape[1] * k.shape[1])
    params = options(NAME, q, most, dropout_p, is_causal, scale, causal_alignment, window_size, softcap)
    given = of_heads(NAME, (heads,), accumulator, its.get("sinks"), its.get("alibi_slopes"))
    chance = check_key(NAME, params.dropout, its.get("dropout_key"))
    if total == 0 or sequences == 0 or k.size == 0 or v.size == 0 or (table is not None and table.size == 0):
        return restore(filled(0.0, (total, heads, v.shape[-1]), q.dtype, q.device))
    if table is None:
        given["starts"] = of_k[:-1]
    given |= {"lengths": of_k[1:] - of_k[:-1], "offsets": of_q}
    if table is not None:
        given["pages"] = table
    if chance is not None:
        given["dropout"] = words(chance, (sequences, heads))
    four = [q.permute((1, 0, 2))[None]]
    four += [x.permute((1, 0, 2))[None] if table is None else x.permute((0, 2, 1, 3)) for x in (k, v)]
    result = dispatch.call(registry.OPS["attention"], (*four, *given.values()), replace(params, given=tuple(given)))
    return restore(result[0].permute((1, 0, 2)))


def _check(q: Array, k: Array, v: Array, paged: bool, shared: bool) -> None:
    """Raises ShapeError, DtypeError."""
    shapes = f"query has shape {q.shape}, key {k.shape} and value {v.shape}"
    for name, x in (("query", q), ("key", k), ("value", v)):
        if x.dtype.kind != "f":
            raise DtypeError(f"{NAME}: {name}: takes floating dtypes, got {x.dtype}; cast with astype")
        if x.dtype is not q.dtype:
            raise DtypeError(f"{NAME}: {name}: query is {q.dtype}, got {x.dtype}; cast with astype")
    axes = 4 if paged else 3
    if q.ndim != 3 or k.ndim != axes or v.ndim != axes or k.shape[:-1] != v.shape[:-1]:
        raise ShapeError(f"{NAME}: expected 3 axes of query, {axes} of key and value, alike but for the last: {shapes}")
    if q.shape[-1] != k.shape[-1] or not 1 <= q.shape[-1] <= HEAD or not 1 <= v.shape[-1] <= HEAD:
        raise ShapeError(f"{NAME}: query and key must have one last axis, all of them 1 to {HEAD} long: {shapes}")
    heads, its = q.shape[1], k.shape[-2]
    if heads != its and not (shared and its and heads % its == 0):
        what = "do not divide" if shared else "are not (enable_gqa lets them differ)"
        raise ShapeError(f"{NAME}: {its} heads of key and value {what} {heads} heads of query")


def _offsets(name: str, x: Array) -> Array:
    if x.ndim != 1 or x.shape[0] < 1:
        raise ShapeError(f"{NAME}: {name}: expected one axis of at least one offset, got shape {x.shape}")
    return as_positions(NAME, name, x)


def _traced(*arrays: Array) -> bool:
    """Whether nothing can be read, or is to be."""
    recorder = RECORDER.get()
    return any(isinstance(x.buffer, Symbol) for x in arrays) or getattr(recorder, "run", True) is False


def _check_later(of_q: Array, of_k: Array, table: Array | None, total: int, keys: int, page: int) -> None:
    """Has the offsets and pages of a trace looked at; keys: of the operand, or its pages."""
    check_ascending(f"{NAME}: cu_seqlens_q", of_q, total, True)
    room = keys if table is None else table.size * page
    check_ascending(f"{NAME}: cu_seqlens_k", of_k, room, table is None)
    if table is not None and table.size and getattr(RECORDER.get(), "run", True):
        lengths, columns = of_k[1:] - of_k[:-1], table.shape[1]
        few = f" keys are too many for {columns} pages of {page}"
        check_positions(f"{NAME}: block_table:", lengths, columns * page + 1, least=0, after=few)
        used = index_range(columns, table.device) * page < expand_dims(lengths, axis=1)
        pages = fn.where(used, table, 0)
        check_positions(f"{NAME}: block_table: page", pages, keys, least=0, after=f" is out of range for {keys} pages")


def _check_offsets(name: str, offsets: Array, total: int | None) -> np.ndarray:
    """The sequences' lengths. total: where the last one ends, None: anywhere. Raises IndexError."""
    read = np.asarray(on_host(offsets))
    lengths = np.diff(read)
    if read[0] != 0 or (lengths < 0).any() or (total is not None and read[-1] != total):
        end = "" if total is None else f" to {total}"
        raise IndexError(f"{NAME}: {name}: expected numbers that ascend from 0{end}, got {shown(read.tolist())}")
    return lengths


def _check_pages(table: np.ndarray, lengths: np.ndarray, pages: int, page: int) -> None:
    """Raises IndexError where a sequence has keys in no page."""
    table = np.asarray(table)
    if (lengths > table.shape[1] * page).any():
        b = int(np.argmax(lengths > table.shape[1] * page))
        room = f"{table.shape[1]} pages of {page}"
        raise IndexError(f"{NAME}: block_table: sequence {b} has {lengths[b]} keys, for which {room} are too few")
    used = np.arange(table.shape[1]) * page < lengths[:, None]
    bad = used & ((table < 0) | (table >= pages))
    if bad.any():
        raise IndexError(f"{NAME}: block_table: page {table[bad][0]} is out of range for {pages} pages")

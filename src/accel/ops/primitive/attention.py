"""Attention by an online softmax: one primitive, ``attention``, behind `accel.nn.scaled_dot_product_attention`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import dispatch, interop, registry
from ...dtypes import BOOL, FLOATS, INT64, TABLE, UINT64, DType, as_dtype
from ...errors import DtypeError, ShapeError
from ...graph.bounded import Bounded, bounded
from ...ieee import fma32, fma64
from ...layout import Layout
from ...numerics import ATTENTION, HEAD, LANES
from ...scalar import Program, Step
from ...scalar.evaluate import evaluate
from .. import bounds, canonical
from ..attention_derivative import attention_vjp
from ..composed import exact_attention
from ..parameters import ATTENTION_OPERANDS, Attention, attention_sizes
from ..spec import Inferred, OpSpec, Output, Primitive

if TYPE_CHECKING:
    from ...graph.bound import Analysis


def _infer(inputs: tuple[Layout, ...], params: Attention) -> Inferred:
    query, key, value, *others = inputs
    dtype, accumulator = query.dtype, TABLE[query.dtype.accumulator]
    if dtype.kind != "f" or key.dtype is not dtype or value.dtype is not dtype:
        raise DtypeError(f"attention: takes one floating dtype, got {query.dtype}, {key.dtype} and {value.dtype}")
    if any(x.ndim != 4 for x in (query, key, value)):
        raise ShapeError(f"attention: expected 4 axes, got {query.shape}, {key.shape} and {value.shape}")
    batch, heads, queries, d = query.shape
    first, shared, length, dv = value.shape
    packed, paged = "offsets" in params.given, "pages" in params.given
    fits = key.shape == (first, shared, length, d) and (paged or first == batch) and shared and heads % shared == 0
    fits = fits and not (packed and (batch != 1 or "mask" in params.given))
    places = [x for n, x in zip(params.given, others, strict=False) if n in ("offsets", "pages")]
    fits = fits and [x.ndim for x in places] == [1] * packed + [2] * paged
    if not fits or not 0 < d <= HEAD or not dv <= HEAD or len(others) != len(params.given):
        raise ShapeError(f"attention: operands of shapes {[x.shape for x in inputs]}")
    its = attention_sizes(inputs, params)
    wanted = {
        "mask": ((batch, heads, queries, its.keys), (BOOL, dtype, accumulator)),
        "sinks": ((heads,), (accumulator,)),
        "slopes": ((heads,), (accumulator,)),
        "starts": ((its.sequences,), (INT64,)),
        "lengths": ((its.sequences,), (INT64,)),
        "offsets": ((its.sequences + 1,), (INT64,)),
        "pages": ((its.sequences, its.keys // max(1, its.page)), (INT64,)),
        "dropout": ((its.sequences, heads), (UINT64,)),
    }
    for name, x in zip(params.given, others, strict=True):
        shape, dtypes = wanted[name]
        if x.shape != shape or x.dtype not in dtypes:
            raise ShapeError(f"attention: {name}: expected shape {shape}, got {x.dtype} of shape {x.shape}")
    return Inferred((((batch, heads, queries, dv), dtype),), params)


def _flops(inputs: tuple[Layout, ...], outputs: object, params: Attention) -> int:
    """Operations of every query with the keys of its window; as if each sequence had all its keys, packed ones were one
    sequence, and no mask hid any."""
    its, query = attention_sizes(inputs, params), inputs[0]
    places = np.arange(its.queries) + (its.keys - its.queries if params.from_end else 0)
    low = 0 if params.before is None else places - params.before
    high = its.keys if params.after is None else places + params.after + 1
    seen = np.minimum(high, its.keys) - np.maximum(low, 0) + 0 * places
    return 2 * query.shape[0] * its.heads * (its.d + its.dv) * int(np.maximum(seen, 0).sum())


def attention(query: Any, key: Any, value: Any, *others: Any, params: Attention) -> Any:
    """What `accel.ops.parameters.Attention` says, of operands of 4 axes."""
    named = dict(zip(("query", "key", "value", *params.given), (query, key, value, *others), strict=True))
    arrays, restore = interop.adopt("attention", **named)
    return restore(dispatch.call(registry.OPS["attention"], arrays, params))


# what the tests compare with


def function(name: str, dtype: str, *operands: np.ndarray) -> np.ndarray:
    """A scalar function by rule 1."""
    step = Step(name, dtype, tuple(range(len(operands))))
    result: np.ndarray = evaluate(Program((dtype,) * len(operands), (step,), dtype), *operands)
    return result


def scores(
    query: np.ndarray, key: np.ndarray, keys: np.ndarray, distance: np.ndarray, params: Attention, **others: Any
) -> np.ndarray:
    """Of the queries and keys of one sequence, in the accumulator's dtype: -inf where a query does not see a key.
    keys: their places in memory; distance: from each query's place to each key's."""
    dtype = as_dtype(query.dtype)
    s = canonical.accumulate(query, np.swapaxes(key, -1, -2)) * query.dtype.type(params.scale)
    if params.softcap:
        cap = np.full((), params.softcap, query.dtype)
        s = function("tanh", dtype.name, s / cap) * cap
    if "slopes" in others:
        fma = fma64 if query.dtype == np.float64 else fma32
        far = -np.abs(distance).astype(query.dtype)
        s = fma(*np.broadcast_arrays(others["slopes"][:, None, None], far, s))
    if "mask" in others:
        mask = others["mask"][..., keys]
        s = np.where(mask, s, -np.inf) if mask.dtype == bool else s + mask.astype(s.dtype)
    seen = np.ones(distance.shape, bool)
    if params.before is not None:
        seen &= distance >= -params.before
    if params.after is not None:
        seen &= distance <= params.after
    return np.where(seen, s, -np.inf).astype(query.dtype)


def sequence(params: Attention, b: int, keys: int, **others: Any) -> tuple[int, int]:
    """The first key of a sequence, and how many it has, cut to what there is."""
    start = min(max(int(others["starts"][b]), 0), keys) if "starts" in others else 0
    length = min(max(int(others["lengths"][b]), 0), keys - start) if "lengths" in others else keys - start
    return start, length


State = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Of every row: the maximum of its scores, the sum, the accumulator."""


def _rows(shape: tuple[int, ...], dtype: Any) -> State:
    return np.full(shape[:-1], -np.inf, dtype), np.zeros(shape[:-1], dtype), np.zeros(shape, dtype)


def _chosen(which: np.ndarray, new: State, old: State) -> State:
    m, total = (np.where(which, x, y) for x, y in zip(new[:2], old[:2], strict=True))
    return m, total, np.where(which[..., None], new[2], old[2])


def canonical_attention(
    query: np.ndarray,
    key: np.ndarray,
    value: np.ndarray,
    *others: np.ndarray,
    params: Attention,
    chunk: int = ATTENTION,
    block: int = LANES,
) -> np.ndarray:
    """The canonical answer. chunk, block: others than the contract's, for the controls of tests."""
    dtype = as_dtype(query.dtype)
    if {"offsets", "pages"} & set(params.given):
        out = np.zeros((*query.shape[:3], value.shape[-1]), query.dtype)
        for rows, mine, its in exact_attention.apart(query, key, value, *others, params=params):
            out[rows] = canonical_attention(*mine, params=its, chunk=chunk, block=block)
        return out
    named = dict(zip(params.given, others, strict=True))
    accumulator = TABLE[dtype.accumulator]
    fma = fma64 if accumulator.itemsize == 8 else fma32

    def fused(*operands: np.ndarray) -> np.ndarray:
        return fma(*np.broadcast_arrays(*operands))

    def exp(x: np.ndarray) -> np.ndarray:
        return function("exp", accumulator.name, x)

    wide = [x.astype(accumulator.numpy) for x in (query, key, value)]
    out = np.zeros((*query.shape[:3], value.shape[-1]), accumulator.numpy)
    shared = query.shape[1] // key.shape[1]
    queries, keys = query.shape[2], key.shape[2]
    for b in range(query.shape[0]):
        q, k, v = wide[0][b], *(np.repeat(x[b], shared, axis=0) for x in wide[1:])
        mine = {n: x[b] if n in ("mask", "dropout") else x for n, x in named.items()}
        start, length = sequence(params, b, keys, **named)
        place = np.arange(queries) + (length - queries if params.from_end else 0)
        rows = _rows(out[b].shape, out.dtype)
        with np.errstate(all="ignore"):
            for first in range(0, length, chunk):
                part = _rows(out[b].shape, out.dtype)
                for at in range(first, min(first + chunk, length), block):
                    j = np.arange(at, min(at + block, first + chunk, length))
                    s = scores(q, k[:, start + j], start + j, j - place[:, None], params, **mine)
                    m, total, acc = part
                    top = np.maximum(m, s.max(axis=-1))
                    there = s != -np.inf
                    p = np.where(there, exp(s - top[..., None]), 0).astype(s.dtype)
                    factor = exp(m - top)
                    lanes = np.zeros((*s.shape[:-1], block), s.dtype)
                    lanes[..., : len(j)] = p
                    while lanes.shape[-1] > 1:
                        lanes = lanes[..., : lanes.shape[-1] // 2] + lanes[..., lanes.shape[-1] // 2 :]
                    total = fused(total, factor, lanes[..., 0])
                    acc = acc * factor[..., None]
                    used = there
                    if "dropout" in mine:
                        used = there & ~exact_attention.dropped(mine["dropout"], place, j, params)
                    for i, row in enumerate(start + j):
                        more = fused(p[..., i, None], v[:, None, row], acc)
                        acc = np.where(used[..., i, None], more, acc)
                    part = _chosen(there.any(axis=-1), (top, total, acc), part)
                rows = _joined(rows, part, exp, fused)
            m, total, acc = rows
            if "sinks" in mine:
                sink = np.broadcast_to(mine["sinks"][:, None], m.shape)
                top = np.maximum(m, sink)
                factor = exp(m - top)
                more = (top, fused(total, factor, exp(sink - top)), acc * factor[..., None])
                m, total, acc = _chosen(sink != -np.inf, more, (m, total, acc))
            result = acc / total[..., None]
            if "dropout" in mine:
                result = result * result.dtype.type(params.kept)
            out[b] = np.where((m == -np.inf)[..., None] | (result == 0), 0, result)
    return canonical.narrow(out, dtype)


def _joined(rows: State, part: State, exp: Any, fused: Any) -> State:
    """The state after a chunk."""
    (m, total, acc), (its, its_total, its_acc) = rows, part
    top = np.maximum(m, its)
    old, new = exp(m - top), exp(its - top)
    joined = (
        top, fused(total, old, its_total * new), fused(acc, old[..., None], its_acc * new[..., None]),
    )  # fmt: skip
    return _chosen(its != -np.inf, joined, rows)


def _samples(dtype: DType) -> Any:
    from ...testing import attention_family

    return attention_family.primitive(dtype)


registry.register(
    OpSpec(
        name="attention",
        primitive="attention",
        summary="Attention of operands of 4 axes",
        function=attention,
        infer=_infer,
        canonical=canonical_attention,
        reference=exact_attention.attention,
        bound=exact_attention.bound,
        bits=bounds.unless_fast,
        samples=_samples,
        dtypes=FLOATS,
        arguments=("query", "key", "value", *ATTENTION_OPERANDS),
        namespace="internal",
        flops=_flops,
    )
)


def _answer(params: Attention, outputs: tuple[Output, ...], *operands: np.ndarray) -> list[np.ndarray]:
    return [canonical_attention(*operands, params=params)]


def _analysed(
    analysis: Analysis, params: Attention, outputs: tuple[Output, ...], *operands: Bounded
) -> Sequence[Bounded]:
    """The error of the exact function of the operands, by `exact_attention.losses`, and one rounding."""
    values, dtype = [x.value for x in operands], operands[0].dtype
    accumulator = TABLE[dtype.accumulator]
    wide = canonical_attention(*(x.astype(accumulator.numpy) for x in values[:3]), *values[3:], params=params)
    error = exact_attention.losses(*values, params=params, errors=[x.error for x in operands])
    return [analysis.cast(dtype.name, bounded(wide, error))]


registry.register_primitive(
    Primitive(
        "attention",
        _answer,
        _analysed,
        attention_vjp,
    )
)

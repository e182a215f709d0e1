"""Rule 8: chunks and blocks of keys, what a query sees, what is skipped, and in what it is computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np

from accel.backends.base import Call
from accel.dtypes import BFLOAT16
from accel.numerics import ATTENTION, LANES
from accel.ops.parameters import Attention
from accel.ops.primitive import attention

from .fault import Run, fault, spoil


def _variant(change: Callable[[Attention], Attention] = lambda params: params, **changes: Any) -> Run:
    """The canonical form with a change."""

    def run(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
        out[...] = attention.canonical_attention(*inputs, params=change(call.params), **changes)

    return run


def _with(name: str, function: Callable[..., Any]) -> Run:
    """The canonical form with another function in a place of it."""

    def run(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
        with patch.object(attention, name, function), np.errstate(all="ignore"):
            out[...] = attention.canonical_attention(*inputs, params=call.params)

    return run


def _further(side: str) -> Run:
    """One key more at an end of the window."""

    def change(params: Attention) -> Attention:
        end = getattr(params, side)
        return params if end is None else replace(params, **{side: end + 1})

    return _variant(change)


def _without_sinks(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
    given = call.params.given
    kept = [x for name, x in zip(("query", "key", "value", *given), inputs, strict=True) if name != "sinks"]
    params = replace(call.params, given=tuple(name for name in given if name != "sinks"))
    out[...] = attention.canonical_attention(*kept, params=params)


def _in_turn(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
    """Heads of queries take those of keys in turn."""
    query, key, value, *others = inputs
    shared = query.shape[1] // key.shape[1]
    each = (np.tile(x, (1, shared, 1, 1)) for x in (key, value))
    out[...] = attention.canonical_attention(query, *each, *others, params=call.params)


def _times_zero(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
    """The values of keys that are not seen are multiplied by 0 and added; where sequences lie apart, all is right."""
    right()
    if {"offsets", "pages"} & set(call.params.given):
        return
    query, _, value, *_ = inputs
    with np.errstate(all="ignore"):
        added = (value.astype(out.dtype) * out.dtype.type(0)).sum(axis=2, keepdims=True)
        out += np.repeat(np.abs(added), query.shape[1] // value.shape[1], axis=1).astype(out.dtype)


def _nothing_by_nothing(call: Call, out: np.ndarray) -> None:
    out[(out == 0).all(axis=-1)] = np.nan


def _short(name: str, dtype: str, *operands: np.ndarray) -> np.ndarray:
    result = right_function(name, dtype, *operands)
    return result.astype(BFLOAT16.numpy).astype(result.dtype) if name == "exp" else result


def _unfused(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    return a * b + c


right_function = attention.function

FAULTS = {
    "attention-chunk-1024": fault("chunks of 512 keys", "attention float32", _variant(chunk=2 * ATTENTION)),
    "attention-block-32": fault("blocks of 64 keys", "attention float32", _variant(block=LANES // 2)),
    "attention-unfused": fault("a probability times a value is fused", "attention float32", _with("fma32", _unfused)),
    "attention-short-weights": fault(
        "16-bit floats are computed in float32", "attention float16", _with("function", _short)
    ),
    "attention-from-first": fault(
        "the last query is at the last place", "attention float32", _variant(lambda p: replace(p, from_end=False))
    ),
    "attention-sees-ahead": fault("the window's end ahead", "attention float16", _further("after")),
    "attention-sees-behind": fault("the window's end behind", "attention float32", _further("before")),
    "attention-heads-in-turn": fault("neighbouring heads share keys", "attention float32", _in_turn),
    "attention-without-sinks": fault("sinks enter the sum", "attention float16", _without_sinks),
    "attention-times-zero": fault("a key that is not seen is skipped", "attention float32", _times_zero),
    "attention-of-nothing": fault("a row that sees no key is 0", "attention float32", spoil(_nothing_by_nothing)),
}

"""Rule 2: lanes, blocks, folds, identities, NaN and ties; the mean."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from accel.backends.base import Call
from accel.dtypes import TABLE, as_dtype
from accel.numerics import BLOCK, LANES
from accel.ops import canonical

from .fault import Run, fault, spoil, where

FEW = "sum float32, sum bfloat16, mean float32"
ROWS = "sum float32, sum float64, sum float16, sum bfloat16, mean float32, mean bfloat16, mean float16"


def _variant(**changes: int) -> Run:
    """The canonical algorithm with other constants."""
    return _summed(lambda wide, combine, identity: canonical.tree(wide, combine, identity, **changes))


def _summed(total: Callable[[np.ndarray, Any, float], np.ndarray], narrow: bool = False) -> Run:
    """Sums, products and means of floats by another order. narrow: in the operand's dtype."""

    def run(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
        kind, (x,) = call.params.kind, inputs
        dtype = as_dtype(x.dtype)
        if kind not in ("sum", "prod", "mean") or dtype.kind != "f" or x.size == 0:
            right()
            return
        flat = canonical.flatten(x, call.params.axes)
        wide = flat if narrow else flat.astype(TABLE[dtype.accumulator].numpy)
        combine, identity = (np.multiply, 1.0) if kind == "prod" else (np.add, -0.0)
        with np.errstate(all="ignore"):
            result = total(wide, combine, identity)
            out[...] = result / result.dtype.type(flat.shape[-1]) if kind == "mean" else result

    return run


def _in_lanes(x: np.ndarray, combine: Any, identity: float, fold: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The canonical order with other folds of the lanes."""
    while x.shape[-1] > 1:
        n = x.shape[-1]
        width = BLOCK if n > BLOCK else -(-n // LANES) * LANES
        padded = np.full((*x.shape[:-1], -(-n // width) * width), identity, x.dtype)
        padded[..., :n] = x
        rows = padded.reshape(*x.shape[:-1], -1, width // LANES, LANES)
        lane = rows[..., 0, :]
        for i in range(1, width // LANES):
            lane = combine(lane, rows[..., i, :])
        x = fold(lane)
    return x[..., 0]


def _neighbours(combine: Any) -> Callable[[np.ndarray], np.ndarray]:
    def fold(lane: np.ndarray) -> np.ndarray:
        while lane.shape[-1] > 1:
            lane = combine(lane[..., ::2], lane[..., 1::2])
        return lane[..., 0]

    return fold


def _by_blocks(x: np.ndarray, combine: Any, identity: float, most: int) -> np.ndarray:
    """Blocks as they should be; the results of more than some number of blocks one after the other."""
    blocks = [canonical.tree(x[..., i : i + BLOCK], combine, identity) for i in range(0, x.shape[-1], BLOCK)]
    together = np.stack(blocks, axis=-1)
    if len(blocks) <= most:
        return canonical.tree(together, combine, identity)
    return combine.accumulate(together, axis=-1)[..., -1]


def _positive_zero(call: Call, out: np.ndarray) -> None:
    if as_dtype(out.dtype).kind == "f" and call.params.kind in ("sum", "mean"):
        out[...] = out + out.dtype.type(0)


def _saturating(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
    if call.params.kind != "sum" or out.dtype.kind not in "iu":
        right()
        return
    exact = np.asarray(canonical.flatten(inputs[0], call.params.axes).astype(object).sum(-1), object)
    info = np.iinfo(out.dtype)
    out[...] = np.asarray(np.clip(exact, info.min, info.max), object).astype(out.dtype)


def _chosen(choose: Callable[[str, np.ndarray], np.ndarray]) -> Run:
    """max, min, argmax or argmin by another choice, from (..., n)."""

    def run(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
        flat = canonical.flatten(inputs[0], call.params.axes)
        if flat.size == 0:
            right()
            return
        with np.errstate(all="ignore"):
            out[...] = choose(call.params.kind, flat)

    return run


def _last_of_ties(kind: str, flat: np.ndarray) -> np.ndarray:
    return flat.shape[-1] - 1 - getattr(np, kind)(flat[..., ::-1], axis=-1)


def _last_tie_of_blocks(kind: str, flat: np.ndarray) -> np.ndarray:
    """The first in a block, of the last block."""
    first = getattr(np, kind)(flat, axis=-1)
    best = np.take_along_axis(flat, first[..., None], -1)
    at = np.where(flat == best, np.arange(flat.shape[-1]) // BLOCK, -1).max(-1)
    inside = np.where((np.arange(flat.shape[-1]) // BLOCK == at[..., None]) & (flat == best), 1, 0)
    return np.where(inside.any(-1), inside.argmax(-1), first)


def _without_nan(kind: str, flat: np.ndarray) -> np.ndarray:
    kept = np.where(np.isnan(flat), -np.inf if kind.endswith("max") else np.inf, flat)
    return getattr(np, kind)(kept, axis=-1)


def _without_last(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
    flat = canonical.flatten(inputs[0], call.params.axes)
    if flat.shape[-1] < 2:
        right()
        return
    out[...] = getattr(np, call.params.kind)(flat[..., :-1] != 0, axis=-1)


def _zeros_are_one(kind: str, flat: np.ndarray) -> np.ndarray:
    """The first of the greatest, where -0 is as great as +0."""
    return np.take_along_axis(flat, getattr(np, "arg" + kind)(flat, axis=-1)[..., None], -1)[..., 0]


def _as_signed(kind: str, flat: np.ndarray) -> np.ndarray:
    return getattr(np, kind)(flat.view(f"i{flat.itemsize}"), axis=-1).view(flat.dtype)


def _one_more(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
    """Reads the element behind the last one: that of whole rows only."""
    (x,) = inputs
    right()
    if call.params.kind == "sum" and x.ndim == 1 and x.size > 1 and x.strides[0] == x.itemsize:
        with np.errstate(all="ignore"):
            out[...] = out + _beyond(x).astype(out.dtype)


def _beyond(x: np.ndarray) -> np.ndarray:
    address = x.__array_interface__["data"][0] + x.nbytes
    return np.frombuffer((ctypes.c_char * x.itemsize).from_address(address), x.dtype)[0]


def _reciprocal(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
    (x,) = inputs
    if call.params.kind != "mean" or x.size == 0:
        right()
        return
    accumulator = TABLE[as_dtype(x.dtype).accumulator]
    total = canonical.reduce("sum", x, call.params.axes, accumulator)
    with np.errstate(all="ignore"):
        n = accumulator.numpy.type(prod(x.shape[a] for a in call.params.axes))
        out[...] = total * (accumulator.numpy.type(1) / n)


def _in_float64(x: np.ndarray, combine: Any, identity: float) -> np.ndarray:
    return canonical.tree(x.astype(np.float64), combine, identity).astype(np.float32)


FAULTS = {
    "block-8192": fault("blocks of 8192", ROWS, _variant(block=2 * BLOCK)),
    "block-2048": fault("blocks of 2048", FEW, _variant(block=BLOCK // 2)),
    "block-none": fault("one block, however long", FEW, _variant(block=1 << 40)),
    "lanes-32": fault("32 lanes", ROWS, _variant(lanes=LANES // 2)),
    "lanes-128": fault("128 lanes", "sum float64, prod float32, prod float64", _variant(lanes=2 * LANES)),
    "in-sequence": fault(
        "one element after the other", FEW, _summed(lambda x, f, _: f.accumulate(x, axis=-1)[..., -1])
    ),
    "numpy-sum": fault("NumPy's own order", FEW, _summed(lambda x, f, _: f.reduce(x, axis=-1))),
    "fold-neighbours": fault(
        "lanes fold l with l + 1", FEW, _summed(lambda x, f, i: _in_lanes(x, f, i, _neighbours(f)))
    ),
    "fold-in-sequence": fault(
        "lanes added one after the other",
        FEW,
        _summed(lambda x, f, i: _in_lanes(x, f, i, lambda lane: f.accumulate(lane, axis=-1)[..., -1])),
    ),
    "blocks-in-sequence": fault(
        "block results added one after the other", FEW, _summed(lambda x, f, i: _by_blocks(x, f, i, 1))
    ),
    "blocks-beyond-lanes": fault(
        "another order of more than 64 block results",
        "sum float32, sum float64, sum bfloat16, mean float32",
        _summed(lambda x, f, i: _by_blocks(x, f, i, LANES)),
    ),
    "accumulator-16-bit": fault(
        "16-bit floats accumulate in 16 bits",
        "sum float16, sum bfloat16, mean float16, mean bfloat16",
        _summed(canonical.tree, narrow=True),
    ),
    "accumulator-64-bit": fault("float32 accumulates in float64", "sum float32, mean float32", _summed(_in_float64)),
    "lanes-32-of-columns": fault(
        "another order where elements are not neighbours",
        "sum float32, sum float16, mean float32",
        where(lambda call: call.params.axes != (call.inputs[0].ndim - 1,), _variant(lanes=LANES // 2)),
    ),
    "lanes-32-of-many-rows": fault(
        "batch invariance: another order from 65 results on",
        "sum float32, sum float16, mean float32",
        where(lambda call: call.outputs[0].size > LANES, _variant(lanes=LANES // 2)),
    ),
    "lanes-32-of-one-row": fault(
        "batch invariance: another order of a single result",
        "sum float32, sum float16",
        where(lambda call: call.outputs[0].size == 1, _variant(lanes=LANES // 2)),
    ),
    "identity-plus-zero": fault("absent elements are +0", "sum float32, sum bfloat16", spoil(_positive_zero)),
    "sum-saturates": fault("integers wrap", "sum int64, sum uint64", _saturating),
    "sum-reads-beyond": fault("reads behind the last element", "sum float32, sum int32, sum uint8", _one_more),
    "mean-by-reciprocal": fault("the sum is divided, once", "mean float32, mean float64", _reciprocal),
    "max-drops-nan": fault("NaN propagates", "max float32, min float16", _chosen(_without_nan)),
    "max-of-zeros": fault("-0 is below +0", "max float32, min float64", _chosen(_zeros_are_one)),
    "max-as-signed": fault("unsigned integers have no sign", "max uint64, min uint8", _chosen(_as_signed)),
    "arg-last-tie": fault("ties go to the first index", "argmax float32, argmin int8", _chosen(_last_of_ties)),
    "arg-tie-of-blocks": fault(
        "ties between blocks go to the first index", "argmax float32, argmin int64", _chosen(_last_tie_of_blocks)
    ),
    "arg-drops-nan": fault("the first NaN wins", "argmax float32, argmin bfloat16", _chosen(_without_nan)),
    "any-without-last": fault("every element counts", "any float32, any bool, all int8, all float16", _without_last),
}

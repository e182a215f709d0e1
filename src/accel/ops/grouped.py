"""grouped_matmul: rows in groups, each times a weight of its own, as the experts of a mixture compute."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

from .. import dispatch, interop
from ..array import Array, Symbol, empty
from ..conversion import on_host
from ..dtypes import as_dtype, promote
from ..errors import ArgumentError, DtypeError, ShapeError, shown
from .composed.linear import linear
from .packed import PackedWeight
from .pieces import joined
from .primitive.matmul import MATMUL, matmul, result_dtype
from .primitive.pointwise import astype

OP = "grouped_matmul"


def grouped_matmul(x: Any, weights: Any, counts: Any, *, dtype: Any = None) -> Any:
    """Rows of x in consecutive groups, each times the weight of its group: (rows, n).

    x: (rows, k), the first group's rows first. weights: (groups, k, n), of which a transposed view costs nothing; or a
    sequence of `PackedWeight`s (n, k), by which rows are multiplied as `linear` does. counts: how many rows each group
    has, from 0 on: integers of an array (groups,), which are read, or of a sequence. dtype: of the result, as in
    `accel.matmul`. A group's rows have the bits of `matmul(rows, weight)`, whatever the other groups are; a weight of
    no rows is not read. Within a fused function counts are a sequence.
    Raises ShapeError, DtypeError, DeviceError, ArgumentError.
    """
    named = {"x": x}
    packed = isinstance(weights, (list, tuple))
    if packed:
        if not weights or not all(isinstance(w, PackedWeight) for w in weights):
            raise ArgumentError(
                f"{OP}: weights: expected an array or a sequence of PackedWeights, got {shown(weights)}"
            )
        if len({w.shape for w in weights}) > 1:
            raise ShapeError(f"{OP}: weights: expected one shape, got {[w.shape for w in weights]}")
    else:
        named["weights"] = weights
    adopted, restore = interop.adopt(OP, **named)
    for name, value in zip(named, adopted, strict=True):
        if not isinstance(value, Array) or value.ndim != (2 if name == "x" else 3):
            what = value.layout if isinstance(value, Array) else f"the scalar {shown(value)}"
            raise ShapeError(f"{OP}: {name}: expected {'(rows, k)' if name == 'x' else '(groups, k, n)'}, got {what}")
    rows, *whole = adopted
    groups = len(weights) if packed else whole[0].shape[0]
    k, n = weights[0].shape[::-1] if packed else whole[0].shape[1:]
    if rows.shape[1] != k:
        raise ShapeError(f"{OP}: x has shape {rows.shape}: {rows.shape[1]} columns meet {k} rows of weights")
    ends = _ends(counts, groups, rows.shape[0])
    asked = None if dtype is None else as_dtype(dtype, f"{OP}: dtype")
    if packed:
        parts = [linear(part, weights[g], dtype=asked) for g, part in _groups(rows, ends)]
        return restore(joined(parts, 0) if parts else linear(rows, weights[0], dtype=asked))
    return restore(_product(rows, whole[0], ends, n, asked))


def _ends(counts: Any, groups: int, rows: int) -> list[int]:
    """Where each group begins, and the last one ends."""
    if isinstance(counts, (list, tuple)):
        try:
            given = [operator.index(c) for c in counts]
        except TypeError:
            raise ArgumentError(f"{OP}: counts: expected integers, got {shown(counts)}") from None
    else:
        (array,), _ = interop.adopt(OP, counts=counts)
        if not isinstance(array, Array) or array.ndim != 1:
            raise ShapeError(f"{OP}: counts: expected a vector or a sequence, got {shown(counts)}")
        if array.dtype.kind not in "iu":
            raise DtypeError(f"{OP}: counts: takes integers, got {array.dtype}")
        given = on_host(array).tolist()
    if len(given) != groups:
        raise ShapeError(f"{OP}: counts: expected one for each of {groups} groups, got {len(given)}")
    if any(c < 0 for c in given) or sum(given) != rows:
        raise ArgumentError(f"{OP}: counts: expected numbers from 0 on that sum to {rows}, the rows of x, got {given}")
    return list(accumulate(given, initial=0))


def _groups(rows: Array, ends: Sequence[int]) -> list[tuple[int, Array]]:
    """The groups that have rows, by number."""
    return [(g, rows[start:end]) for g, (start, end) in enumerate(pairwise(ends)) if end > start]


def _product(rows: Array, weights: Array, ends: Sequence[int], n: int, asked: Any) -> Array:
    dispatch.one_device((rows.layout, weights.layout), OP)
    common = promote(rows.dtype, weights.dtype)
    output = result_dtype(OP, common, asked)
    rows = astype(rows, common, copy=False)
    parts = [(g, part, astype(weights[g], common, copy=False)) for g, part in _groups(rows, ends)]
    if parts and any(isinstance(x.buffer, Symbol) for x in (rows, weights)):  # of a trace, where nothing is written to
        return joined([matmul(part, w, dtype=output) for _, part, w in parts], 0)
    result = empty((rows.shape[0], n), output, rows.device)
    for g, part, w in parts:
        dispatch.call(MATMUL, (part, w), output, result[ends[g] : ends[g + 1]])
    return result

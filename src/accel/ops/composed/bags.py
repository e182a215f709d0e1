"""Rows of a table, put together by bags: `embedding_bag`. Public is the same function with a look at the numbers
(`accel.ops.bags`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import dispatch
from ...arguments import integer, switch, word
from ...array import Array
from ...conversion import constant, index_range, table
from ...dtypes import INT64, DType
from ...errors import ArgumentError, DtypeError, ShapeError
from ..compose import Indices, Operand, composed
from ..parameters import Scatter, nothing_of
from ..pieces import filled
from ..primitive.gather import as_positions, gathered
from ..primitive.pointwise import astype, copy, fn
from ..primitive.scatter import SCATTER
from ..primitive.search import searchsorted
from ..views import reshape
from . import exact_segments

OP = "embedding_bag"
MODES = ("sum", "mean", "max")


def examples(dtype: DType) -> Any:
    """Those of the op of this file."""
    from ...testing import segment_family

    return segment_family.bags(dtype)


def bags_of(input: Array, weight: Array, offsets: Array | None, include_last_offset: Any) -> int:
    """How many bags there are. Raises ShapeError, DtypeError, ArgumentError for what no bags are made of."""
    last = switch(OP, "include_last_offset", include_last_offset)
    if weight.ndim != 2 or weight.dtype.kind != "f":
        raise ShapeError(f"{OP}: weight: expected floats of shape (rows, features), got {weight.dtype} {weight.shape}")
    if input.ndim == 2:
        if offsets is not None or last:
            raise ArgumentError(f"{OP}: offsets: expected none beside input of two axes, whose rows are the bags")
        return input.shape[0]
    if input.ndim != 1 or offsets is None:
        raise ShapeError(f"{OP}: input: expected two axes, or one and offsets, got shape {input.shape}")
    if offsets.dtype.kind not in "iu":
        raise DtypeError(f"{OP}: offsets: expected an integer dtype, got {offsets.dtype}")
    if offsets.ndim != 1 or (last and not offsets.size):
        raise ShapeError(f"{OP}: offsets: expected one axis, and with include_last_offset an end, got {offsets.shape}")
    return offsets.size - last


def padding_of(weight: Array, padding_idx: Any) -> int:
    """The row that is left out, not negative."""
    padding = integer(OP, "padding_idx", padding_idx)
    if not -weight.shape[0] <= padding < weight.shape[0]:
        raise ArgumentError(f"{OP}: padding_idx: {padding} is no row of a weight of shape {weight.shape}")
    return padding % weight.shape[0]


def check_factors(mode: str, input: Array, per_sample_weights: Array | None) -> None:
    if per_sample_weights is not None and (mode != "sum" or per_sample_weights.shape != input.shape):
        raise ArgumentError(
            f"{OP}: per_sample_weights: expected one for each of input, of shape {input.shape}, and mode 'sum', "
            f"got shape {per_sample_weights.shape} and {mode!r}"
        )


@composed(reference=exact_segments.embedding_bag, samples=examples, widen=False)
def embedding_bag(
    input: Indices,
    weight: Operand,
    offsets: Indices | None = None,
    per_sample_weights: Operand | None = None,
    mode: str = "mean",
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Array:
    """The sums, means or maxima of the rows of weight that each bag names."""
    if padding_idx is not None:
        padding_idx = padding_of(weight, padding_idx)
    how = word(OP, "mode", mode, MODES)
    count = bags_of(input, weight, offsets, include_last_offset)
    n, features = input.size, weight.shape[1]
    check_factors(how, input, per_sample_weights)
    if not n or not count or not features:
        return copy(filled(0, (count, features), weight.dtype, weight.device))  # type: ignore[no-any-return]
    flat = reshape(as_positions(OP, "input", input), (n,))
    if offsets is None:
        cells = table(("bags", *input.shape), lambda: np.repeat(np.arange(count), input.shape[1]), weight.device)
    else:
        cells = searchsorted(as_positions(OP, "offsets", offsets), index_range(n, weight.device), side="right") - 1
    if padding_idx is not None:
        cells = fn.where(fn.equal(flat, padding_idx), -1, cells)
    rows = gathered("take", weight, [flat.view((n, 1), (*flat.strides, 0))], (-1, 1), [None])
    rows = astype(rows, weight.dtype.accumulator, copy=False)
    if per_sample_weights is not None:
        rows = rows * astype(reshape(per_sample_weights, (n, 1)), rows.dtype, copy=False)

    ascending = offsets is None and padding_idx is None

    def put(values: Array, kind: str, start: Any) -> Array:
        base = filled(start, (count, *values.shape[1:]), values.dtype, weight.device)
        params = Scatter(base.shape, (-1, *range(1, values.ndim)), kind, ascending=ascending)
        result: Array = dispatch.call(SCATTER, (base, values, cells), params)
        return result

    made = put(rows, "max" if how == "max" else "add", nothing_of("max", rows.dtype) if how == "max" else 0)
    if offsets is None and padding_idx is None:  # every bag has as many rows
        made = made / input.shape[1] if how == "mean" else made
    elif how != "sum":
        many = put(constant(1, INT64, weight.device).view((n,), (0,)), "add", 0)
        many = reshape(many, (count, 1))
        if how == "mean":
            made = made / astype(fn.maximum(many, 1), made.dtype)
        else:
            made = fn.where(fn.equal(many, 0), 0.0, made)
    return astype(made, weight.dtype, copy=False)  # type: ignore[no-any-return]

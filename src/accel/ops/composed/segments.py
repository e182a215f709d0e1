"""Sums, means and extremes of rows by the segment that each belongs to. Public are the same functions with a look at
the segments' numbers (`accel.ops.segments`)."""

from __future__ import annotations

from functools import partial
from typing import Any

from ... import dispatch
from ...arguments import integer
from ...array import Array
from ...conversion import constant
from ...dtypes import INT64, TABLE, DType
from ...errors import ArgumentError, DtypeError, ShapeError
from ...layout import check_size
from ..cells import cells_of
from ..compose import AnyOperand, Indices, Operand, composed
from ..parameters import Scatter, nothing_of
from ..pieces import filled
from ..primitive.gather import as_positions
from ..primitive.pointwise import astype, copy, fn
from ..primitive.scatter import SCATTER, add_rows
from ..views import reshape
from . import exact_segments

NUMBERS = tuple(d for d in TABLE.values() if d.kind in "iuf")


def examples(name: str, dtype: DType) -> Any:
    """Those of an op of this file."""
    from ...testing import segment_family

    return segment_family.FAMILIES[name](dtype)


def checked_count(op: str, data: Array, segment_ids: Array, num_segments: Any) -> int:
    """How many segments there are. Raises ShapeError, DtypeError, ArgumentError for what no segments are made of."""
    if segment_ids.dtype.kind not in "iu":
        raise DtypeError(f"{op}: segment_ids: expected an integer dtype, got {segment_ids.dtype}")
    if data.dtype.kind == "b":
        raise DtypeError(f"{op}: data: takes numbers, got bool; cast with astype")
    if segment_ids.ndim != 1 or not data.ndim or data.shape[0] != segment_ids.size:
        raise ShapeError(
            f"{op}: segment_ids: expected one for each row of data, whose shape is {data.shape}, "
            f"got shape {segment_ids.shape}"
        )
    count = integer(op, "num_segments", num_segments)
    if count < 0:
        raise ArgumentError(f"{op}: num_segments: expected 0 or more, got {count}")
    check_size((count, *data.shape[1:]), data.dtype)
    return count


def _added(op: str, data: Array, segment_ids: Array, count: int) -> Array:
    nothing = filled(0, (count, *data.shape[1:]), data.dtype, data.device)
    result: Array = add_rows("index_add", nothing, as_positions(op, "segment_ids", segment_ids), data, 0, forward=True)
    return result


@composed(
    reference=exact_segments.segment_sum,
    samples=partial(examples, "segment_sum"),
    dtypes=NUMBERS,
    widen=False,
    bits=lambda dtype, numerics: "bits" if dtype.kind == "f" else "exact",
)
def segment_sum(data: AnyOperand, segment_ids: Indices, num_segments: int) -> Array:
    """The sums of the rows of each segment, of shape (num_segments, …); 0 where a segment has none.

    data: (rows, …), numbers. segment_ids: (rows,), of any integer dtype, from 0 to num_segments - 1 and in any order.
    A segment's rows are added in ascending order by the canonical rule of sums, 16-bit floats in float32.
    Raises IndexError for a number that is no segment's, on a GPU when it is synchronised or copied from
    (`accel.config.check`), also ShapeError, DtypeError, ArgumentError.
    """
    return _added("segment_sum", data, segment_ids, checked_count("segment_sum", data, segment_ids, num_segments))


@composed(reference=exact_segments.segment_mean, samples=partial(examples, "segment_mean"))
def segment_mean(data: Operand, segment_ids: Indices, num_segments: int) -> Array:
    """The means of the rows of each segment, of shape (num_segments, …): `segment_sum` divided by their number; 0 where
    a segment has none. data: floating. segment_ids, errors: as of `segment_sum`."""
    count = checked_count("segment_mean", data, segment_ids, num_segments)
    total = _added("segment_mean", data, segment_ids, count)
    one = constant(1, INT64, data.device)
    rows = _added("segment_mean", one.view((segment_ids.size,), (0,)), segment_ids, count)
    many = astype(fn.maximum(rows, one), total.dtype)
    return total / reshape(many, (count, *(1,) * (data.ndim - 1)))


def _extreme(op: str, kind: str, data: Array, segment_ids: Array, num_segments: int) -> Array:
    count = checked_count(op, data, segment_ids, num_segments)
    nothing = filled(nothing_of(kind, data.dtype), (count, *data.shape[1:]), data.dtype, data.device)
    if not nothing.size or not data.size:
        return copy(nothing)  # type: ignore[no-any-return]
    cells = cells_of([as_positions(op, "segment_ids", segment_ids)], [count], [True])
    params = Scatter(nothing.shape, (-1, *range(1, data.ndim)), kind)
    result: Array = dispatch.call(SCATTER, (nothing, data, cells), params)
    return result


@composed(reference=exact_segments.segment_max, samples=partial(examples, "segment_max"), dtypes=NUMBERS, exact=True)
def segment_max(data: AnyOperand, segment_ids: Indices, num_segments: int) -> Array:
    """The greatest of the rows of each segment, element by element, of shape (num_segments, …).

    Where a segment has no rows: -infinity, of integers the least one. NaN is greater than all, +0 than -0. data,
    segment_ids, errors: as of `segment_sum`.
    """
    return _extreme("segment_max", "max", data, segment_ids, num_segments)


@composed(reference=exact_segments.segment_min, samples=partial(examples, "segment_min"), dtypes=NUMBERS, exact=True)
def segment_min(data: AnyOperand, segment_ids: Indices, num_segments: int) -> Array:
    """The smallest of the rows of each segment, element by element, of shape (num_segments, …).

    Where a segment has no rows: infinity, of integers the greatest one. NaN is smaller than all, -0 than +0. data,
    segment_ids, errors: as of `segment_sum`.
    """
    return _extreme("segment_min", "min", data, segment_ids, num_segments)

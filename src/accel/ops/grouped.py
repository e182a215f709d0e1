"""grouped_matmul: rows in groups, each times a weight of its own, as the experts of a mixture compute."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from .. import interop
from ..array import Array
from ..conversion import on_host
from ..dtypes import as_dtype
from ..errors import ArgumentError, ShapeError, shown
from .composed.linear import linear
from .packed import PackedWeight
from .pieces import joined
from .primitive.grouped_matmul import OP, ends_of
from .primitive.grouped_matmul import grouped_matmul as of_arrays


def grouped_matmul(x: Any, weights: Any, counts: Any = None, *, offs: Any = None, dtype: Any = None) -> Any:
    """Rows of x in consecutive groups, each times the weight of its group: (rows, n).

    x: (rows, k), the first group's rows first. weights: (groups, k, n), of which a transposed view costs nothing; or a
    sequence of `PackedWeight`s (n, k), by which rows are multiplied as `linear` does, one after the other.
    counts: how many rows each group has, from 0 on, (groups,). offs, in place of counts: where each group ends, as
    torch's grouped_mm has it. Either is an array of integers, which kernels read on its device, or a sequence.
    dtype: of the result, as in `accel.matmul`. A group's rows have the bits of `matmul(rows, weight)`, whatever the
    other groups are; a weight of no rows is not read.
    With x (m, rows) and weights (rows, n), columns and rows are in groups: matmul(x[:, group], weights[group]) of each,
    (groups, m, n), which is what gradients of weights are.
    Raises IndexError where an array's numbers do not fit the rows, on a GPU when it is synchronised or copied from
    (`accel.config.check`), ArgumentError where a sequence's do not, also ShapeError, DtypeError, DeviceError.
    """
    if not isinstance(weights, (list, tuple)):
        return of_arrays(x, weights, counts, offs=offs, dtype=dtype)
    if not weights or not all(isinstance(w, PackedWeight) for w in weights):
        raise ArgumentError(f"{OP}: weights: expected an array or a sequence of PackedWeights, got {shown(weights)}")
    if len({w.shape for w in weights}) > 1:
        raise ShapeError(f"{OP}: weights: expected one shape, got {[w.shape for w in weights]}")
    (rows,), restore = interop.adopt(OP, x=x)
    k = weights[0].shape[1]
    if not isinstance(rows, Array) or rows.ndim != 2 or rows.shape[1] != k:
        what = rows.layout if isinstance(rows, Array) else f"the scalar {shown(rows)}"
        raise ShapeError(f"{OP}: x: expected (rows, {k}), got {what}")
    asked = None if dtype is None else as_dtype(dtype, f"{OP}: dtype")
    ends = ends_of(counts, offs, len(weights), rows.shape[0], rows)
    places = pairwise([0, *(on_host(ends).tolist() if isinstance(ends, Array) else ends)])
    groups = [(w, rows[start:end]) for w, (start, end) in zip(weights, places, strict=True) if end > start]
    parts = [linear(part, w, dtype=asked) for w, part in groups]
    return restore(joined(parts, 0) if parts else linear(rows, weights[0], dtype=asked))

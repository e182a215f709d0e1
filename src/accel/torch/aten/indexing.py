"""Rules of gathers and scatters. An index out of range is an IndexError; but for `index` and `index_put`, so is one
below 0."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from torch.ops import aten

import accel

from ...array import Array
from ...ops.primitive.gather import as_positions, check_positions
from .table import Wanted, cast, filled, refuse_unless, rule


@rule(aten.embedding.default)
def embedding(
    wanted: Wanted, weight: Array, indices: Array, padding_idx: int = -1, by_freq: bool = False, sparse: bool = False
) -> Array:
    return accel.nn.embedding(indices, weight)


@rule(aten.embedding_dense_backward.default)
def embedding_backward(wanted: Wanted, g: Array, indices: Array, n: int, padding_idx: int, by_freq: bool) -> Array:
    refuse_unless(not by_freq, "embeddings with scale_grad_by_freq")
    if padding_idx >= 0:
        g = accel.where(accel.expand_dims(indices == padding_idx, axis=-1), 0.0, g)
    rows, width = prod(indices.shape), g.shape[-1]
    return accel.index_add(
        accel.copy(filled(0, wanted)), 0, accel.reshape(indices, (rows,)), accel.reshape(g, (rows, width))
    )


def _from_zero(op: str, x: Array, dim: int, index: Array) -> None:
    """Has an index looked at that does not count from the end."""
    if x.ndim:
        check_positions(f"{op}: index", as_positions(op, "index", index), x.shape[dim], least=0)


@rule(aten.index_select.default)
def index_select(wanted: Wanted, x: Array, dim: int, index: Array) -> Array:
    _from_zero("index_select", x, dim, index)
    return accel.index_select(x, dim, index)


@rule(aten.gather.default)
def gather(wanted: Wanted, x: Array, dim: int, index: Array, *, sparse_grad: bool = False) -> Array:
    _from_zero("gather", x, dim, index)
    return accel.gather(x, dim, index)


@rule(aten.scatter.src)
def scatter(wanted: Wanted, x: Array, dim: int, index: Array, src: Array) -> Array:
    _from_zero("scatter", x, dim, index)
    return accel.scatter(accel.copy(x), dim, index, src)


@rule(aten.scatter.value)
def scatter_value(wanted: Wanted, x: Array, dim: int, index: Array, value: Any) -> Array:
    _from_zero("scatter", x, dim, index)
    src = filled(value, Wanted(wanted.dtype, index.shape, wanted.device))
    return accel.scatter(accel.copy(x), dim, index, accel.copy(src))


@rule(aten.scatter_add.default)
def scatter_add(wanted: Wanted, x: Array, dim: int, index: Array, src: Array) -> Array:
    _from_zero("scatter_add", x, dim, index)
    return accel.scatter_add(accel.copy(x), dim, index, src)


def _one(indices: Sequence[Array | None]) -> tuple[int, Array]:
    """The axis of the only index among several places, and it."""
    given = [(axis, i) for axis, i in enumerate(indices) if i is not None]
    refuse_unless(len(given) == 1, f"{len(given)} index arrays at once")
    axis, index = given[0]
    refuse_unless(index.dtype.kind in "iu", "an index that is a mask")
    return axis, index


@rule(aten.index.Tensor)
def index(wanted: Wanted, x: Array, indices: Sequence[Array | None]) -> Array:
    axis, its = _one(indices)
    return accel.take(x, its, axis=axis)


@rule(aten.index_put.default)
def index_put(
    wanted: Wanted, x: Array, indices: Sequence[Array | None], values: Array, accumulate: bool = False
) -> Array:
    axis, its = _one(indices)
    lead, rest = x.shape[:axis], x.shape[axis + 1 :]
    values = accel.broadcast_to(cast(values, x.dtype), (*lead, *its.shape, *rest))
    n = prod(its.shape)
    put = accel.index_add if accumulate else accel.index_copy
    return put(accel.copy(x), axis, accel.reshape(its, (n,)), accel.reshape(values, (*lead, n, *rest)))

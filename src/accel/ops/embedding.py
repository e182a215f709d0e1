"""Rows of a table for integers: embeddings, and what `one_hot` writes out; the slopes of ALiBi; a cache's update. The
functions are torch's where it has them."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np

from .. import interop
from ..arguments import integer, real, switch
from ..array import Array, Symbol
from ..backends.base import Device
from ..conversion import from_blocks, index_range, on_host
from ..creation import device_of
from ..dtypes import FLOAT32, INT64, as_dtype
from ..errors import ArgumentError, DtypeError, ShapeError, shown
from ..operators import check_writable
from ..position_memo import Key
from .cells import cells_of, in_rows
from .composed.stopping import stop_gradient
from .parameters import Scatter
from .primitive.gather import Selecting, as_positions, check_positions
from .primitive.pointwise import astype, copy, fn
from .primitive.reduce import axis_of
from .primitive.reduce import max as largest
from .primitive.scatter import store


def embedding(
    input: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Any:
    """The rows of weight that input names, of shape (*input.shape, features).

    input: of any integer dtype and shape, from 0 to the number of rows - 1. weight: (rows, features), of any dtype.
    padding_idx: a row of which the derivative, where there is one, takes nothing; it changes no result.
    max_norm, scale_grad_by_freq and sparse are refused: weights are not written, and no derivative is scaled or sparse.
    Raises IndexError for a row that there is not, on a GPU when it is synchronised or copied from
    (`accel.config.check`), also ShapeError, DtypeError, ArgumentError.
    """
    op = "embedding"
    real(op, "norm_type", norm_type)
    if max_norm is not None:
        raise ArgumentError(f"{op}: max_norm: weights are not written here; normalize them before")
    if scale_grad_by_freq is not False or sparse is not False:
        for name, value in (("scale_grad_by_freq", scale_grad_by_freq), ("sparse", sparse)):
            if switch(op, name, value):
                raise ArgumentError(f"{op}: {name}: only False is there")
    return _embedded.call(weight, input, padding_idx)


def _embedding(key: Key, weight: Any, input: Any, padding_idx: Any) -> Any:
    op = "embedding"
    (numbers, table), restore = interop.arrays(op, input=input, weight=weight)
    if table.ndim != 2:
        raise ShapeError(f"{op}: weight: expected two axes (rows, features), got shape {table.shape}")
    positions = as_positions(op, "input", numbers)
    if table is not weight or positions is not input:
        return restore(_embedded.call(table, positions, padding_idx))
    padding = None if padding_idx is None else integer(op, "padding_idx", padding_idx)
    if padding is not None and not -table.shape[0] <= padding < table.shape[0]:
        raise ArgumentError(f"{op}: padding_idx: {padding} is no row of a weight of shape {table.shape}")
    spread = positions.view((*positions.shape, 1), (*positions.strides, 0))
    rows = _embedded.found(key, (table, positions), table, spread, (-1, positions.ndim))
    if padding is not None and isinstance(table.buffer, Symbol):  # of a trace, which alone is derived
        here = fn.equal(spread, padding % table.shape[0])
        rows = fn.where(here, stop_gradient(rows), rows)
    return rows


_embedded = Selecting("take", "embedding: input", _embedding, least=0)


def one_hot(x: Any, num_classes: int = -1) -> Any:
    """int64 of shape (*x.shape, num_classes): 1 at the place along the last axis that x says, else 0.

    x: of any integer dtype, from 0 to num_classes - 1. num_classes: -1 takes one more than the largest element, for
    which that is read. Raises IndexError for an element that is no class, DtypeError, ArgumentError.
    """
    op = "one_hot"
    (array,), restore = interop.arrays(op, x=x)
    positions = as_positions(op, "x", array)
    count = integer(op, "num_classes", num_classes)
    if count == -1:
        if not array.size:
            raise ArgumentError(f"{op}: num_classes: expected a number of classes for an array without elements")
        count = int(on_host(largest(positions))) + 1
    if count < 1:
        raise ArgumentError(f"{op}: num_classes: expected -1 or at least 1, got {count}")
    check_positions(f"{op}: x", positions, count, least=0)
    spread = positions.view((*positions.shape, 1), (*positions.strides, 0))
    return restore(astype(fn.equal(spread, index_range(count, array.device)), INT64))


def alibi_slopes(num_heads: int, dtype: Any = FLOAT32, device: str | Device | None = None) -> Array:
    """The slope of each head's bias by distance (Press et al. 2022, arXiv:2108.12409): 2^(-8 i / n), i from 1 to n, for
    n heads, a power of two; for other numbers those of the next lower power of two, then every second one of twice as
    many. Roots are taken one after the other in float64, and each slope is rounded once. Raises ArgumentError,
    DtypeError."""
    op = "alibi_slopes"
    heads, its = integer(op, "num_heads", num_heads), as_dtype(dtype, f"{op}: dtype")
    if heads < 1:
        raise ArgumentError(f"{op}: num_heads: expected at least 1, got {heads}")
    if its.kind != "f":
        raise DtypeError(f"{op}: dtype: takes floating dtypes, got {its}")
    lower = 1 << heads.bit_length() - 1

    def block(start: int, stop: int) -> np.ndarray:
        i = np.arange(start, stop)
        return np.where(i < lower, _slopes(i + 1, lower), _slopes(2 * (i - lower) + 1, 2 * lower))

    return from_blocks(heads, its, device_of(device), block)


def _slopes(i: np.ndarray, n: int) -> np.ndarray:
    """2^(-8 i / n), n a power of two: products of 1/2 and its square roots, of which all but the product's rounding are
    IEEE's."""
    whole, rest = np.divmod(8 * i, n)
    slopes, root = np.ldexp(1.0, -whole.astype(np.int32)), 0.5
    while n > 1:
        root, n = sqrt(root), n // 2
        taken = rest >= n
        slopes, rest = np.where(taken, slopes * root, slopes), rest - n * taken
    return slopes


def cache_update(cache: Array, new: Any, position: Any, *, axis: int = -2) -> Array:
    """Writes new keys or values into a cache from a position along an axis on, and returns the view of all so far.

    position: an integer, or a vector of any integer dtype with one for each element of the first axis, whose sequences
    then have lengths of their own; the result is the whole cache.

    cache: an `accel.Array` of one's own, which is written: one strided copy. new: of its dtype and shape, but with as
    many along the axis as there are new ones. Raises IndexError where they do not fit, before anything is written;
    for a vector of positions on a GPU when that is synchronised or copied from (`accel.config.check`), and nothing is
    written for those that do not. Also raises ShapeError, DtypeError, AxisError, ArgumentError.
    """
    op = "cache_update"
    if not isinstance(cache, Array):
        raise ArgumentError(f"{op}: cache: expected an accel.Array, which is written, got {shown(cache)}")
    (whole, fresh), _ = interop.arrays(op, cache=cache, new=new)
    check_writable(op, whole, "cache")
    along = axis_of(op, "axis", axis, whole.ndim)
    shape = (*whole.shape[:along], fresh.shape[along] if fresh.ndim == whole.ndim else -1, *whole.shape[along + 1 :])
    if fresh.shape != shape:
        raise ShapeError(
            f"{op}: new: has shape {fresh.shape}, which differs from the cache's, {whole.shape}, elsewhere"
        )
    if fresh.dtype is not whole.dtype:
        raise DtypeError(f"{op}: new: expected the cache's dtype, {whole.dtype}, got {fresh.dtype}")
    if interop.is_array(position) and len(position.shape):
        return _each_updated(whole, fresh, position, along)
    start = integer(op, "position", position)
    end = start + shape[along]
    if start < 0 or end > whole.shape[along]:
        raise IndexError(f"{op}: position: {start} to {end} is out of range for an axis of length {whole.shape[along]}")
    lead = (slice(None),) * along
    if fresh.size:
        copy(fresh, out=whole[(*lead, slice(start, end))])
    return whole[(*lead, slice(0, end))]


def _each_updated(cache: Array, new: Array, position: Any, along: int) -> Array:
    """`cache_update` of sequences of their own lengths: one scatter of all new places."""
    op = "cache_update"
    (_, given), _ = interop.arrays(op, cache=cache, position=position)
    starts, (batch, length), count = (
        as_positions(op, "position", given),
        (cache.shape[0], cache.shape[along]),
        new.shape[along],
    )
    if not along:
        raise ArgumentError(f"{op}: axis: expected one beside the first, along which the positions go, got 0")
    if starts.shape != (batch,):
        raise ShapeError(f"{op}: position: expected an integer or shape {(batch,)}, got shape {starts.shape}")
    check_writable(op, cache)
    words = f" is out of range for {count} new places along an axis of length {length}"
    room = max(0, length - count + 1)
    check_positions(f"{op}: position:", starts, room, least=0, after=words)
    if not new.size:
        return cache
    if not cache.device.host:  # where nothing is known of them yet, nothing is written for those that do not fit
        starts = fn.where(fn.logical_and(starts >= 0, starts < room), starts, length)
    walks = tuple(-1 if a in (0, along) else a - (a > along) for a in range(cache.ndim))
    rows = new.permute((0, along, *(a for a in range(1, cache.ndim) if a != along)))
    places = starts.view((batch, 1), (*starts.strides, 0)) + index_range(count, cache.device)
    cells = cells_of([index_range(batch, cache.device).view((batch, 1), (1, 0)), places], [batch, length], (True, True))
    store(cache, in_rows(rows, batch * count, rows.shape[2:]), cells, Scatter(cache.shape, walks, apart=True))
    return cache

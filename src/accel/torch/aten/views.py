"""Rules of views, and of operators that only move elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch.ops import aten

import accel

from ...array import Array
from .table import Wanted, cast, filled, refuse_unless, rule


@rule(
    aten.view.default,
    aten._unsafe_view.default,
    aten.reshape.default,
    aten.unsqueeze.default,
    aten.squeeze.default,
    aten.squeeze.dim,
    aten.squeeze.dims,
    views=True,
)
def reshaped(wanted: Wanted, x: Array, *args: Any) -> Array:
    return accel.reshape(x, wanted.shape)


@rule(aten.alias.default, aten.detach.default, aten.lift_fresh_copy.default, views=True)
def same(wanted: Wanted, x: Array) -> Array:
    return x


@rule(aten.permute.default, views=True)
def permute(wanted: Wanted, x: Array, dims: Sequence[int]) -> Array:
    return accel.permute_dims(x, tuple(dims))


@rule(aten.transpose.int, views=True)
def transpose(wanted: Wanted, x: Array, a: int, b: int) -> Array:
    return accel.swapaxes(x, a, b) if x.ndim else x


@rule(aten.t.default, views=True)
def t(wanted: Wanted, x: Array) -> Array:
    return x.T if x.ndim == 2 else x


@rule(aten.expand.default, views=True)
def expand(wanted: Wanted, x: Array, size: Any, implicit: bool = False) -> Array:
    return accel.broadcast_to(x, wanted.shape)


def _part(x: Array, dim: int, its: Any) -> Array:
    return x[(slice(None),) * (dim % x.ndim) + (its,)]


def _limits(n: int, start: int | None, end: int | None) -> tuple[int, int]:
    start, stop, _ = slice(start, end).indices(n)
    return start, max(start, stop)


@rule(aten.slice.Tensor, views=True)
def sliced(wanted: Wanted, x: Array, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Array:
    return _part(x, dim, slice(*_limits(x.shape[dim], start, end), step))


@rule(aten.select.int, views=True)
def select(wanted: Wanted, x: Array, dim: int, index: int) -> Array:
    return _part(x, dim, index)


@rule(aten.split.Tensor, aten.split_with_sizes.default, views=True)
def split(wanted: Sequence[Wanted], x: Array, sizes: Any, dim: int = 0) -> tuple[Array, ...]:
    made, at = [], 0
    for its in wanted:
        made.append(_part(x, dim, slice(at, at + its.shape[dim])))
        at += its.shape[dim]
    return tuple(made)


@rule(aten.unbind.int, views=True)
def unbind(wanted: Sequence[Wanted], x: Array, dim: int = 0) -> tuple[Array, ...]:
    return tuple(_part(x, dim, i) for i in range(len(wanted)))


@rule(aten.cat.default)
def cat(wanted: Wanted, xs: Sequence[Array], dim: int = 0) -> Array:
    """Empty vectors among the operands are left out, as torch does."""
    kept = [x for x in xs if x.ndim == len(wanted.shape)]
    return accel.concat([cast(x, wanted.dtype) for x in kept], axis=dim)


@rule(aten.slice_scatter.default)
def slice_scatter(
    wanted: Wanted, x: Array, src: Array, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
) -> Array:
    refuse_unless(step == 1, "slice_scatter with a step")
    low, high = _limits(x.shape[dim], start, end)
    parts = [_part(x, dim, slice(0, low)), cast(src, x.dtype), _part(x, dim, slice(high, x.shape[dim]))]
    return accel.concat([p for p in parts if p.shape[dim]], axis=dim)


@rule(aten.select_scatter.default)
def select_scatter(wanted: Wanted, x: Array, src: Array, dim: int, index: int) -> Array:
    at = index % x.shape[dim]
    return slice_scatter(wanted, x, accel.expand_dims(src, axis=dim % x.ndim), dim, at, at + 1)


@rule(aten.constant_pad_nd.default)
def constant_pad(wanted: Wanted, x: Array, pad: Sequence[int], value: Any = 0) -> Array:
    pairs = [(0, 0)] * x.ndim
    for i in range(len(pad) // 2):
        pairs[-1 - i] = (pad[2 * i], pad[2 * i + 1])
    for axis, (before, after) in enumerate(pairs):  # negative lengths cut off
        x = _part(x, axis, slice(max(0, -before), x.shape[axis] - max(0, -after)))
    grown = [(max(0, a), max(0, b)) for a, b in pairs]
    for axis, (before, after) in enumerate(grown):
        ends = [(*x.shape[:axis], n, *x.shape[axis + 1 :]) for n in (before, after)]
        first, last = (filled(value, Wanted(x.dtype, shape, wanted.device)) for shape in ends)
        if before or after:
            x = accel.concat([p for p in (first, x, last) if p.shape[axis]], axis=axis)
    return x if any(map(any, grown)) else accel.copy(x)


@rule(aten.flip.default)
def flip(wanted: Wanted, x: Array, dims: Sequence[int]) -> Array:
    return accel.copy(accel.flip(x, axis=tuple(dims)))


@rule(aten.repeat.default)
def repeat(wanted: Wanted, x: Array, repeats: Sequence[int]) -> Array:
    return accel.tile(x, tuple(repeats))

"""Rules of reductions, scans and softmax."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch.ops import aten

import accel

from ...array import Array
from .table import Wanted, axes_of, cast, refuse_unless, rule, truth


@rule(aten.sum.dim_IntList, aten.sum.default)
def summed(wanted: Wanted, x: Array, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Array:
    return accel.sum(cast(x, wanted.dtype), axis=axes_of(dim), dtype=wanted.dtype, keepdims=keepdim)


@rule(aten.mean.dim, aten.mean.default)
def mean(wanted: Wanted, x: Array, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Array:
    return accel.mean(cast(x, wanted.dtype), axis=axes_of(dim), keepdims=keepdim)


@rule(aten.prod.dim_int)
def product(wanted: Wanted, x: Array, dim: int, keepdim: bool = False, *, dtype: Any = None) -> Array:
    return accel.prod(cast(x, wanted.dtype), axis=dim, dtype=wanted.dtype, keepdims=keepdim)


def _extreme(operators: tuple[Any, ...], function: Callable[..., Any]) -> None:
    @rule(*operators)
    def its(wanted: Wanted, x: Array, dim: Any = None, keepdim: bool = False) -> Array:
        return function(x, axis=axes_of(dim), keepdims=keepdim)


_extreme((aten.amax.default, aten.max.default), accel.max)
_extreme((aten.amin.default, aten.min.default), accel.min)
_extreme((aten.argmax.default,), accel.argmax)
_extreme((aten.argmin.default,), accel.argmin)


def _with_places(operator: Any, value: Callable[..., Any], place: Callable[..., Any]) -> None:
    @rule(operator)
    def its(wanted: Sequence[Wanted], x: Array, dim: int, keepdim: bool = False) -> tuple[Array, Array]:
        return value(x, axis=dim, keepdims=keepdim), place(x, axis=dim, keepdims=keepdim)


_with_places(aten.max.dim, accel.max, accel.argmax)
_with_places(aten.min.dim, accel.min, accel.argmin)


def _of_truth(operators: tuple[Any, ...], function: Callable[..., Any]) -> None:
    @rule(*operators)
    def its(wanted: Wanted, x: Array, dim: Any = None, keepdim: bool = False) -> Array:
        return function(truth(x), axis=axes_of(dim), keepdims=keepdim)


_of_truth((aten.any.default, aten.any.dim, aten.any.dims), accel.any)
_of_truth((aten.all.default, aten.all.dim, aten.all.dims), accel.all)


def _correction(given: Any) -> float:
    return 1.0 if given is None else float(given)


@rule(aten.var.correction)
def var(wanted: Wanted, x: Array, dim: Any = None, *, correction: Any = None, keepdim: bool = False) -> Array:
    return accel.var(x, axis=axes_of(dim), correction=_correction(correction), keepdims=keepdim)


@rule(aten.var_mean.correction)
def var_mean(wanted: Any, x: Array, dim: Any = None, *, correction: Any = None, keepdim: bool = False) -> Any:
    axes = axes_of(dim)
    return (
        accel.var(x, axis=axes, correction=_correction(correction), keepdims=keepdim),
        accel.mean(x, axis=axes, keepdims=keepdim),
    )


@rule(aten.cumsum.default)
def cumsum(wanted: Wanted, x: Array, dim: int, *, dtype: Any = None) -> Array:
    refuse_unless(x.ndim > 0, "a cumulative sum of an array without axes")
    return accel.cumulative_sum(cast(x, wanted.dtype), axis=dim, dtype=wanted.dtype)


@rule(aten._softmax.default)
def softmax(wanted: Wanted, x: Array, dim: int, half_to_float: bool) -> Array:
    return accel.nn.softmax(cast(x, wanted.dtype), axis=dim)


@rule(aten._log_softmax.default)
def log_softmax(wanted: Wanted, x: Array, dim: int, half_to_float: bool) -> Array:
    return accel.nn.log_softmax(cast(x, wanted.dtype), axis=dim)

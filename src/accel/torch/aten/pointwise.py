"""Rules of elementwise operators. Arithmetic is done in the result's dtype, as torch promotes; comparisons in the one
that the operands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.ops import aten

import accel

from ...array import Array
from .table import Wanted, cast, promoted, refuse_unless, rule, truth


def _unary(operator: Any, function: Callable[..., Any]) -> None:
    @rule(operator)
    def its(wanted: Wanted, x: Array) -> Array:
        return function(cast(x, wanted.dtype))


UNARY = """
    abs acos acosh asin asinh atan atanh ceil cos cosh exp exp2 expm1 floor log log10 log1p log2 reciprocal round sign
    sin sinh sqrt tan tanh trunc
"""
for name in UNARY.split():
    _unary(getattr(aten, name).default, getattr(accel, name))
for name in ("erf", "erfc", "erfinv", "lgamma", "digamma", "rsqrt"):
    _unary(getattr(aten, name).default, getattr(accel.special, name))
for name in ("relu", "silu", "sigmoid", "mish", "hardswish", "hardsigmoid"):
    _unary(getattr(aten, name).default, getattr(accel.nn, name))
_unary(aten.neg.default, accel.negative)


def _binary(operators: tuple[Any, ...], function: Callable[..., Any]) -> None:
    @rule(*operators)
    def its(wanted: Wanted, a: Any, b: Any) -> Array:
        return function(cast(a, wanted.dtype), cast(b, wanted.dtype))


_binary((aten.mul.Tensor, aten.mul.Scalar), accel.multiply)
_binary((aten.div.Tensor, aten.div.Scalar), accel.divide)
_binary((aten.maximum.default,), accel.maximum)
_binary((aten.minimum.default,), accel.minimum)
_binary((aten.atan2.default,), accel.atan2)
_binary((aten.fmod.Tensor, aten.fmod.Scalar), accel.fmod)
_binary((aten.remainder.Tensor, aten.remainder.Scalar), accel.remainder)
_binary((aten.bitwise_and.Tensor, aten.bitwise_and.Scalar), accel.bitwise_and)
_binary((aten.bitwise_or.Tensor, aten.bitwise_or.Scalar), accel.bitwise_or)
_binary((aten.bitwise_xor.Tensor, aten.bitwise_xor.Scalar), accel.bitwise_xor)
_unary(aten.bitwise_not.default, accel.bitwise_invert)


@rule(aten.add.Tensor, aten.add.Scalar)
def add(wanted: Wanted, a: Any, b: Any, alpha: Any = 1) -> Array:
    a, b = cast(a, wanted.dtype), cast(b, wanted.dtype)
    return a + (b if alpha == 1 else b * alpha)


@rule(aten.sub.Tensor, aten.sub.Scalar)
def subtract(wanted: Wanted, a: Any, b: Any, alpha: Any = 1) -> Array:
    a, b = cast(a, wanted.dtype), cast(b, wanted.dtype)
    return a - (b if alpha == 1 else b * alpha)


@rule(aten.div.Tensor_mode)
def divide(wanted: Wanted, a: Any, b: Any, rounding_mode: str | None = None) -> Array:
    a, b = cast(a, wanted.dtype), cast(b, wanted.dtype)
    whole = wanted.dtype.kind != "f"
    refuse_unless(not (whole and rounding_mode == "trunc"), "integers divided with rounding_mode='trunc'")
    if rounding_mode == "trunc":
        return accel.trunc(a / b)
    return accel.floor_divide(a, b) if rounding_mode == "floor" else a / b


@rule(aten.pow.Tensor_Scalar, aten.pow.Tensor_Tensor, aten.pow.Scalar)
def power(wanted: Wanted, a: Any, b: Any) -> Array:
    """Small whole exponents are products, as in torch."""
    a, b = cast(a, wanted.dtype), cast(b, wanted.dtype)
    if isinstance(b, (int, float)) and b in (1, 2, 3):
        return a if b == 1 else a * a if b == 2 else a * a * a
    return accel.pow(a, b)


@rule(aten.clamp.default)
def clamp(wanted: Wanted, x: Array, min: Any = None, max: Any = None) -> Array:
    return accel.clip(cast(x, wanted.dtype), min, max)


@rule(aten.gelu.default)
def gelu(wanted: Wanted, x: Array, approximate: str = "none") -> Array:
    return accel.nn.gelu(x, approximate)


@rule(aten.where.self)
def where(wanted: Wanted, condition: Array, a: Any, b: Any) -> Array:
    return accel.where(truth(condition), cast(a, wanted.dtype), cast(b, wanted.dtype))


def _comparison(name: str, function: Callable[..., Any]) -> None:
    its = getattr(aten, name)

    @rule(its.Tensor, its.Scalar)
    def compared(wanted: Wanted, a: Any, b: Any) -> Array:
        common = promoted(a, b)
        return function(cast(a, common), cast(b, common))


for name, spelled in {
    "eq": "equal",
    "ne": "not_equal",
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
}.items():
    _comparison(name, getattr(accel, spelled))


def _of_truth(name: str, function: Callable[..., Any]) -> None:
    @rule(getattr(aten, name).default)
    def its(wanted: Wanted, *xs: Array) -> Array:
        return function(*map(truth, xs))


for name in ("logical_and", "logical_or", "logical_xor", "logical_not"):
    _of_truth(name, getattr(accel, name))


@rule(aten.isnan.default)
def isnan(wanted: Wanted, x: Array) -> Array:
    return accel.isnan(x)


@rule(aten.isinf.default)
def isinf(wanted: Wanted, x: Array) -> Array:
    return accel.isinf(x)


@rule(aten._to_copy.default)
def to_copy(wanted: Wanted, x: Array, **keywords: Any) -> Array:
    device = keywords.get("device")
    refuse_unless(device is None or device.type == "cpu", "a move between devices")
    if wanted.dtype.kind == "b":
        return accel.copy(truth(x))
    return accel.astype(x, wanted.dtype)


@rule(aten.clone.default, aten.contiguous.default)
def clone(wanted: Wanted, x: Array, memory_format: Any = None) -> Array:
    return accel.copy(x)

"""Rules of operators that make arrays of numbers: constants of a compiled part, in no memory of their own."""

from __future__ import annotations

from typing import Any

from torch.ops import aten

from ...array import Array
from ...conversion import index_range
from .table import Wanted, cast, filled, rule


@rule(aten.full.default, views=True)
def full(wanted: Wanted, size: Any, value: Any, **keywords: Any) -> Array:
    return filled(value, wanted)


@rule(aten.full_like.default, views=True)
def full_like(wanted: Wanted, x: Array, value: Any, **keywords: Any) -> Array:
    return filled(value, wanted)


@rule(aten.scalar_tensor.default, views=True)
def scalar_tensor(wanted: Wanted, value: Any, **keywords: Any) -> Array:
    return filled(value, wanted)


@rule(aten.zeros.default, aten.zeros_like.default, aten.new_zeros.default, views=True)
def zeros(wanted: Wanted, *args: Any, **keywords: Any) -> Array:
    return filled(0, wanted)


@rule(aten.ones.default, aten.ones_like.default, aten.new_ones.default, views=True)
def ones(wanted: Wanted, *args: Any, **keywords: Any) -> Array:
    return filled(1, wanted)


@rule(aten.arange.start_step, views=True)
def arange(wanted: Wanted, start: Any, end: Any, step: Any = 1, **keywords: Any) -> Array:
    """In whole numbers where start and step are; else start + i * step, each rounded."""
    (n,) = wanted.shape
    i = index_range(n, wanted.device)
    if not (isinstance(start, int) and isinstance(step, int)):
        i = cast(i, wanted.dtype)
    i = i if step == 1 else i * step
    return cast(i if start == 0 else i + start, wanted.dtype)


@rule(aten.arange.default, views=True)
def arange_from_zero(wanted: Wanted, end: Any, **keywords: Any) -> Array:
    return arange(wanted, 0, end)


@rule(aten.arange.start, views=True)
def arange_by_ones(wanted: Wanted, start: Any, end: Any, **keywords: Any) -> Array:
    return arange(wanted, start, end)

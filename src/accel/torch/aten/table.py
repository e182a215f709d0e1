"""The table of rules, and what they share: casts to the dtype that torch promotes to, and numbers as arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

import accel

from ...array import Array
from ...conversion import constant
from ...dtypes import DTYPES, DType
from ...errors import UnsupportedError
from ...layout import Shape
from ...memory import Device


@dataclass(frozen=True)
class Wanted:
    """What torch says of an operator's result."""

    dtype: DType
    shape: Shape
    device: Device


Rule = Callable[..., Any]
"""rule(wanted, *args, **keywords): the result, of the operator's arguments, in which tensors are `Array`s. wanted: of
its result, or a tuple of them, None for a result that is left out. What it cannot do raises an AccelError."""


@dataclass(frozen=True)
class Entry:
    """A rule. views: whether it moves nothing."""

    rule: Rule
    views: bool = False


TABLE: dict[Any, Entry] = {}


def rule(*operators: Any, views: bool = False) -> Callable[[Rule], Rule]:
    """Enters a rule for operators of torch.ops.aten."""

    def entered(its: Rule) -> Rule:
        TABLE.update(dict.fromkeys(operators, Entry(its, views)))
        return its

    return entered


def dtype_of(dtype: torch.dtype) -> DType:
    """accel's dtype of torch's. Raises UnsupportedError."""
    name = str(dtype).removeprefix("torch.")
    if name not in DTYPES:
        raise UnsupportedError(f"{name} is not a dtype of accel")
    return DTYPES[name]


def torchs(dtype: DType) -> torch.dtype:
    """torch's dtype of accel's."""
    return getattr(torch, dtype.name)


def cast(x: Any, dtype: DType) -> Any:
    """An array in a dtype; a Python scalar as it is, which is weak."""
    return x if not isinstance(x, Array) or x.dtype is dtype else accel.astype(x, dtype)


def truth(x: Any) -> Any:
    """Whether elements are not zero."""
    return x if not isinstance(x, Array) or x.dtype.kind == "b" else x != 0


def promoted(a: Any, b: Any) -> DType:
    """The dtype in which torch compares two operands: arrays with axes outrank those without, and these numbers."""
    return dtype_of(torch.result_type(_like(a), _like(b)))


def _like(x: Any) -> Any:
    return torch.empty((1,) * x.ndim, dtype=torchs(x.dtype), device="meta") if isinstance(x, Array) else x


def filled(value: Any, wanted: Wanted) -> Array:
    """An array of one number, in no memory of its own."""
    return constant(wanted.dtype.numpy.type(value).item(), wanted.dtype, wanted.device).view(
        wanted.shape, (0,) * len(wanted.shape)
    )


def axes_of(dim: Any) -> Any:
    """Axes as accel takes them, of torch's: None and an empty list are all."""
    if dim is None or isinstance(dim, int):
        return dim
    return tuple(dim) or None


def refuse_unless(ok: bool, what: str) -> None:
    """Raises UnsupportedError for arguments that a rule has nothing for."""
    if not ok:
        raise UnsupportedError(what)

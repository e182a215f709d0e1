"""Operands and keywords that functions are timed with which move, select, order or find elements."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from .case import Operand

Arguments = tuple[list[Operand], dict[str, Any]]


def _of(*operands: Callable[[tuple[int, ...], str], Operand], **given: Any) -> Callable[..., Arguments]:
    return lambda shape, dtype: ([make(shape, dtype) for make in operands], given)


def _x(shape: tuple[int, ...], dtype: str) -> Operand:
    return Operand(shape, dtype)


def _row(shape: tuple[int, ...], dtype: str) -> Operand:
    return Operand(shape[-1:], dtype)


def _in_order(shape: tuple[int, ...], dtype: str) -> Operand:
    return Operand((prod(shape),), dtype, values="ascending")


def _rows(shape: tuple[int, ...], dtype: str) -> Operand:
    return Operand(shape[:1], "int64", values=f"below-{shape[0]}")


def _columns(shape: tuple[int, ...], dtype: str) -> Operand:
    return Operand(shape, "int64", values=f"below-{shape[1]}")


def _in_segments(shape: tuple[int, ...], dtype: str) -> Arguments:
    return [_x(shape, dtype), _rows(shape, dtype)], {"num_segments": shape[0]}


def _turned(shape: tuple[int, ...], dtype: str) -> Arguments:
    table = (shape[0], shape[1] // 2)
    return [Operand(each, dtype) for each in (shape, table, table)], {}


OPERANDS: dict[str, Callable[[tuple[int, ...], str], Arguments]] = {
    **dict.fromkeys(("sort", "argsort", "count_nonzero"), _of(_x, axis=-1)),
    **dict.fromkeys(("cummax", "cummin"), _of(_x, dim=-1)),
    "take": _of(_x, _rows, axis=0),
    "take_along_axis": _of(_x, _columns, axis=-1),
    "searchsorted": _of(_in_order, _x),
    "isin": _of(_x, _row),
    "topk": _of(_x, k=10),
    "roll": _of(_x, shift=3, axis=-1),
    "pad": _of(_x, pad_width=2),
    "rotary_embedding": _turned,
    "segment_sum": _in_segments,
}
"""By the op's name: makes operands and keywords of a shape of two axes and a dtype."""

BY_ROW = ("sort", "argsort", "count_nonzero", "cummax", "cummin", "take_along_axis", "topk")
"""Those of which a row of the result follows from a row of each operand, where it is the last axis that they go
along."""

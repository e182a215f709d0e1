"""What losses have in common: operands of one shape, weights that broadcast to it, and the reduction at the end."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ...arguments import word
from ...array import Array
from ...dtypes import DType
from ...errors import ArgumentError, ShapeError, shown
from ...layout import Shape, broadcast_shapes
from ..primitive.reduce import sum
from ..views import broadcast_to

REDUCTIONS = ("none", "mean", "sum")


def reduced(losses: Array, reduction: str) -> Array:
    """The losses themselves, their sum, or their sum divided by their number (nothing: NaN)."""
    if reduction == "none":
        return losses
    total = sum(losses)
    return total / float(losses.size) if reduction == "mean" else total


def check(op: str, reduction: Any, input: Array, **others: Array) -> None:
    """Raises ArgumentError where reduction is none of the words, ShapeError where another operand has not input's
    shape: one that broadcasts is mostly a mistake, and gives the mean of every pair."""
    word(op, "reduction", reduction, REDUCTIONS)
    for name, x in others.items():
        if x.shape != input.shape:
            raise ShapeError(
                f"{op}: {name}: expected input's shape {input.shape}, got {x.shape}; accel.broadcast_to spells a "
                "broadcast out"
            )


def stretched(op: str, name: str, x: Array, shape: Shape) -> Array:
    """A weight as a view of a shape that it broadcasts to. Raises ShapeError."""
    try:
        fits = broadcast_shapes(x.shape, shape, what=op) == shape
    except ShapeError:
        fits = False
    if not fits:
        raise ShapeError(f"{op}: {name}: {x.shape} does not broadcast to input's shape {shape}")
    return broadcast_to(x, shape)


def number(
    op: str, name: str, value: Any, low: float = -math.inf, high: float = math.inf, above: bool = False
) -> float:
    """A finite Python number between two others, or above the first. Raises ArgumentError."""
    real = isinstance(value, (int, float)) and not isinstance(value, bool)
    if real and math.isfinite(value) and low <= value <= high and not (above and value == low):
        return float(value)
    limits = [f"{'above' if above else 'at least'} {low:g}"] if low > -math.inf else []
    limits += [f"at most {high:g}"] if high < math.inf else []
    raise ArgumentError(
        f"{op}: {name}: expected a finite number{' ' * bool(limits)}{' and '.join(limits)}, got {shown(value)}"
    )


def by_element(op: str) -> Callable[[DType], Any]:
    """The examples of a loss whose operands have one shape."""

    def samples(dtype: DType) -> Any:
        from ...testing import losses

        return losses.by_element(op, dtype)

    return samples

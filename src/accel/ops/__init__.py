"""The op table: importing this package registers every spec."""

from typing import Any

from .. import registry
from .composed import (
    activation,
    batch_norm,
    class_loss,
    gate,
    linear,
    movement,
    normalization,
    probability_loss,
    random,
    regression_loss,
    softmax,
    statistics,
    stopping,
)
from .primitive import gather, join, matmul, pointwise, reduce, row, scan, sort
from .spec import OpSpec

__all__ = [
    "activation", "batch_norm", "class_loss", "gate", "gather", "join", "linear", "matmul", "movement",
    "normalization", "pointwise", "probability_loss", "random", "reduce", "regression_loss", "row", "scan", "softmax",
    "sort", "statistics", "stopping",
]  # fmt: skip


def _reduce(self: OpSpec) -> tuple[Any, ...]:
    return registry.op, (self.name,)


OpSpec.__reduce__ = _reduce  # type: ignore[method-assign]  # one of a name in a process

"""The op table: importing this package registers every spec."""

from typing import Any

from .. import registry
from .composed import (
    activation,
    batch_norm,
    class_loss,
    closeness,
    counting,
    covariance,
    extremes,
    gate,
    linear,
    matrices,
    missing,
    movement,
    normalization,
    order,
    probability_loss,
    random,
    regression_loss,
    sampled,
    softmax,
    statistics,
)
from .primitive import compact, gather, join, matmul, pointwise, reduce, row, scan, search, sort
from .spec import OpSpec

__all__ = [
    "activation", "batch_norm", "class_loss", "closeness", "compact", "counting", "covariance", "extremes", "gate",
    "gather", "join", "linear", "matmul", "matrices", "missing", "movement", "normalization", "order", "pointwise",
    "probability_loss", "random", "reduce", "regression_loss", "row", "sampled", "scan", "search", "softmax", "sort",
    "statistics",
]  # fmt: skip


def _reduce(self: OpSpec) -> tuple[Any, ...]:
    return registry.op, (self.name,)


OpSpec.__reduce__ = _reduce  # type: ignore[method-assign]  # one of a name in a process

"""The op table: importing this package registers every spec."""

from typing import Any

from .. import registry
from .complex import arithmetic as complex_arithmetic
from .complex import elementary as complex_elementary
from .complex import movement as complex_movement
from .complex import part as complex_part
from .complex import reduction as complex_reduction
from .complex import trigonometric as complex_trigonometric
from .composed import (
    activation,
    batch_norm,
    class_loss,
    fourier,
    gate,
    linear,
    movement,
    normalization,
    probability_loss,
    random,
    regression_loss,
    softmax,
    statistics,
)
from .primitive import gather, join, matmul, pointwise, reduce, row, scan, sort
from .spec import OpSpec

__all__ = [
    "activation", "batch_norm", "class_loss", "complex_arithmetic", "complex_elementary", "complex_movement",
    "complex_part", "complex_reduction", "complex_trigonometric", "fourier", "gate", "gather", "join", "linear",
    "matmul", "movement", "normalization", "pointwise", "probability_loss", "random", "reduce", "regression_loss",
    "row", "scan", "softmax", "sort", "statistics",
]  # fmt: skip


def _reduce(self: OpSpec) -> tuple[Any, ...]:
    return registry.op, (self.name,)


OpSpec.__reduce__ = _reduce  # type: ignore[method-assign]  # one of a name in a process

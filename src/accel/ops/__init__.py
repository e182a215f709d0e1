"""The op table: importing this package registers every spec."""

from typing import Any

from .. import registry
from .composed import class_loss, probability_loss, regression_loss, softmax
from .primitive import matmul, pointwise, reduce, row
from .spec import OpSpec

__all__ = ["class_loss", "matmul", "pointwise", "probability_loss", "reduce", "regression_loss", "row", "softmax"]


def _reduce(self: OpSpec) -> tuple[Any, ...]:
    return registry.op, (self.name,)


OpSpec.__reduce__ = _reduce  # type: ignore[method-assign]  # one of a name in a process

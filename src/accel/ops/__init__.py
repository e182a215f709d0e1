"""The op table: importing this package registers every spec."""

from typing import Any

from .. import registry
from . import linalg, pointwise, reduce, softmax
from .spec import OpSpec

__all__ = ["linalg", "pointwise", "reduce", "softmax"]


def _reduce(self: OpSpec) -> tuple[Any, ...]:
    return registry.op, (self.name,)


OpSpec.__reduce__ = _reduce  # type: ignore[method-assign]  # one of a name in a process

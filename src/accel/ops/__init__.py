"""The op table: importing this package registers every spec."""

from . import linalg, pointwise, reduce, softmax

__all__ = ["linalg", "pointwise", "reduce", "softmax"]

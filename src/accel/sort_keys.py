"""The unsigned keys that kernels sort by, as constants of their element type."""

from __future__ import annotations

from dataclasses import dataclass

from .dtypes import DType

INFINITY = {"float16": 0x7C00, "bfloat16": 0x7F80, "float32": 0x7F800000, "float64": 0x7FF0000000000000}


@dataclass(frozen=True)
class KeyRule:
    """How an element's bits become its key: integers by ``bits ^ sign``; floats, whose infinity is not 0, by ``~bits``
    where the sign is set, and by all bits set where the magnitude is beyond infinity. Then ``^ flip``."""

    sign: int
    infinity: int
    flip: int


def key_rule(dtype: DType, descending: bool) -> KeyRule:
    """The rule of a dtype."""
    bits = 8 * dtype.itemsize
    sign = 1 << (bits - 1) if dtype.kind in "if" else 0
    return KeyRule(sign, INFINITY.get(dtype.name, 0), (1 << bits) - 1 if descending else 0)

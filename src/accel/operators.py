"""Operators of `accel.Array`: each is the function of its name; the in-place ones write to the array's own memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any

import numpy as np

from . import dispatch, interop, registry
from .array import Array, is_readonly
from .dtypes import promote
from .errors import ArgumentError, DtypeError, ShapeError
from .layout import broadcast_shapes, stretched

FOREIGN = (bool, int, float, np.ndarray, np.generic)
"""Beside `Array`, what an operator takes on its other side without a look at which libraries are there."""


def _taken(x: Array, other: Any) -> bool:
    """Whether an operator takes an operand; any other is asked for its own operator."""
    return isinstance(other, (type(x), *FOREIGN)) or interop.library(other) is not None


def unary(op: str) -> Callable[[Array], Array]:
    """The operator of one array that an op is."""

    def method(self: Array) -> Array:
        return registry.OPS[op].function(self)

    return method


def binary(op: str) -> Callable[[Array, Any], Array]:
    """The operator of two operands that an op is."""

    def method(self: Array, other: Any) -> Array:
        if type(other) is type(self) or _taken(self, other):
            return registry.OPS[op].function(self, other)
        return NotImplemented

    return method


def comparison(op: str) -> Callable[[Array, Any], Array]:
    """``==`` or ``!=``: where neither side knew the other, Python would compare identities, which is no array."""
    compare = binary(op)

    def method(self: Array, other: Any) -> Array:
        if isinstance(other, (Sequence, Set, Mapping)) and not isinstance(other, (str, bytes)):
            raise ArgumentError(
                f"{op}: x2: expected an array or a number, got {type(other).__qualname__}; accel.asarray may convert it"
            )
        return compare(self, other)

    return method


def operator(op: str) -> tuple[Callable[[Array, Any], Array], ...]:
    """An operator of two operands, its reflection, and its in-place form."""

    def reflected(self: Array, other: Any) -> Array:
        return registry.OPS[op].function(other, self) if _taken(self, other) else NotImplemented

    def inplace(self: Array, other: Any) -> Array:
        return _in_place(op, self, other) if _taken(self, other) else NotImplemented

    return binary(op), reflected, inplace


def _in_place(op: str, x: Array, other: Any) -> Array:
    """x with op(x, other) as its elements: shape and dtype stay, and every view of x sees the new elements."""
    check_writable(f"{op} in place", x)
    operands, _ = interop.adopt(op, x1=x, x2=other)
    operands = interop.scalars(op, ("x1", "x2"), operands)
    spec, result = registry.OPS[op], None
    if spec.primitive == "pointwise":
        dtype = promote(*(each.dtype for each in operands))
        shape = broadcast_shapes(*(each.shape for each in operands), what=op)
    else:
        result = spec.function(*operands)
        dtype, shape = result.dtype, result.shape
    if dtype is not x.dtype or shape != x.shape:
        kind = ShapeError if dtype is x.dtype else DtypeError
        raise kind(f"{op}: in place, {x.dtype}{x.shape} would have to become {dtype}{shape}; write x = {op}(x, y)")
    if result is not None:
        registry.OPS["copy"].function(result, out=x)
    elif x.size:
        dispatch.call(spec, operands, None, x)
    return x


def check_writable(op: str, x: Array, argument: str = "x") -> None:
    """Raises ArgumentError where x is read-only, or where several of its elements are one in memory."""
    if is_readonly(x):
        raise ArgumentError(f"{op}: {argument}: the array is read-only")
    if stretched(x.layout):
        how = f"shape {x.shape}, strides {x.strides}"
        raise ArgumentError(f"{op}: {argument}: the array is stretched ({how}): copy it first")


BINARY = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "divide",
    "floordiv": "floor_divide",
    "mod": "remainder",
    "pow": "pow",
    "matmul": "matmul",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
    "lshift": "bitwise_left_shift",
    "rshift": "bitwise_right_shift",
}
EQUALITY = {"eq": "equal", "ne": "not_equal"}
ORDER = {
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
}
UNARY = {"neg": "negative", "pos": "positive", "abs": "abs", "invert": "bitwise_invert"}


def attach() -> None:
    """Gives `Array` its operators."""
    for name, op in BINARY.items():
        for prefix, method in zip(("", "r", "i"), operator(op), strict=True):
            setattr(Array, f"__{prefix}{name}__", method)
    for name, op in EQUALITY.items():
        setattr(Array, f"__{name}__", comparison(op))
    for name, op in ORDER.items():
        setattr(Array, f"__{name}__", binary(op))
    for name, op in UNARY.items():
        setattr(Array, f"__{name}__", unary(op))


attach()

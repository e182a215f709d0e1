"""Arithmetic of complex numbers: each result is a few real operations on real and imaginary parts, each rounded by
itself. A real operand is one part, and is not widened to two where that saves operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...array import Array
from ...dtypes import promote
from ...layout import Layout
from ...registry import OPS
from ..primitive.pointwise import astype, fn
from .rule import alike, all_complex, both, number, rule, split


def _whole(x: Array) -> tuple[Array, Array | float]:
    """An operand's parts; the imaginary one of a real operand is 0."""
    re, im = split(x)
    return re, 0.0 if im is None else im


@rule(OPS["add"], all_complex)
def _add(x1: Array, x2: Array, params: None) -> Array:
    (a, b), (c, d) = map(_whole, (x1, x2))
    return both(fn.add(a, c), fn.add(b, d))


@rule(OPS["subtract"], all_complex)
def _subtract(x1: Array, x2: Array, params: None) -> Array:
    (a, b), (c, d) = map(_whole, (x1, x2))
    return both(fn.subtract(a, c), fn.subtract(b, d))


def _by_real(layouts: tuple[Layout, ...]) -> bool:
    """Whether one factor is real."""
    return not all_complex(layouts)


@rule(OPS["multiply"], _by_real)
def _multiply(x1: Array, x2: Array, params: None) -> Array:
    (a, b), (c, d) = split(x1), split(x2)
    return both(a * c - b * d, a * d + b * c)


SCALES = {"float32": (2.0**40, 2.0**-40, 2.0**45), "float64": (2.0**340, 2.0**-340, 2.0**375)}
"""By dtype: above the first number and below the second, numbers are scaled by the square of the third, down or up.
Then they are within its power of +-1.4, so that neither their products nor quotients of these overflow, and what
underflows is smaller than the rest by more than all of its digits."""


def scaled(*parts: Array) -> tuple[list[Array], Array, Array]:
    """Parts times a power of two which brings the larger one near 1; the root of that power; and the largest magnitude
    as it was."""
    size = fn.abs(parts[0])
    for other in parts[1:]:
        size = fn.maximum(size, fn.abs(other))
    high, low, root = SCALES[size.dtype.name]
    down, up = size > high, size < low
    by = fn.where(down, number(1 / root, size), fn.where(up, number(root, size), 1.0))
    return [x * by * by for x in parts], by, size


def quotient(a: Array, b: Array | None, c: Array, d: Array) -> tuple[Array, Array]:
    """(a + bi) / (c + di) for floating parts of one dtype: (ac + bd, bc - ad) / (cc + dd), of operands that are scaled
    by powers of two, each so that its larger part is near 1."""
    (c1, d1), down, size = scaled(c, d)
    infinite = fn.isinf(size)  # where the divisor is infinite its direction counts, and the quotient is 0
    c1, d1 = (fn.where(infinite, fn.copysign(fn.where(fn.isinf(x), 1.0, 0.0), x), s) for x, s in ((c, c1), (d, d1)))
    if b is None:
        (a1,), up, _ = scaled(a)
        re, im = a1 * c1, fn.negative(a1 * d1)
    else:
        (a1, b1), up, _ = scaled(a, b)
        re, im = a1 * c1 + b1 * d1, b1 * c1 - a1 * d1
    norm = c1 * c1 + d1 * d1
    back = fn.where(infinite, 0.0, down / up)
    zero, sign = fn.equal(size, 0.0), fn.copysign(0.0, c)
    re = fn.where(zero, a / sign, re / norm * back * back)
    im = fn.where(zero, (0.0 if b is None else b) / sign, im / norm * back * back)
    return re, im


def floats(*operands: Array) -> list[Array | None]:
    """The parts of all operands, in the one floating dtype that they promote to."""
    common = promote(*(x.dtype for x in operands)).component
    return [None if p is None else astype(p, common, copy=False) for x in operands for p in split(x)]


@rule(OPS["divide"], lambda layouts: layouts[1].dtype.kind != "c")
def _divide(x1: Array, x2: Array, params: None) -> Array:
    a, b, c, d = floats(x1, x2)
    return both(*quotient(a, b, c, d))


@rule(OPS["reciprocal"])
def _reciprocal(x: Array, params: None) -> Array:
    re, im = split(x)
    return both(*quotient(fn.copysign(1.0, fn.abs(re)), None, re, im))


@rule(OPS["square"])
def _square(x: Array, params: None) -> Array:
    return x * x  # which has the same bits, and a kernel


for _name in ("negative", "positive", "round"):
    alike(OPS[_name])


@rule(OPS["abs"])
def _abs(x: Array, params: None) -> Array:
    re, im = split(x)
    result: Array = fn.hypot(re, im)
    return result


@rule(OPS["sign"])
def _sign(x: Array, params: None) -> Array:
    """x / abs(x), of the number scaled by a power of two; 0 of 0."""
    re, im = split(x)
    (a, b), _, size = scaled(re, im)
    length, zero = fn.hypot(a, b), fn.equal(size, 0.0)
    return both(fn.where(zero, 0.0, a / length), fn.where(zero, 0.0, b / length))


def _compared(name: str, joined: Callable[..., Any]) -> None:
    @rule(OPS[name])
    def compared(x1: Array, x2: Array, params: None) -> Array:
        (a, b), (c, d) = map(_whole, (x1, x2))
        result: Array = joined(getattr(fn, name)(a, c), getattr(fn, name)(b, d))
        return result


_compared("equal", fn.logical_and)
_compared("not_equal", fn.logical_or)


def _tested(name: str, joined: Callable[..., Any]) -> None:
    @rule(OPS[name])
    def tested(x: Array, params: None) -> Array:
        result: Array = joined(*map(getattr(fn, name), split(x)))
        return result


_tested("isfinite", fn.logical_and)
_tested("isinf", fn.logical_or)
_tested("isnan", fn.logical_or)

__all__ = ["floats", "quotient", "scaled"]

"""Complex arrays and their parts: real and imaginary, one beside the other in memory.

Kernels know real numbers only. They see a complex array as the view of its real parts and that of its imaginary ones,
each with twice the strides, or as one real array with a last axis of length 2.
"""

from __future__ import annotations

from typing import Any

from .array import Array, Pair, Symbol, empty
from .conversion import constant, given_number
from .dtypes import complex_of
from .errors import ArgumentError
from .layout import Layout, layout
from .registry import OPS


def half(its: Layout) -> Layout:
    """How the real, and the imaginary, parts of an array lie."""
    return layout(its.dtype.component, its.shape, tuple(2 * step for step in its.strides), its.device)


def halves(x: Array) -> tuple[Array, Array]:
    """The parts of a complex array in memory, as views."""
    its = half(x.layout)
    return Array(x.buffer, 2 * x.offset, its), Array(x.buffer, 2 * x.offset + 1, its)


def parts(x: Array) -> tuple[Array, Array]:
    """The real and imaginary parts of a complex array, as views; those of a Python number are two numbers, so that they
    are constants as it is."""
    if isinstance(x.buffer, Pair):
        return x.buffer.parts(x)
    number = given_number(x)
    if number is None:
        return halves(x)
    re, im = (constant(float(value), x.dtype.component, x.device) for value in (number.real, number.imag))
    return re.view(x.shape, (0,) * x.ndim), im.view(x.shape, (0,) * x.ndim)


def interleaved(x: Array) -> Array:
    """A complex array in memory as a real one, with a last axis of its two parts."""
    its = layout(x.dtype.component, (*x.shape, 2), (*(2 * step for step in x.strides), 1), x.device)
    return Array(x.buffer, 2 * x.offset, its)


def joined(x: Array) -> Array:
    """The complex array that a real one is, of which the last axis has the two parts, one beside the other."""
    *shape, _ = x.shape
    strides = tuple(step // 2 for step in x.strides[:-1])
    return Array(x.buffer, x.offset // 2, layout(complex_of(x.dtype), tuple(shape), strides, x.device))


def pair(re: Array, im: Array, scale: int = 1) -> Array:
    """The complex array of two real ones of one layout, which are not moved."""
    strides = tuple(step // scale for step in re.strides)
    return Array(Pair(re, im, scale), 0, layout(complex_of(re.dtype), re.shape, strides, re.device))


def is_apart(x: Any) -> bool:
    """Whether an array's parts lie apart."""
    return isinstance(x.buffer, Pair)


def settled(x: Array) -> Array:
    """The array in memory, if its parts lie apart. Raises ArgumentError for one of a trace."""
    if not isinstance(x.buffer, Pair):
        return x
    re, im = x.buffer.parts(x)
    for part in (re, im):
        if isinstance(part.buffer, Symbol):
            raise ArgumentError(part.buffer.unreadable())
    made = empty(x.shape, x.dtype, x.device)
    for part, place in zip((re, im), halves(made), strict=True):
        if part.size:
            OPS["copy"].function(part, out=place)
    return made


__all__ = ["half", "halves", "interleaved", "is_apart", "joined", "pair", "parts", "settled"]

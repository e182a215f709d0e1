"""Real and imaginary parts as views, and conjugates."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ... import interop
from ...array import Array
from ...errors import DtypeError
from ...parts import parts
from ...registry import OPS
from ..primitive.pointwise import fn
from ..views import viewed
from .rule import both, rule, split


def real(x: Any, /) -> Any:
    """The real parts of an array, as a view; a real array as it is. Raises DtypeError for booleans."""
    array, restore = viewed("real", x)
    return restore(_numeric("real", array) if array.dtype.kind != "c" else parts(array)[0])


def imag(x: Any, /) -> Any:
    """The imaginary parts of a complex array, as a view. Raises DtypeError for real arrays."""
    array, restore = viewed("imag", x)
    if array.dtype.kind != "c":
        raise DtypeError(f"imag: x: takes complex dtypes, got {array.dtype}")
    return restore(parts(array)[1])


def conj(x: Any, /) -> Any:
    """The complex conjugates: imaginary parts change their signs. A real array as it is. Raises DtypeError for
    booleans."""
    array, restore = viewed("conj", x)
    if array.dtype.kind != "c":
        return restore(_numeric("conj", array))
    return interop.enter(CONJ, (x,))


def _numeric(op: str, x: Array) -> Array:
    if x.dtype.kind == "b":
        raise DtypeError(f"{op}: x: takes numeric dtypes, got {x.dtype}")
    return x


def square(x: Array) -> Array:
    """The squares of magnitudes."""
    re, im = split(x)
    result: Array = fn.square(re) if im is None else re * re + im * im
    return result


CONJ = replace(OPS["positive"], name="conj", function=conj)
"""Not in the op table: of real numbers nothing is computed."""


@rule(CONJ)
def _conj(x: Array, params: None) -> Array:
    re, im = split(x)
    return both(fn.positive(re), fn.negative(im))


__all__ = ["conj", "imag", "real", "square"]

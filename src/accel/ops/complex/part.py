"""Real and imaginary parts as views, and conjugates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ... import dispatch, interop
from ...array import Array
from ...complex_plan import Moved
from ...conversion import constant
from ...errors import DtypeError
from ...parts import is_apart, parts
from ...registry import OPS
from ..primitive.pointwise import fn
from ..views import viewed
from .rule import View, both, serve, split


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


class _Conjugates(Moved):
    """Parts that lie side by side are multiplied by 1 and -1, which is exact, in one launch."""

    def run(self, arrays: Sequence[Array], out: Any) -> Array:
        if out is not None or not is_apart(arrays[0]):
            return super().run(arrays, out)
        re, im = split(arrays[0])
        return both(fn.positive(re), fn.negative(im))


def _signs(arrays: Sequence[Array], view: View, more: int) -> list[Array]:
    (x,) = arrays
    return [view(x), view(constant(1 - 1j, x.dtype, x.device))]


serve(CONJ, adapt=lambda layouts, params: _Conjugates(dispatch.call, OPS["multiply"], (None, None), _signs))


__all__ = ["conj", "imag", "real", "square"]

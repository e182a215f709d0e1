"""Methods of `Array` that users of NumPy type without thinking: each is the function of that name.

Axes may be given by position, as in NumPy, and lengths and axes one by one or as a tuple.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import registry
from .arguments import word
from .array import Array
from .conversion import to_numpy
from .errors import ArgumentError, shown
from .ops import rearranging
from .ops.complex import part
from .ops.primitive.pointwise import astype, clip
from .ops.views import permute_dims, reshape, squeeze
from .protocols import attached
from .view_memo import remembered


def _no_out(name: str, out: Any) -> None:
    if out is not None:
        raise ArgumentError(f"{name}: out: a method writes into no array; expected None, got {shown(out)}")


def _along_axes(name: str, dtype: bool) -> None:
    """A reduction as a method. dtype: whether NumPy's takes one, after the axis. NumPy's functions call methods with
    out=None."""
    function = registry.OPS[name].function

    def plain(self: Array, axis: Any = None, out: None = None, **keywords: Any) -> Array:
        _no_out(name, out)
        if name in ("std", "var") and "ddof" in keywords:  # NumPy's name
            keywords["correction"] = keywords.pop("ddof")
        result: Array = function(self, axis=axis, **keywords)
        return result

    def with_dtype(self: Array, axis: Any = None, dtype: Any = None, out: None = None, **keywords: Any) -> Array:
        return plain(self, axis, out, **keywords, **({} if dtype is None else {"dtype": dtype}))

    method = with_dtype if dtype else plain
    method.__name__ = name
    method.__doc__ = f"`accel.{name}` of the array; the axis may be given by position."
    attached(method)


for _name in ("sum", "prod", "mean", "std", "var"):
    _along_axes(_name, dtype=True)
for _name in ("max", "min", "any", "all", "argmax", "argmin"):
    _along_axes(_name, dtype=False)


def _cumulative(name: str, function: Callable[..., Any]) -> None:
    def method(self: Array, axis: int | None = None, dtype: Any = None, out: None = None) -> Array:
        _no_out(name, out)
        result: Array = function(ravel(self) if axis is None else self, axis=axis, dtype=dtype)
        return result

    method.__name__ = name
    method.__doc__ = f"`accel.{function.__name__}` along an axis; None: of all elements in row-major order."
    attached(method)


_cumulative("cumsum", registry.OPS["cumulative_sum"].function)
_cumulative("cumprod", registry.OPS["cumulative_prod"].function)


def _tuple(given: tuple[Any, ...]) -> Any:
    return given[0] if len(given) == 1 else given


def _reshape(self: Array, *shape: Any) -> Array:
    """`accel.reshape`: a view where strides express it, else a copy. shape: lengths, or one tuple of them."""
    return reshape(self, _tuple(shape))


def _transpose(self: Array, *axes: Any) -> Array:
    """A view with the axes in this order, or in the reverse one where none is given."""
    given = _tuple(axes) if axes else None
    return _reversed(self) if given is None else permute_dims(self, given)


@remembered
def _reversed(x: Array) -> Array:
    return x.permute(range(x.ndim)[::-1])


def _squeeze(self: Array, axis: Any = None) -> Array:
    """A view without these axes of length 1; None: without all of them."""
    return _squeezed(self) if axis is None else squeeze(self, axis)


@remembered
def _squeezed(x: Array) -> Array:
    return squeeze(x, tuple(a for a, n in enumerate(x.shape) if n == 1))


def _clip(self: Array, min: Any = None, max: Any = None) -> Array:
    """`accel.clip` of the array."""
    return clip(self, min, max)


def _astype(self: Array, dtype: Any, copy: bool = True) -> Array:
    """`accel.astype` of the array."""
    return astype(self, dtype, copy=copy)


for _method, _name in (
    *((_reshape, "reshape"), (_transpose, "transpose"), (_squeeze, "squeeze")),
    *((_clip, "clip"), (_astype, "astype")),
):
    _method.__name__ = _name
    attached(_method)


@attached
def swapaxes(self: Array, axis1: int, axis2: int) -> Array:
    """A view with two axes exchanged."""
    result: Array = rearranging.swapaxes(self, axis1, axis2)
    return result


@attached
def diagonal(self: Array, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """A view of the diagonals of two axes, along a last axis."""
    result: Array = rearranging.diagonal(self, offset, axis1, axis2)
    return result


@attached
def trace(self: Array, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: None = None) -> Array:
    """The sum of a diagonal, as `accel.trace` has it."""
    _no_out("trace", out)
    result: Array = rearranging.trace(self, offset, axis1, axis2, dtype)
    return result


@attached
def ravel(self: Array) -> Array:
    """The elements in row-major order along one axis: a view where strides express it, else a copy."""
    return reshape(self, (self.size,))


@attached
def flatten(self: Array) -> Array:
    """A copy of the elements in row-major order along one axis."""
    return reshape(copy(self), (self.size,))


@attached
def copy(self: Array, order: str = "C") -> Array:
    """A copy, which lies row-major."""
    word("copy", "order", order, ("C",))
    return registry.OPS["copy"].function(self)


@attached
def round(self: Array) -> Array:
    """`accel.round` of the array: to whole numbers, half to even."""
    return registry.OPS["round"].function(self)


@attached
def conj(self: Array) -> Array:
    """`accel.conj` of the array."""
    result: Array = part.conj(self)
    return result


def _real(self: Array) -> Array:
    """The real parts, as a view; a real array is its own."""
    result: Array = part.real(self)
    return result


def _imag(self: Array) -> Array:
    """The imaginary parts, as a view. Raises DtypeError for real arrays."""
    result: Array = part.imag(self)
    return result


Array.real, Array.imag = property(_real), property(_imag)  # type: ignore[attr-defined]


@attached
def numpy(self: Array) -> np.ndarray:
    """The elements as a NumPy array: a view where the memory is the host's, else a copy."""
    return to_numpy(self)


@attached
def tolist(self: Array) -> Any:
    """The elements as nested lists of Python numbers; one number where there are no axes."""
    return to_numpy(self).tolist()

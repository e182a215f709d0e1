"""Functions of accel that are no rows of the op table, as such: those of any number of arrays, and of complex ones.

Of a complex array the cases have the real one that it is in memory, whose last axis has the two parts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import prod, sqrt
from typing import Any

import numpy as np

from ... import fft
from ...array import Array
from ...dtypes import FLOAT32, FLOAT64, as_dtype
from ...graph import interpret
from ...ops import bounds
from ...ops.composed.exact_fourier import eta
from ...ops.composed.exact_precision import wide
from ...ops.concatenation import Numbered, concat, stack
from ...ops.primitive.join import JOIN
from ...ops.spec import OpSpec
from ...parts import interleaved, joined, parts

# concat


def _concat(*arrays: Any, axis: int = 0) -> Any:
    return concat(arrays, axis=axis)


def _concatenated(*arrays: np.ndarray, axis: int = 0) -> np.ndarray:
    return np.concatenate(arrays, axis=axis)


# Fourier transforms


def as_real(x: np.ndarray) -> np.ndarray:
    """NumPy's complex array, with the parts along a last axis."""
    return np.stack([x.real, x.imag], axis=-1)


def as_complex(x: np.ndarray) -> np.ndarray:
    """The complex array of an array of parts, in the same precision."""
    found = np.empty(x.shape[:-1], np.result_type(x.dtype, np.complex64))
    found.real, found.imag = x[..., 0], x[..., 1]
    return found


def _transformed(function: Callable[..., Any], x: Any, **given: Any) -> Any:
    return interleaved(function(x, **given))


def _from_transformed(function: Callable[..., Any], x: Any, **given: Any) -> Any:
    return function(joined(x), **given)


def _canonical(function: Callable[..., Any], x: np.ndarray, **given: Any) -> Any:
    def both(array: Array) -> Array:
        result: Array = stack(parts(function(array, **given)), axis=-1)
        return result

    return interpret.canonical(both, x)


def _canonical_inverse(function: Callable[..., Any], x: np.ndarray, **given: Any) -> Any:
    return interpret.canonical(function, as_complex(x), **given)


def _exact(name: str, x: np.ndarray, **given: Any) -> np.ndarray:
    return as_real(getattr(np.fft, name)(wide(x), **given))


def _exact_inverse(name: str, x: np.ndarray, **given: Any) -> np.ndarray:
    found: np.ndarray = getattr(np.fft, name)(as_complex(wide(x)), **given)
    return found


def _bound(inverse: bool, exact: np.ndarray, x: np.ndarray, **given: Any) -> np.ndarray:
    """For every element the bound on the 2-norm of all: each pass along an axis adds its units of rounding."""
    axes = given.get("axes") or (given.get("axis", -1),)
    real = exact if inverse else x
    lengths = [real.shape[a] for a in axes]
    if given.get("norm", "backward") != "ortho":
        scale = 1.0 if not inverse else 1.0 / prod(lengths)
    else:
        scale = 1.0 / sqrt(prod(lengths))
    over = tuple(a % real.ndim for a in axes)
    size = np.sqrt(np.square(wide(x)).sum(axis=(*over, x.ndim - 1) if inverse else over, keepdims=True))
    size = size[..., 0] * 2 if inverse else size[..., None]
    dtype = as_dtype(x.dtype)
    units = sum(map(eta, lengths)) * bounds.unit_roundoff(dtype)
    return np.broadcast_to((units * sqrt(prod(lengths)) * scale * size).astype(np.float64), exact.shape)


def _transform(name: str, function: Callable[..., Any], inverse: bool) -> OpSpec:
    return replace(
        JOIN,
        name=name,
        primitive=name,
        summary=f"accel.fft.{function.__name__}",
        function=partial(_from_transformed if inverse else _transformed, function),
        canonical=partial(_canonical_inverse if inverse else _canonical, function),
        reference=partial(_exact_inverse if inverse else _exact, name),
        bound=partial(_bound, inverse),
        bits=lambda dtype, numerics: "bits",
        dtypes=(FLOAT32, FLOAT64),
        arguments=("x",),
        namespace="",
    )


SPECS: dict[str, OpSpec] = {
    "concat": replace(
        JOIN,
        name="concat",
        function=_concat,
        canonical=_concatenated,
        reference=_concatenated,
        arguments=Numbered(),
        namespace="",
    ),
    "rfft": _transform("rfft", fft.rfft, False),
    "rfft2": _transform("rfft2", fft.rfftn, False),
    "irfft2": _transform("irfft2", fft.irfftn, True),
}
"""By the op's name in cases."""


def numpy_function(name: str, keywords: dict[str, Any]) -> Callable[..., Any]:
    """NumPy's function of the operands."""
    if name == "concat":
        return lambda *arrays: np.concatenate(arrays, **keywords)
    function = getattr(np.fft, name)
    if name == "irfft2":
        return lambda x: function(x.view(np.result_type(x.dtype, np.complex64))[..., 0], **keywords)
    return lambda x: _viewed(function(x, **keywords))


def _viewed(x: np.ndarray) -> np.ndarray:
    return x.view(x.real.dtype).reshape(*x.shape, 2)


def torch_function(torch: Any, name: str, keywords: dict[str, Any]) -> Callable[..., Any]:
    """torch's function of the tensors of the operands."""
    given = {{"axis": "dim", "axes": "dim"}.get(key, key): value for key, value in keywords.items()}
    if name == "concat":
        return lambda *arrays: torch.cat(arrays, **given)
    function = getattr(torch.fft, name)
    if name == "irfft2":
        return lambda x: function(torch.view_as_complex(x), **given)
    return lambda x: torch.view_as_real(function(x, **given).contiguous())

"""Pools with a given number of windows. The functions are torch's: of n elements, window i of m begins at floor(i n /
m) and ends before ceil((i + 1) n / m)."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ...arguments import switch
from ...array import Array
from ...dtypes import FLOATS, INT64, DType
from ...errors import ArgumentError, shown
from ...layout import Shape, check_size
from ...memory import host_memory_for
from ..compose import Operand, composed
from ..pieces import filled
from ..primitive.pointwise import astype
from . import exact_pooling as exact
from .pooling import Results, counts, maxima, means, with_indices
from .selected import averages, first_largest, largest
from .windows import Windows, spatial, worded

TEXT = """The {what} of each of output_size windows of the last {axes}, which cover {them} evenly.

    x: (n, channels, {lengths}) or (channels, {lengths}), floating. output_size: one integer, or one for each axis,
    where None keeps its length. Of n elements, window i of m begins at floor(i n / m) and ends before
    ceil((i + 1) n / m). {more}
    Raises ShapeError, DtypeError, ArgumentError.
    """

LARGEST = (
    "NaN propagates. return_indices: whether the int64 places of the largest elements, as those of max_pool{axes}d, "
    "are a second result."
)
MEAN = "The sum by the canonical rule is divided once; float16 and bfloat16 are computed in float32."


def examples(name: str, dtype: DType) -> Any:
    """Those of an op of this file."""
    from ...testing import pooling_family

    return pooling_family.FAMILIES[name](dtype)


def _sizes(op: str, output_size: Any, lengths: Shape) -> Shape:
    given = output_size if isinstance(output_size, tuple) else (output_size,) * len(lengths)
    if len(given) == 1:
        given = given * len(lengths)
    whole = all(m is None or (isinstance(m, int) and not isinstance(m, bool) and m >= 0) for m in given)
    if len(given) != len(lengths) or not whole:
        raise ArgumentError(
            f"{op}: output_size: expected one integer, 0 or more, or {len(lengths)} of them, got {shown(output_size)}"
        )
    sizes = tuple(n if m is None else m for m, n in zip(given, lengths, strict=True))
    check_size(sizes, INT64)  # which places have
    return sizes


def bounds(n: int, m: int) -> tuple[np.ndarray, np.ndarray]:
    """Where windows begin, and their lengths."""
    with host_memory_for("the places of windows"):
        i = np.arange(m)
        first = i * n // max(m, 1)
        return first, -((-(i + 1) * n) // max(m, 1)) - first


def even(lengths: Shape, sizes: Shape) -> list[Windows] | None:
    """The windows where they have equal lengths and lie side by side."""
    if any(m == 0 or n % m for n, m in zip(lengths, sizes, strict=True)):
        return None
    return [Windows(n, n // m, n // m, 0, 1, m) for n, m in zip(lengths, sizes, strict=True)]


def places(lengths: Shape, sizes: Shape) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The places of windows' elements along each axis, the last one repeated, and how many there are."""
    each = [bounds(n, m) for n, m in zip(lengths, sizes, strict=True)]
    found = [first[:, None] + np.minimum(np.arange(its.max(initial=1)), its[:, None] - 1) for first, its in each]
    return found, [its for _, its in each]


def _largest(axes: int) -> Any:
    op = f"adaptive_max_pool{axes}d"

    def body(x: Operand, output_size: Any, return_indices: bool = False) -> Results:
        lengths = spatial(op, x, axes)
        sizes = _sizes(op, output_size, lengths)
        both = switch(op, "return_indices", return_indices)
        windows = even(lengths, sizes)
        if windows is not None:
            return with_indices(x, windows) if both else maxima(x, windows)
        where, _ = places(lengths, sizes)
        return first_largest(x, where) if both else largest(x, where)

    return _public(body, op, axes, "largest element", LARGEST.format(axes=axes), exact=True)


def _mean(axes: int) -> Any:
    op = f"adaptive_avg_pool{axes}d"

    def body(x: Operand, output_size: Any) -> Array:
        lengths = spatial(op, x, axes)
        sizes = _sizes(op, output_size, lengths)
        return averaged(x, lengths, sizes)

    return _public(body, op, axes, "mean", MEAN, widen=False)


def averaged(x: Array, lengths: Shape, sizes: Shape) -> Array:
    """The means of the windows."""
    windows = even(lengths, sizes)
    if windows is not None:
        return means(x, windows, counts(windows, False))
    if 0 in sizes or 0 in x.shape:
        return filled(0, (*x.shape[: x.ndim - len(sizes)], *sizes), x.dtype, x.device)
    where, its = places(lengths, sizes)
    return astype(averages(astype(x, x.dtype.accumulator, copy=False), where, its), x.dtype, copy=False)


def _public(body: Any, op: str, axes: int, what: str, more: str, **columns: Any) -> Any:
    name, them = {1: ("axis", "it"), 2: ("two axes", "them"), 3: ("three axes", "them")}[axes]
    lengths = {1: "length", 2: "height, width", 3: "depth, height, width"}[axes]
    body.__name__ = op
    body.__doc__ = worded(TEXT, what=what, axes=name, them=them, lengths=lengths, more=more)
    return composed(reference=getattr(exact, op), samples=partial(examples, op), dtypes=FLOATS, **columns)(body)


adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d = map(_largest, (1, 2, 3))
adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d = map(_mean, (1, 2, 3))

"""Complex numbers in NumPy's order: by real parts, and equal ones by imaginary parts; numbers without NaN first, then
those whose imaginary part alone is NaN."""

from __future__ import annotations

from ...array import Array
from ...dtypes import INT64
from ..primitive.gather import picked
from ..primitive.pointwise import astype, fn
from ..primitive.scan import cumulative_sum
from ..primitive.sort import argsort
from .rule import split


def ascending(x: Array) -> Array:
    """The places of a vector's complex numbers in ascending order: three stable sorts, of the last key first."""
    re, im = split(fn.add(x, 0.0))  # no zero is negative
    assert im is not None
    order = argsort(im)
    for key in (re, astype(fn.isnan(im), INT64) + astype(fn.isnan(re), INT64) * 2):
        order = picked(order, argsort(picked(key, order)))
    return order


def numbered(x: Array) -> Array:
    """An int64 for each complex number of a vector that is not empty, the same for equal ones only."""
    order = ascending(x)
    sorted_ = picked(x, order)
    number = cumulative_sum(astype(sorted_[1:] != sorted_[:-1], INT64), include_initial=True)
    return picked(number, argsort(order))

"""How many elements are not zero, and which are among others."""

from __future__ import annotations

from functools import partial
from typing import Any

from ...arguments import switch
from ...array import Array
from ...dtypes import BOOL, TABLE, DType, promote
from ..complex.order import numbered
from ..compose import MovedOperand, composed
from ..concatenation import concat
from ..primitive.gather import picked
from ..primitive.pointwise import astype, fn
from ..primitive.reduce import Axes, normalize_axes, sum
from ..primitive.search import searchsorted
from ..primitive.sort import sort
from ..views import reshape
from . import exact_counting


def examples(name: str, dtype: DType) -> Any:
    """Those of an op of this file."""
    from ...testing import search_family

    return search_family.FAMILIES[name](dtype)


@composed(
    reference=exact_counting.count_nonzero,
    samples=partial(examples, "count_nonzero"),
    namespace="",
    dtypes=tuple(TABLE.values()),
    exact=True,
)
def count_nonzero(x: MovedOperand, /, *, axis: Axes = None, keepdims: bool = False) -> Array:
    """How many elements are not zero over axes (None: all), as int64. NaN is not zero. Raises AxisError,
    ArgumentError."""
    axes = normalize_axes("count_nonzero", axis, x.ndim)
    return sum(astype(x, BOOL, copy=False), axis=axes, keepdims=switch("count_nonzero", "keepdims", keepdims))


@composed(
    reference=exact_counting.isin,
    samples=partial(examples, "isin"),
    namespace="",
    dtypes=tuple(TABLE.values()),
    exact=True,
    scalars=True,
)
def isin(x1: MovedOperand, x2: MovedOperand, /, *, invert: bool = False) -> Array:
    """Whether each element of x1 is equal to some element of x2, or to none where ``invert``: booleans of x1's shape.

    x1, x2: arrays of any dtypes, of which one may be a Python number. NaN equals nothing, -0 equals +0. x2 is sorted,
    and each element of x1 searched for in it; complex numbers are numbered first, by sorting both. Raises DtypeError,
    ArgumentError.
    """
    invert = switch("isin", "invert", invert)
    common = promote(x1.dtype, x2.dtype)
    x1, x2 = astype(x1, common, copy=False), astype(x2, common, copy=False)
    if x2.size == 0:
        same = x1 == x1
        return fn.logical_or(same, True) if invert else fn.logical_and(same, False)
    if common.kind == "c":
        both = numbered(concat([reshape(x1, (x1.size,)), reshape(x2, (x2.size,))]))
        x1, x2 = reshape(both[: x1.size], x1.shape), both[x1.size :]
    values = sort(reshape(x2, (x2.size,)))
    found = picked(values, fn.minimum(searchsorted(values, x1), x2.size - 1))
    return found != x1 if invert else found == x1

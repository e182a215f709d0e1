"""Whether arrays are close to each other, or equal, with NumPy's names."""

from __future__ import annotations

from typing import Any

from ... import interop
from ...arguments import real, switch
from ...array import Array
from ...dtypes import BOOL, FLOAT32, INT64, TABLE, UINT64, DType, promote
from ..compose import MovedOperand, composed
from ..pieces import filled
from ..primitive.pointwise import astype, copy, fn
from ..primitive.reduce import all
from . import exact_statistics as exact
from .elementwise import close


def _samples(dtype: DType) -> Any:
    from ...testing import statistics_family

    return statistics_family.FAMILIES["allclose"](dtype)


@composed(
    reference=exact.allclose,
    samples=_samples,
    namespace="",
    widen=False,
    dtypes=tuple(TABLE.values()),
)
def allclose(
    x1: MovedOperand, x2: MovedOperand, /, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Array:
    """Whether all elements are close: abs(x1 - x2) <= atol + rtol * abs(x2), or equal, as infinities may be.

    x1, x2: arrays that broadcast against each other. equal_nan: whether NaN is close to NaN. Differences of integers
    are exact; all else is computed in the operands' dtype, float32 for 16-bit floats and integers. Result: bool,
    without axes. Raises ShapeError, DtypeError, ArgumentError.
    """
    relative, absolute = real("allclose", "rtol", rtol), real("allclose", "atol", atol)
    equal_nan = switch("allclose", "equal_nan", equal_nan)
    common = promote(x1.dtype, x2.dtype)
    wide = (
        common
        if common.kind == "c"
        else common.accumulator
        if common.kind == "f"
        else INT64
        if common.kind in "bi"
        else UINT64
    )
    a, b = (astype(x, wide, copy=False) for x in (x1, x2))
    if common.kind in "fc":
        near = close(a, b, relative, absolute, equal_nan)
    else:
        distance = astype(astype(fn.maximum(a, b) - fn.minimum(a, b), UINT64, copy=False), FLOAT32)
        near = distance <= absolute + relative * fn.abs(astype(b, FLOAT32))
        near = fn.logical_or(near, fn.equal(a, b))
    return all(near)  # type: ignore[no-any-return]


def array_equal(x1: Any, x2: Any, /, equal_nan: bool = False) -> Any:
    """Whether two arrays have one shape and equal elements, as a bool without axes; nothing is broadcast.

    equal_nan: whether NaN equals NaN. Raises DtypeError for dtypes that do not promote, ArgumentError.
    """
    equal_nan = switch("array_equal", "equal_nan", equal_nan)
    (a, b), restore = interop.adopt("array_equal", x1=x1, x2=x2)
    a, b = interop.scalars("array_equal", ("x1", "x2"), [a, b])
    if a.shape != b.shape:
        return restore(copy(filled(False, (), BOOL, a.device)))
    same = fn.equal(a, b)
    if equal_nan and a.dtype.kind in "fc" and b.dtype.kind in "fc":
        same = fn.logical_or(same, fn.logical_and(fn.isnan(a), fn.isnan(b)))
    return restore(all(same))

"""Integrals of functions that are given by samples, and their values between the samples."""

from __future__ import annotations

from functools import partial
from math import inf
from typing import Any

from ...arguments import real
from ...array import Array
from ...dtypes import DType, promote
from ...errors import ArgumentError, ShapeError
from ..compose import Operand, composed
from ..concatenation import concat
from ..primitive.gather import take
from ..primitive.pointwise import astype, fn
from ..primitive.reduce import sum
from ..primitive.search import searchsorted
from ..primitive.sort import argsort
from ..views import reshape
from . import exact_statistics as exact
from .softmax import one_axis


def examples(name: str, dtype: DType) -> Any:
    """Those of an op of this file."""
    from ...testing import statistics_family

    return statistics_family.FAMILIES[name](dtype)


@composed(reference=exact.trapezoid, samples=partial(examples, "trapezoid"), namespace="")
def trapezoid(y: Operand, /, x: Operand | None = None, dx: float = 1.0, axis: int = -1) -> Array:
    """The integral of samples along an axis by the trapezoidal rule: the sum of (y[i] + y[i + 1]) * (x[i + 1] - x[i]),
    divided by 2.

    y: floating. x: where the samples are, a vector or of y's number of axes; without it they are dx apart. Of fewer
    than two samples: 0. float16 and bfloat16 are computed in float32 and rounded once. Raises ShapeError, DtypeError,
    AxisError, ArgumentError.
    """
    (along,) = one_axis("trapezoid", axis, y.ndim)
    step = real("trapezoid", "dx", dx)
    pairs = _ends(y, along)
    if x is None:
        return sum(fn.add(*pairs), axis=along) * (step / 2.0)  # type: ignore[no-any-return]
    if x.ndim == 1:
        x = reshape(x, tuple(x.size if a == along else 1 for a in range(y.ndim)))
    if x.ndim != y.ndim or any(n not in (1, m) for n, m in zip(x.shape, y.shape, strict=True) if n != m):
        raise ShapeError(f"trapezoid: x: has shape {x.shape}, which does not broadcast to that of y, {y.shape}")
    if x.shape[along] != y.shape[along]:
        raise ShapeError(f"trapezoid: x: has {x.shape[along]} places along axis {along}, y {y.shape[along]}")
    low, high = _ends(x, along)
    return sum((high - low) * fn.add(*pairs), axis=along) * 0.5  # type: ignore[no-any-return]


def _ends(x: Array, axis: int) -> tuple[Array, Array]:
    """Views of the elements but the last, and but the first."""
    lead = (slice(None),) * axis
    return x[(*lead, slice(None, -1))], x[(*lead, slice(1, None))]


@composed(reference=exact.interp, samples=partial(examples, "interp"), namespace="")
def interp(
    x: Operand,
    /,
    xp: Operand,
    fp: Operand,
    left: float | None = None,
    right: float | None = None,
    period: float | None = None,
) -> Array:
    """The values at x of the function that goes in straight lines through the points (xp, fp).

    x: floating, of any shape. xp, fp: vectors of one length; xp ascends, which is not looked at. left, right: what the
    function is below and above xp, the first and the last value of fp unless given. period: of the function, with
    which xp need not ascend, and which takes the place of left and right. NaN where x is NaN. float16 and bfloat16 are
    computed in float32 and rounded once. Raises ShapeError, DtypeError, ArgumentError.
    """
    for name, vector in (("xp", xp), ("fp", fp)):
        if vector.ndim != 1 or not vector.size:
            raise ShapeError(f"interp: {name}: expected a vector of at least one element, got shape {vector.shape}")
    if xp.size != fp.size:
        raise ShapeError(f"interp: xp, fp: have {xp.size} and {fp.size} elements")
    low, high = (None if v is None else real("interp", n, v) for n, v in (("left", left), ("right", right)))
    wide = promote(x.dtype, xp.dtype, fp.dtype)
    x, xp, fp = (astype(v, wide, copy=False) for v in (x, xp, fp))
    if period is not None:
        length = real("interp", "period", period)
        if not 0.0 < abs(length) < inf:
            raise ArgumentError(f"interp: period: expected a number other than 0, got {length}")
        x, xp, fp = _periodic(x, xp, fp, abs(length))
        low = high = None
    last = xp.size - 1
    if last:
        at = searchsorted(xp[1:-1], x, side="right")
        x0, f0 = take(xp, at), take(fp, at)
        x1, f1 = take(xp, at + 1), take(fp, at + 1)
        slope = (f1 - f0) / (x1 - x0)
        from_left, from_right = slope * (x - x0) + f0, slope * (x - x1) + f1
        between = fn.where(fn.isnan(from_left), from_right, from_left)  # where a value is infinite
        between = fn.where(fn.logical_and(fn.isnan(between), fn.equal(f0, f1)), f0, between)
        between = fn.where(fn.equal(x, x0), f0, between)
    else:
        between = x
    below, above = (fp[at] if v is None else v for at, v in ((0, low), (last, high)))
    found = fn.where(x < xp[0], below, fn.where(x > xp[last], above, between))
    found = fn.where(fn.equal(x, xp[last]), fp[last], found)
    return fn.where(fn.isnan(x), x, found)  # type: ignore[no-any-return]


def _periodic(x: Array, xp: Array, fp: Array, period: float) -> tuple[Array, Array, Array]:
    """All places within one period, and the points in order with a neighbour on both sides."""
    x, xp = fn.remainder(x, period), fn.remainder(xp, period)
    order = argsort(xp)
    xp, fp = take(xp, order), take(fp, order)
    xp = concat([xp[-1:] - period, xp, xp[:1] + period])
    return x, xp, concat([fp[-1:], fp, fp[:1]])

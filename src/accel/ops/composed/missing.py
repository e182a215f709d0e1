"""Reductions that leave out NaN, with NumPy's names: `nansum` and its family."""

from __future__ import annotations

from functools import partial
from typing import Any

from ...arguments import real, switch
from ...array import Array
from ...dtypes import BOOL, TABLE, DType
from ...errors import ArgumentError, DtypeError, shown
from ...layout import Shape
from ..compose import AnyOperand, Operand, composed
from ..primitive.pointwise import astype, fn
from ..primitive.reduce import Axes, all, any, argmax, max, min, normalize_axes, prod, sum
from ..views import squeeze
from . import exact_missing as exact

EVERY = tuple(TABLE.values())
NUMBERS = tuple(dtype for dtype in EVERY if dtype is not BOOL)


def examples(name: str, dtype: DType) -> Any:
    """Those of an op of this file."""
    from ...testing import missing_family

    return missing_family.reductions(name, dtype)


def _rounds(dtype: DType, numerics: str) -> str:
    return "bits" if dtype.kind == "f" else "exact"


@composed(
    reference=exact.nansum,
    samples=partial(examples, "nansum"),
    namespace="",
    widen=False,
    dtypes=EVERY,
    bits=_rounds,
)
def nansum(x: AnyOperand, /, axis: Axes = None, dtype: Any = None, *, keepdims: bool = False) -> Array:
    """`sum` over axes with 0 in the place of NaN.

    dtype, keepdims: as in `sum`. Raises AxisError, DtypeError, ArgumentError.
    """
    keepdims = switch("nansum", "keepdims", keepdims)
    return sum(_filled(x, 0.0), axis=normalize_axes("nansum", axis, x.ndim), dtype=dtype, keepdims=keepdims)


@composed(
    reference=exact.nanprod,
    samples=partial(examples, "nanprod"),
    namespace="",
    widen=False,
    dtypes=EVERY,
    bits=_rounds,
)
def nanprod(x: AnyOperand, /, axis: Axes = None, dtype: Any = None, *, keepdims: bool = False) -> Array:
    """`prod` over axes with 1 in the place of NaN.

    dtype, keepdims: as in `prod`. Raises AxisError, DtypeError, ArgumentError.
    """
    keepdims = switch("nanprod", "keepdims", keepdims)
    return prod(_filled(x, 1.0), axis=normalize_axes("nanprod", axis, x.ndim), dtype=dtype, keepdims=keepdims)


@composed(
    reference=exact.nanmax,
    samples=partial(examples, "nanmax"),
    namespace="",
    dtypes=EVERY,
    exact=True,
)
def nanmax(x: AnyOperand, /, axis: Axes = None, *, keepdims: bool = False) -> Array:
    """Largest element over axes that is not NaN; NaN where all are.

    Raises ShapeError where there is nothing to choose from, AxisError, ArgumentError.
    """
    return _dropped("nanmax", _extreme(x, normalize_axes("nanmax", axis, x.ndim), True), axis, keepdims)


@composed(
    reference=exact.nanmin,
    samples=partial(examples, "nanmin"),
    namespace="",
    dtypes=EVERY,
    exact=True,
)
def nanmin(x: AnyOperand, /, axis: Axes = None, *, keepdims: bool = False) -> Array:
    """Smallest element over axes that is not NaN; NaN where all are.

    Raises ShapeError where there is nothing to choose from, AxisError, ArgumentError.
    """
    return _dropped("nanmin", _extreme(x, normalize_axes("nanmin", axis, x.ndim), False), axis, keepdims)


@composed(
    reference=exact.nanargmax,
    samples=partial(examples, "nanargmax"),
    namespace="",
    dtypes=NUMBERS,
    exact=True,
)
def nanargmax(x: AnyOperand, /, axis: int | None = None, *, keepdims: bool = False) -> Array:
    """int64 index of the first largest element along an axis, or in the flattened array (None), that is not NaN.

    Where all are NaN the index is -1: what is in an array is not looked at before a result is there, so that nothing is
    raised. Raises ShapeError where there is nothing to choose from, DtypeError, AxisError, ArgumentError.
    """
    return _place("nanargmax", x, axis, keepdims, True)


@composed(
    reference=exact.nanargmin,
    samples=partial(examples, "nanargmin"),
    namespace="",
    dtypes=NUMBERS,
    exact=True,
)
def nanargmin(x: AnyOperand, /, axis: int | None = None, *, keepdims: bool = False) -> Array:
    """int64 index of the first smallest element along an axis, or in the flattened array (None), that is not NaN.

    Where all are NaN, and errors: as `nanargmax`.
    """
    return _place("nanargmin", x, axis, keepdims, False)


@composed(reference=exact.nanmean, samples=partial(examples, "nanmean"), namespace="")
def nanmean(x: Operand, /, axis: Axes = None, *, keepdims: bool = False) -> Array:
    """Mean over axes of the elements that are not NaN: their sum, divided once by how many they are. Of none: NaN.

    x: floating. float16 and bfloat16 are computed in float32 and rounded once. Raises DtypeError for other dtypes,
    AxisError, ArgumentError.
    """
    middle, _ = _mean(x, normalize_axes("nanmean", axis, x.ndim))
    return _dropped("nanmean", middle, axis, keepdims)


@composed(reference=exact.nanvar, samples=partial(examples, "nanvar"), namespace="")
def nanvar(x: Operand, /, axis: Axes = None, *, correction: float = 0.0, keepdims: bool = False) -> Array:
    """Variance over axes of the elements that are not NaN, as `var` computes it: NaN where n - correction of these n is
    not above 0.

    Raises DtypeError for dtypes that are not floating, AxisError, ArgumentError.
    """
    variance = _variance(x, normalize_axes("nanvar", axis, x.ndim), real("nanvar", "correction", correction))
    return _dropped("nanvar", variance, axis, keepdims)


@composed(reference=exact.nanstd, samples=partial(examples, "nanstd"), namespace="")
def nanstd(x: Operand, /, axis: Axes = None, *, correction: float = 0.0, keepdims: bool = False) -> Array:
    """Standard deviation over axes of the elements that are not NaN: the square root of `nanvar`, which says what the
    arguments are."""
    variance = _variance(x, normalize_axes("nanstd", axis, x.ndim), real("nanstd", "correction", correction))
    return _dropped("nanstd", fn.sqrt(variance), axis, keepdims)


def _filled(x: Array, value: float) -> Array:
    result: Array = fn.where(fn.isnan(x), value, x) if x.dtype.kind == "f" else x
    return result


def _dropped(op: str, result: Array, axis: Axes, keepdims: Any) -> Array:
    """A result whose reduced axes were kept, with or without them."""
    if switch(op, "keepdims", keepdims):
        return result
    found: Array = squeeze(result, axis=normalize_axes(op, axis, result.ndim))
    return found


def _extreme(x: Array, axes: Shape, largest: bool) -> Array:
    """The largest or smallest element over axes, which stay with length 1."""
    choose = max if largest else min
    if x.dtype.kind != "f":
        return choose(x, axis=axes, keepdims=True)  # type: ignore[no-any-return]
    found = choose(_filled(x, float("-inf" if largest else "inf")), axis=axes, keepdims=True)
    none = all(fn.isnan(x), axis=axes, keepdims=True)
    return fn.where(none, float("nan"), found)  # type: ignore[no-any-return]


def _place(op: str, x: Array, axis: int | None, keepdims: Any, largest: bool) -> Array:
    """The first place of what is as large as the extreme; none is where that is NaN."""
    if isinstance(axis, tuple):
        raise ArgumentError(f"{op}: axis: expected an integer or None, got {shown(axis)}")
    if x.dtype is BOOL:
        raise DtypeError(f"{op}: x: takes integer and floating dtypes, got bool")
    keepdims = switch(op, "keepdims", keepdims)
    axes = normalize_axes(op, axis, x.ndim)
    found = fn.equal(x, _extreme(x, axes, largest))
    place = argmax(astype(found, "uint8"), axis=axis, keepdims=keepdims)
    result: Array = place
    if x.dtype.kind == "f":
        result = fn.where(any(found, axis=axes, keepdims=keepdims), place, -1)
    return result


def _mean(x: Array, axes: Shape) -> tuple[Array, Array]:
    """The mean over axes of what is not NaN, and how many these are; the axes stay with length 1."""
    count = sum(astype(fn.logical_not(fn.isnan(x)), "int64"), axis=axes, keepdims=True)
    count = astype(count, x.dtype)
    return sum(_filled(x, 0.0), axis=axes, keepdims=True) / count, count


def _variance(x: Array, axes: Shape, correction: float) -> Array:
    """Over axes, which stay with length 1."""
    middle, count = _mean(x, axes)
    distance = fn.where(fn.isnan(x), 0.0, x - middle)
    divisor = count - correction
    total = sum(fn.square(distance), axis=axes, keepdims=True)
    result: Array = fn.where(divisor > 0.0, total / divisor, float("nan"))
    return result

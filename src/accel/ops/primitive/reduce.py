"""Reductions over any axes: sum, prod, max, min, any, all, argmax, argmin. One primitive, ``reduce``."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from functools import partial
from math import prod as product
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import dispatch, interop, registry
from ...arguments import integer, integers, refuse, switch, unshown
from ...array import Array
from ...dtypes import BOOL, FLOAT64, FLOATS, INT64, INTEGERS, TABLE, UINT64, DType, as_dtype
from ...errors import ArgumentError, AxisError, DtypeError, ShapeError, shown
from ...graph.bounded import Bounded
from ...layout import Layout, Shape, permuted
from .. import bounds, canonical
from ..derivative import Cotangents, reduction_vjp
from ..parameters import Reduction
from ..spec import Inferred, OpSpec, Output, Primitive, Seen
from .pointwise import astype

if TYPE_CHECKING:
    from ...graph.bound import Analysis

Axes = int | tuple[int, ...] | None


AXIS = "an integer, a tuple of them or None"


def axis_of(op: str, argument: str, axis: Any, ndim: int) -> int:
    """One axis, not negative. Raises AxisError, ArgumentError."""
    return _in_range(op, argument, integer(op, argument, axis), ndim)


def _in_range(op: str, argument: str, axis: int, ndim: int) -> int:
    if not -ndim <= axis < ndim:
        raise AxisError(f"{op}: {argument}: {shown(axis)} is out of range for an array with {ndim} axes")
    return axis % ndim


def normalize_axes(op: str, axis: Axes, ndim: int) -> Shape:
    """Ascending non-negative axes; None means all. Raises AxisError or ArgumentError."""
    if axis is None:
        return tuple(range(ndim))
    if type(axis) is int:
        return (_in_range(op, "axis", axis, ndim),)
    items = axis if isinstance(axis, (tuple, list)) else (axis,)
    if {bool, np.bool_} & set(map(type, items)):
        raise ArgumentError(f"{op}: axis: expected {AXIS}, got {shown(axis)}")
    found = [_in_range(op, "axis", a, ndim) for a in integers(op, "axis", axis, AXIS)]
    if len(set(found)) < len(found):
        raise AxisError(f"{op}: axis: {axis} names an axis twice")
    return tuple(sorted(found))


def sum_dtype(dtype: DType) -> DType:
    """The dtype of sums and products where none is asked for: integers widen to 64 bits, as the standard says."""
    return {"b": INT64, "i": INT64, "u": UINT64}.get(dtype.kind, dtype)


def _result_dtype(kind: str, operand: DType, asked: DType | None) -> DType:
    if kind in ("any", "all"):
        return BOOL
    if kind in ("argmax", "argmin"):
        return INT64
    return operand if kind in ("max", "min") else asked or sum_dtype(operand)


def _infer(kind: str, inputs: tuple[Layout, ...], params: tuple[Axes, DType | None]) -> Inferred:
    (x,), (axis, asked) = inputs, params
    if kind in ("argmax", "argmin") and x.dtype is BOOL:
        raise DtypeError(f"{kind}: x: takes integer and floating dtypes, got bool")
    axes = normalize_axes(kind, axis, x.ndim)
    if kind in ("max", "min", "argmax", "argmin") and product(x.shape[a] for a in axes) == 0:
        kept = product(x.shape[a] for a in range(x.ndim) if a not in axes)
        if kept:
            raise ShapeError(f"{kind}: x: nothing to choose from along axes {axes} of shape {x.shape}")
    shape = tuple(n for a, n in enumerate(x.shape) if a not in axes)
    computed = {"max": "any", "min": "all"}.get(kind, kind) if x.dtype is BOOL else kind  # which end at the first
    return Inferred(((shape, _result_dtype(kind, x.dtype, asked)),), Reduction(computed, axes))


CHOICES = ("max", "min", "any", "all")
"""Reductions that take an element no more than once: repetitions of one make no difference."""


def _adapt(kind: str, inputs: tuple[Layout, ...], params: tuple[Axes, DType | None]) -> Seen | Callable | None:
    """Where the order of elements makes no difference (choices; sums and products of integers, which wrap), the reduced
    axes are taken as they lie in memory: from the longest stride to the shortest, none of them backwards."""
    (x,), (axis, asked) = inputs, params
    if x.size == 0 or not (kind in CHOICES or (kind in ("sum", "prod") and x.dtype.kind in "biu")):
        return None
    axes = normalize_axes(kind, axis, x.ndim)
    if back := [a for a in axes if x.strides[a] < 0]:
        return lambda array: dispatch.call(registry.OPS[kind], (_turned(array, back),), params)
    reduced = [a for a in axes if x.shape[a] > 1 and (x.strides[a] or kind not in CHOICES)]
    reduced.sort(key=lambda a: -x.strides[a])
    if tuple(reduced) == axes:
        return None
    kept = [a for a in range(x.ndim) if a not in axes]
    seen = permuted(x, (*kept, *reduced))
    return Seen((seen,), (tuple(range(len(kept), seen.ndim)), asked), seen.shape[: len(kept)])


def _turned(x: Array, axes: list[int]) -> Array:
    """The view with these axes in the other direction."""
    steps = tuple(-step if a in axes else step for a, step in enumerate(x.strides))
    return x.view(x.shape, steps, builtins.sum((x.shape[a] - 1) * x.strides[a] for a in axes))


def _run(kind: str, x: Array, axes: Shape, asked: DType | None, keepdims: bool) -> Array:
    return keep(dispatch.call(registry.OPS[kind], (x,), (axes, asked)), x.shape, axes, keepdims)


def is_plain(axis: Axes, keepdims: bool = False) -> bool:
    """Whether an op takes an axis as it is given, as the key of its plan: True would be found as 1, and a kept axis is
    a view of the result."""
    return (axis is None or type(axis) is int) and keepdims is False


def keep(result: Array, shape: Shape, axes: Shape, keepdims: bool) -> Array:
    """The reduced axes back, with length 1, as a view."""
    if not keepdims:
        return result
    steps = iter(result.strides)
    return result.view(
        tuple(1 if a in axes else n for a, n in enumerate(shape)),
        tuple(0 if a in axes else next(steps) for a in range(len(shape))),
    )


def _sum_like(kind: str, x: Any, axis: Axes, dtype: Any, keepdims: bool) -> Any:
    if dtype is None and is_plain(axis, keepdims):
        return interop.enter(registry.OPS[kind], (x,), (axis, None))
    keepdims = switch(kind, "keepdims", keepdims)
    (array,), restore = interop.adopt(kind, x=x)
    asked = None if dtype is None else as_dtype(dtype)
    axes = normalize_axes(kind, axis, array.ndim)
    if asked is BOOL:
        return restore(_run(_OF_BOOLEANS[kind], array, axes, None, keepdims))
    if asked is not None and not accumulates(array.dtype, asked):
        array = astype(array, asked)
        asked = None if asked.kind in "fc" else asked
    return restore(_run(kind, array, axes, asked, keepdims))


_OF_BOOLEANS = {"sum": "any", "prod": "all"}
"""What sums and products of booleans are, as booleans: + is or, * is and."""


def accumulates(operand: DType, asked: DType) -> bool:
    """Whether the primitive gives this result dtype without a cast of the operand first."""
    if operand.kind in "fc":
        return asked.name in (operand.name, operand.accumulator)
    return asked.kind in "iu"


@unshown
def sum(x: Any, /, *, axis: Axes = None, dtype: Any = None, keepdims: bool = False, **others: Any) -> Any:
    """Sum over axes (None: all), in the canonical order of docs/numerics.md.

    dtype: of the result; by default the operand's, or int64/uint64 for booleans and integers (which wrap). float16 and
    bfloat16 accumulate in float32 and round once; ``dtype=accel.float32`` keeps the accumulator. Another dtype: x is
    cast to it first, and with bool the sum is `any`, as True + True is True. keepdims: reduced axes stay, with length
    1. Nothing sums to +0.
    Raises AxisError, DtypeError, ArgumentError.
    """
    if others:
        refuse("sum", others)
    return _sum_like("sum", x, axis, dtype, keepdims)


@unshown
def prod(x: Any, /, *, axis: Axes = None, dtype: Any = None, keepdims: bool = False, **others: Any) -> Any:
    """Product over axes; dtype and keepdims as in `sum` (with bool: `all`). The product of nothing is 1."""
    if others:
        refuse("prod", others)
    return _sum_like("prod", x, axis, dtype, keepdims)


@unshown
def max(x: Any, /, *, axis: Axes = None, keepdims: bool = False, **others: Any) -> Any:
    """Largest element over axes; NaN propagates, +0 is above -0. Raises ShapeError where there is nothing to choose
    from."""
    if others:
        refuse("max", others)
    return _choose("max", x, axis, keepdims)


@unshown
def min(x: Any, /, *, axis: Axes = None, keepdims: bool = False, **others: Any) -> Any:
    """Smallest element over axes; NaN propagates, -0 is below +0. Raises ShapeError where there is nothing to choose
    from."""
    if others:
        refuse("min", others)
    return _choose("min", x, axis, keepdims)


@unshown
def any(x: Any, /, *, axis: Axes = None, keepdims: bool = False, **others: Any) -> Any:
    """Whether any element over axes is not zero (NaN is not). False for nothing. Result: bool."""
    if others:
        refuse("any", others)
    return _choose("any", x, axis, keepdims)


@unshown
def all(x: Any, /, *, axis: Axes = None, keepdims: bool = False, **others: Any) -> Any:
    """Whether no element over axes is zero. True for nothing. Result: bool."""
    if others:
        refuse("all", others)
    return _choose("all", x, axis, keepdims)


def _choose(kind: str, x: Any, axis: Axes, keepdims: bool) -> Any:
    if is_plain(axis, keepdims):
        return interop.enter(registry.OPS[kind], (x,), (axis, None))
    keepdims = switch(kind, "keepdims", keepdims)
    (array,), restore = interop.adopt(kind, x=x)
    return restore(_run(kind, array, normalize_axes(kind, axis, array.ndim), None, keepdims))


@unshown
def argmax(x: Any, /, *, axis: int | None = None, keepdims: bool = False, **others: Any) -> Any:
    """int64 index of the first largest element along an axis, or in the flattened array (None); the first NaN wins."""
    if others:
        refuse("argmax", others)
    return _index("argmax", x, axis, keepdims)


@unshown
def argmin(x: Any, /, *, axis: int | None = None, keepdims: bool = False, **others: Any) -> Any:
    """int64 index of the first smallest element along an axis, or in the flattened array (None); the first NaN wins."""
    if others:
        refuse("argmin", others)
    return _index("argmin", x, axis, keepdims)


def _index(kind: str, x: Any, axis: int | None, keepdims: bool) -> Any:
    if isinstance(axis, (tuple, list)):
        raise ArgumentError(f"{kind}: axis: expected an integer or None, got {shown(axis)}")
    return _choose(kind, x, axis, keepdims)


# what the tests compare with


def _axes_of(x: np.ndarray, axis: Axes) -> Shape:
    return normalize_axes("reduce", axis, x.ndim)


def _kept(result: np.ndarray, x: np.ndarray, axes: Shape, keepdims: bool) -> np.ndarray:
    return result.reshape([1 if a in axes else n for a, n in enumerate(x.shape)]) if keepdims else result


def _canonical(kind: str, x: np.ndarray, axis: Axes = None, dtype: Any = None, keepdims: bool = False) -> np.ndarray:
    axes, have = _axes_of(x, axis), as_dtype(x.dtype)
    asked = None if dtype is None else as_dtype(dtype)
    if asked is BOOL:
        return getattr(np, _OF_BOOLEANS[kind])(x != 0, axis=axes, keepdims=keepdims)
    if asked is not None and not accumulates(have, asked):
        x = registry.OPS["astype"].canonical(x, asked)
        have = asked
    return _kept(canonical.reduce(kind, x, axes, _result_dtype(kind, have, asked)), x, axes, keepdims)


def _exact(kind: str, x: np.ndarray, axis: Axes = None, dtype: Any = None, keepdims: bool = False) -> np.ndarray:
    """Sums and products in extended precision; everything else has one right answer, the canonical one."""
    have = as_dtype(x.dtype)
    if kind not in ("sum", "prod") or have.kind != "f":
        return _canonical(kind, x, axis, dtype, keepdims)
    axes = _axes_of(x, axis)
    wide = x.astype(np.float64 if have is not FLOAT64 else np.longdouble).astype(np.longdouble)
    with np.errstate(all="ignore"):
        return getattr(np, kind)(wide, axis=axes, keepdims=keepdims)


def _bound(
    kind: str, exact: np.ndarray, x: np.ndarray, axis: Axes = None, dtype: Any = None, keepdims: bool = False
) -> np.ndarray:
    have = as_dtype(x.dtype)
    if kind not in ("sum", "prod") or have.kind != "f":
        return np.zeros(np.shape(exact))
    axes = _axes_of(x, axis)
    asked = have if dtype is None else as_dtype(dtype)
    computed = asked if not accumulates(have, asked) else have
    accumulator = as_dtype(computed.accumulator)
    n = product(x.shape[a] for a in axes)
    u = bounds.unit_roundoff(accumulator) + (0 if computed is have else bounds.unit_roundoff(computed))
    depth = bounds.tree_depth(n)
    with np.errstate(all="ignore"):
        magnitude = np.abs(x.astype(np.float64))
        total = getattr(np, kind)(magnitude, axis=axes, keepdims=keepdims)
        growth = bounds.gamma(depth if kind != "prod" else n, u) + (0 if computed is have else 2 * u)
        underflow = n * bounds.smallest(accumulator)
        if kind == "prod":  # a product that underflows on the way is lost: nothing is promised of it
            small = np.where(magnitude > 0, np.minimum(magnitude, 1), 1).prod(axis=axes, keepdims=keepdims)
            underflow = np.where(small < 1e-30, np.inf, underflow)
            large = np.maximum(magnitude, 1).prod(axis=axes, keepdims=keepdims)
            underflow = np.where(large > 1e30, np.inf, underflow)
        absolute = np.where(total == 0, 0.0, growth * total) + underflow  # growth may be infinite
        if kind == "sum" and computed is have and bounds.integral(x):
            absolute = np.where(total < 1 / bounds.unit_roundoff(accumulator), 0, absolute)
        if kind == "sum":  # a partial sum may overflow that the exact result does not show
            peak = magnitude.sum(axis=axes, keepdims=keepdims)
            absolute = np.where(peak < bounds.largest(accumulator) / 2, absolute, np.inf)
    return bounds.rounded(np.asarray(exact, np.float64), absolute, accumulator, asked if computed is have else computed)


def _samples(kind: str, dtype: DType) -> Any:
    from ...testing import families

    return families.reductions(kind, dtype)


NUMBERS = (*INTEGERS, *FLOATS)

SUM, PROD, MAX, MIN, ANY, ALL, ARGMAX, ARGMIN = (
    registry.register(
        OpSpec(
            name=function.__name__,
            primitive="reduce",
            summary=function.__doc__.partition(".")[0] + ".",
            function=function,
            infer=partial(_infer, function.__name__),
            adapt=partial(_adapt, function.__name__),
            canonical=partial(_canonical, function.__name__),
            reference=partial(_exact, function.__name__),
            bound=partial(_bound, function.__name__),
            bits=lambda dtype, numerics, rounds=rounds: "bits" if rounds and dtype.kind == "f" else "exact",
            samples=partial(_samples, function.__name__),
            dtypes=dtypes,
            flops=lambda inputs, outputs, params: inputs[0].size,
        )
    )
    for function, rounds, dtypes in (
        (sum, True, tuple(TABLE.values())),
        (prod, True, tuple(TABLE.values())),
        (max, False, tuple(TABLE.values())),
        (min, False, tuple(TABLE.values())),
        (any, False, tuple(TABLE.values())),
        (all, False, tuple(TABLE.values())),
        (argmax, False, NUMBERS),
        (argmin, False, NUMBERS),
    )
)


def _answer(reduction: Reduction, outputs: tuple[Output], x: np.ndarray) -> list[np.ndarray]:
    ((shape, dtype),) = outputs
    return [np.asarray(canonical.reduce(reduction.kind, x, reduction.axes, dtype), dtype.numpy).reshape(shape)]


def _analysed(analysis: Analysis, reduction: Reduction, outputs: tuple[Output], x: Bounded) -> list[Bounded]:
    """A fold of accumulators, rounded to the output dtype."""
    ((shape, dtype),) = outputs
    flat = x.seen(lambda v: canonical.flatten(v, reduction.axes))
    if flat.value.shape[-1] == 0:
        return [Bounded.exact(*_answer(reduction, outputs, x.value))]
    if reduction.kind in ("sum", "prod"):
        accumulator = x.dtype.accumulator if x.dtype.kind == "f" else "uint64" if x.dtype.kind == "u" else "int64"
        flat = analysis.cast(accumulator, flat)
    return [analysis.cast(dtype.name, analysis.fold(reduction.kind, flat)).seen(lambda v: v.reshape(shape))]


def _vjp(
    reduction: Reduction, cotangents: Cotangents, results: Sequence[Array], operands: Sequence[Array]
) -> Cotangents:
    (g,), (y,), (x,) = cotangents, results, operands
    return [None if g is None else reduction_vjp(reduction, g, y, x)]


registry.register_primitive(Primitive("reduce", _answer, _analysed, _vjp))

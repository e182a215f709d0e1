"""Sorting along one axis: sorted values, and the indices that sort. One primitive, ``sort``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import dispatch, interop, registry
from ...arguments import refuse, switch, unshown
from ...array import Array
from ...dtypes import INT64, TABLE, DType
from ...errors import ArgumentError, shown
from ...graph.bounded import Bounded, bounded
from ...layout import Layout
from .. import bounds, canonical
from ..parameters import Sort
from ..selection_derivative import sort_vjp
from ..spec import Inferred, OpSpec, Output, Primitive
from .reduce import normalize_axes

if TYPE_CHECKING:
    from ...graph.bound import Analysis

Params = tuple[int, bool, int | None]
"""The axis, whether from the largest, and how many; None: all."""

KINDS = {"sort": "values", "argsort": "indices"}


def one_axis(op: str, axis: Any, ndim: int) -> int:
    """The axis, not negative. Raises AxisError, ArgumentError."""
    if axis is None or isinstance(axis, (tuple, list)):
        raise ArgumentError(f"{op}: axis: expected an integer, got {shown(axis)}")
    return normalize_axes(op, axis, ndim)[0]


def _infer(op: str, inputs: tuple[Layout, ...], params: Params) -> Inferred:
    (x,), (axis, descending, count) = inputs, params
    its = Sort(KINDS[op], one_axis(op, axis, x.ndim), descending, count)
    shape = tuple(count if a == its.axis and count is not None else n for a, n in enumerate(x.shape))
    return Inferred(((shape, x.dtype if its.kind == "values" else INT64),), its)


def _sorted(op: str, x: Any, axis: int, descending: bool, stable: bool) -> Any:
    descending = switch(op, "descending", descending)
    switch(op, "stable", stable)
    if type(axis) is not int:
        (array,), _ = interop.adopt(op, x=x)
        axis = one_axis(op, axis, array.ndim)
    return interop.enter(registry.OPS[op], (x,), (axis, descending, None))


@unshown
def sort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True, **others: Any) -> Any:
    """The elements in order along an axis, of x's shape and dtype.

    NaN is larger than every number, as in torch: last, or first where ``descending``. -0 comes before +0. stable: equal
    elements keep their order whatever is asked for, in both directions.
    Raises AxisError (also for an array without axes) and ArgumentError.
    """
    if others:
        refuse("sort", others)
    return _sorted("sort", x, axis, descending, stable)


@unshown
def argsort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True, **others: Any) -> Any:
    """int64 indices along an axis that put its elements in order, which is that of `sort`.

    Indices of equal elements ascend, whatever ``stable`` and ``descending`` are; NaNs are equal, -0 and +0 are not.
    Raises AxisError (also for an array without axes) and ArgumentError.
    """
    if others:
        refuse("argsort", others)
    return _sorted("argsort", x, axis, descending, stable)


def first_places(x: Array, count: int, descending: bool) -> Array:
    """The first `count` of the indices that `argsort` finds along the last axis, which has as many."""
    result: Array = dispatch.call(ARGSORT, (x,), (x.ndim - 1, descending, count))
    return result


# what the tests compare with


def ordered(params: Sort, x: np.ndarray) -> np.ndarray:
    """The indices that sort, as many as are wanted."""
    order = canonical.argsort(x, params.axis, params.descending)
    return order[(*(slice(None),) * params.axis, slice(params.count))]


def evaluate(params: Sort, x: np.ndarray) -> np.ndarray:
    """The only answer."""
    order = ordered(params, x)
    return order if params.kind == "indices" else np.take_along_axis(x, order, params.axis)


def _canonical(op: str, x: np.ndarray, axis: int = -1, descending: bool = False, stable: bool = True) -> np.ndarray:
    return evaluate(Sort(KINDS[op], one_axis(op, axis, x.ndim), descending), x)


def _samples(dtype: DType) -> Any:
    from ...testing import sort_family

    return sort_family.sorts(dtype)


SORT, ARGSORT = (
    registry.register(
        OpSpec(
            name=function.__name__,
            primitive="sort",
            summary=summary,
            function=function,
            infer=partial(_infer, function.__name__),
            canonical=partial(_canonical, function.__name__),
            reference=partial(_canonical, function.__name__),
            bound=bounds.none,
            bits=lambda dtype, numerics: "exact",
            samples=_samples,
            dtypes=tuple(TABLE.values()),
        )
    )
    for function, summary in (
        (sort, "The elements in order along an axis."),
        (argsort, "The indices that put elements in order along an axis."),
    )
)


def _answer(params: Sort, outputs: tuple[Output], x: np.ndarray) -> list[np.ndarray]:
    return [evaluate(params, x)]


def _analysed(analysis: Analysis, params: Sort, outputs: tuple[Output], x: Bounded) -> list[Bounded]:
    """No sorted value moves by more than the largest error in its row; of indices nothing is known where any element
    may be another one."""
    order = ordered(params, x.value)
    most = np.broadcast_to(x.error.max(axis=params.axis, keepdims=True, initial=0.0), order.shape)
    if params.kind == "values":
        return [bounded(np.take_along_axis(x.value, order, params.axis), most)]
    return [bounded(order, np.where(most > 0, np.inf, 0.0))]


registry.register_primitive(Primitive("sort", _answer, _analysed, sort_vjp))

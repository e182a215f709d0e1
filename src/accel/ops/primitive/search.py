"""Places of values in a sorted vector: `searchsorted`. One primitive, ``search``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import dispatch, interop, registry
from ...arguments import refuse, unshown, word
from ...array import Array
from ...dtypes import INT64, TABLE, DType, promote
from ...errors import ArgumentError, ShapeError, shown
from ...graph.bounded import Bounded, bounded
from ...layout import Layout
from .. import bounds, canonical
from ..parameters import Search
from ..spec import Inferred, OpSpec, Output, Primitive
from .gather import take
from .pointwise import astype

if TYPE_CHECKING:
    from ...graph.bound import Analysis

SIDES = ("left", "right")

LEFT, RIGHT = Search(False), Search(True)


def _infer(inputs: tuple[Layout, ...], params: Search) -> Inferred:
    x1, x2 = inputs
    if x1.ndim != 1:
        raise ShapeError(f"searchsorted: x1: expected a vector, got shape {x1.shape}")
    return Inferred(((x2.shape, INT64),), params)


def _adapt(inputs: tuple[Layout, ...], params: Search) -> Callable[..., Any] | None:
    """Operands of two dtypes are cast to what they promote to."""
    x1, x2 = inputs
    if x1.dtype is x2.dtype:
        return None
    common = promote(x1.dtype, x2.dtype)
    return lambda a, b: dispatch.call(
        SEARCHSORTED, (astype(a, common, copy=False), astype(b, common, copy=False)), params
    )


@unshown
def searchsorted(x1: Any, x2: Any, /, *, side: str = "left", sorter: Any = None, **others: Any) -> Any:
    """For each element of x2 the place in the sorted vector x1 before which it would have to stand for x1 to stay
    sorted: int64, of x2's shape.

    x2: an array, or a Python number. side: ``left``, before elements that are equal, or ``right``, behind them. NaN
    is equal to NaN and larger than every number, -0 is equal to +0. sorter: the indices that sort x1, as `argsort`
    gives them. Operands of two dtypes are promoted. In a vector that is not sorted the result is the same number on
    every device.
    Raises ShapeError where x1 or sorter is no vector or they differ in length, IndexError for an index in sorter that
    is out of range, DtypeError, ArgumentError.
    """
    if others:
        refuse("searchsorted", others)
    params = RIGHT if word("searchsorted", "side", side, SIDES) == "right" else LEFT
    if sorter is None:
        return interop.enter(SEARCHSORTED, (x1, x2), params)
    (x1, x2, sorter), restore = interop.adopt("searchsorted", x1=x1, x2=x2, sorter=sorter)
    for name, value in (("x1", x1), ("sorter", sorter)):
        if not isinstance(value, Array):
            raise ArgumentError(f"searchsorted: {name}: expected an array, got the scalar {shown(value)}")
        if value.ndim != 1:
            raise ShapeError(f"searchsorted: {name}: expected a vector, got shape {value.shape}")
    if sorter.shape != x1.shape:
        raise ShapeError(f"searchsorted: sorter: expected {x1.shape[0]} indices as x1 has elements, got {sorter.size}")
    return restore(interop.enter(SEARCHSORTED, (take(x1, sorter), x2), params))


# what the tests compare with


def _canonical(x1: np.ndarray, x2: np.ndarray, side: str = "left") -> np.ndarray:
    common = np.promote_types(x1.dtype, x2.dtype)
    return canonical.search(x1.astype(common), x2.astype(common), side == "right")


def _samples(dtype: DType) -> Any:
    from ...testing import search_family

    return search_family.searches(dtype)


SEARCHSORTED = registry.register(
    OpSpec(
        name="searchsorted",
        primitive="search",
        summary="The places of values in a sorted vector.",
        function=searchsorted,
        infer=_infer,
        adapt=_adapt,
        canonical=_canonical,
        reference=_canonical,
        bound=bounds.none,
        bits=lambda dtype, numerics: "exact",
        samples=_samples,
        dtypes=tuple(TABLE.values()),
        arguments=("x1", "x2"),
        scalars=True,
    )
)


def _answer(params: Search, outputs: tuple[Output], x: np.ndarray, values: np.ndarray) -> list[np.ndarray]:
    return [canonical.search(x, values, params.right)]


def _analysed(analysis: Analysis, params: Search, outputs: tuple[Output], x: Bounded, values: Bounded) -> list[Bounded]:
    """A place is exact where nothing is rounded; of others nothing is known."""
    loose = bool(np.any(x.error)) | (values.error > 0)
    return [bounded(canonical.search(x.value, values.value, params.right), np.where(loose, np.inf, 0.0))]


registry.register_primitive(Primitive("search", _answer, _analysed, "places do not change smoothly"))

"""The different elements of an array: `unique_all` and its kin, by sorting."""

from __future__ import annotations

from typing import Any, NamedTuple

from .. import dispatch, interop, registry
from ..array import Array, empty
from ..conversion import constant
from ..creation import ones
from ..dtypes import BOOL, INT64
from .complex.order import ascending
from .concatenation import concat
from .parameters import Scatter
from .primitive.gather import picked
from .primitive.pointwise import fn
from .primitive.scan import cumulative_sum
from .primitive.scatter import store
from .primitive.sort import argsort, sort
from .searching import readable, true_places
from .views import reshape


class UniqueAll(NamedTuple):
    """What `unique_all` gives."""

    values: Any
    indices: Any
    inverse_indices: Any
    counts: Any


class UniqueCounts(NamedTuple):
    """What `unique_counts` gives."""

    values: Any
    counts: Any


class UniqueInverse(NamedTuple):
    """What `unique_inverse` gives."""

    values: Any
    inverse_indices: Any


def unique_all(x: Any, /) -> UniqueAll:
    """The different elements of an array in ascending order, where they are, and how many there are of each.

    values: a vector of x's dtype. indices: of the first element of each value in row-major order. inverse_indices: of
    x's shape, for each element the place of its value. counts: of the elements of each value. All three are int64. Each
    NaN is a value of its own; -0 and +0 are one, which is +0. Complex numbers are ordered as in NumPy. The size is read
    from the device, which the call waits for; so it cannot be traced. Raises ArgumentError.
    """
    array, elements, restore = _elements("unique_all", x)
    order = _ascending(elements)
    run = _Runs(picked(elements, order))
    return UniqueAll(*restore((run.values(), picked(order, run.starts), run.inverse(order, array.shape), run.counts())))


def unique_counts(x: Any, /) -> UniqueCounts:
    """The different elements of an array in ascending order, and how many there are of each: values and counts of
    `unique_all`. Raises ArgumentError."""
    _, elements, restore = _elements("unique_counts", x)
    run = _Runs(_sorted(elements))
    return UniqueCounts(*restore((run.values(), run.counts())))


def unique_inverse(x: Any, /) -> UniqueInverse:
    """The different elements of an array in ascending order, and the place of each element's value among them: values
    and inverse_indices of `unique_all`. Raises ArgumentError."""
    array, elements, restore = _elements("unique_inverse", x)
    order = _ascending(elements)
    run = _Runs(picked(elements, order))
    return UniqueInverse(*restore((run.values(), run.inverse(order, array.shape))))


def unique_values(x: Any, /) -> Any:
    """The different elements of an array in ascending order: values of `unique_all`. Raises ArgumentError."""
    _, elements, restore = _elements("unique_values", x)
    return restore(_Runs(_sorted(elements)).values())


def _elements(op: str, x: Any) -> tuple[Array, Array, interop.Restore]:
    """x, and its elements as a vector in which no zero is negative."""
    (array,), restore = interop.adopt(op, x=x)
    readable(op, array)
    elements = reshape(array, (array.size,))
    return array, fn.add(elements, 0.0) if elements.dtype.kind in "fc" else elements, restore


def _ascending(x: Array) -> Array:
    """The places of a vector's elements in ascending order."""
    result: Array = ascending(x) if x.dtype.kind == "c" else argsort(x)
    return result


def _sorted(x: Array) -> Array:
    result: Array = picked(x, ascending(x)) if x.dtype.kind == "c" else sort(x)
    return result


class _Runs:
    """Equal elements that stand side by side in a sorted vector. starts: the places where they begin."""

    def __init__(self, ordered: Array) -> None:
        self.ordered = ordered
        self.first = empty((0,), BOOL, ordered.device)
        if ordered.size:
            self.first = ones(ordered.shape, dtype=BOOL, device=ordered.device)
        if ordered.size > 1:
            dispatch.call(registry.OPS["not_equal"], (ordered[1:], ordered[:-1]), None, self.first[1:])
        self.starts = true_places(self.first)

    def values(self) -> Array:
        """One element of each run."""
        return picked(self.ordered, self.starts)

    def counts(self) -> Array:
        """The length of each run."""
        if not self.starts.size:
            return self.starts
        end = constant(self.ordered.size, INT64, self.ordered.device).view((1,), (0,))
        result: Array = fn.subtract(concat([self.starts[1:], end]), self.starts)
        return result

    def inverse(self, order: Array, shape: tuple[int, ...]) -> Array:
        """The run of each element of the array, of that shape, that ``order`` sorts."""
        number, placed = fn.subtract(cumulative_sum(self.first), 1), empty(order.shape, INT64, order.device)
        store(placed, number, order, Scatter(order.shape, (-1,), apart=True))
        result: Array = reshape(placed, shape)
        return result

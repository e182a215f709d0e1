"""How many elements fall where, with NumPy's names: counts of whole numbers and of intervals."""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np

from .. import interop
from ..arguments import integer, real, switch
from ..array import Array, Symbol
from ..conversion import from_numpy, index_range, number, on_host, to_numpy
from ..dtypes import FLOAT64, INT64, DType
from ..errors import ArgumentError, DtypeError, ShapeError, shown
from ..ranges import linspace
from .concatenation import concat
from .primitive.gather import as_positions
from .primitive.pointwise import astype, fn
from .primitive.reduce import max as largest
from .primitive.reduce import min as smallest
from .primitive.reduce import sum as total
from .primitive.search import searchsorted
from .primitive.sort import sort
from .searching import readable
from .views import expand_dims, reshape


def bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    """How often each whole number from 0 on is in a vector: as int64, up to the largest one there is.

    weights: of x's shape, which are added up instead of counted, as `sum` adds: with as many comparisons as there are
    elements times numbers. minlength: how long the result is at least. How long it is, is read from the device, which
    the call waits for; so it cannot be traced. Raises IndexError for a number below 0, ShapeError, DtypeError,
    ArgumentError.
    """
    least = integer("bincount", "minlength", minlength)
    if least < 0:
        raise ArgumentError(f"bincount: minlength: expected 0 or more, got {least}")
    given = {"x": x} if weights is None else {"x": x, "weights": weights}
    (places, *rest), restore = interop.arrays("bincount", **given)
    if places.ndim != 1:
        raise ShapeError(f"bincount: x: expected a vector, got shape {places.shape}")
    readable("bincount", places)
    places = as_positions("bincount", "x", places)
    low, high = (int(_read(bound(places))) for bound in (smallest, largest)) if places.size else (0, -1)
    if low < 0:
        raise IndexError(f"bincount: x: expected numbers from 0 on, got {low}")
    count = max(least, high + 1)
    if rest:
        return restore(_weighed("bincount", places, rest[0], count))
    ends = searchsorted(sort(places), index_range(count + 1, places.device))
    return restore(fn.subtract(ends[1:], ends[:-1]))


def histogram(x: Any, /, bins: Any = 10, range: Any = None, density: bool | None = None, weights: Any = None) -> Any:
    """How many elements lie in intervals, and the ends of these: a pair of arrays.

    bins: how many intervals of one length there are; or their ends, ascending, in an array or a sequence. range: the
    first and the last end of intervals of one length, by default the smallest and the largest element, which are read
    from the device. An interval has its lower end and not the upper one, but for the last, which has both. NaN lies in
    none. density: divides by the number of those that lie in one, and by the intervals' lengths. weights: of x's shape,
    which are added up instead of counted, as `bincount` adds. Counts are int64; ends have x's dtype, float64 for
    integers. Raises ShapeError, DtypeError, ArgumentError.
    """
    density = switch("histogram", "density", density, none=True)
    given = {name: v for name, v in (("x", x), ("weights", weights)) if v is not None}
    if interop.is_array(bins) and getattr(bins, "ndim", 0):
        given["bins"] = bins
    adopted, restore = interop.arrays("histogram", **given)
    named = dict(zip(given, adopted, strict=True))
    array = named["x"]
    if array.dtype.kind == "b":
        raise DtypeError("histogram: x: takes integer and floating dtypes, got bool")
    dtype = array.dtype if array.dtype.kind == "f" else FLOAT64
    flat = reshape(array, (array.size,))
    ends = _ends(named.get("bins", bins), range, flat, dtype)
    ordered = astype(flat, dtype, copy=False)
    if "weights" in named:
        if named["weights"].shape != array.shape:
            raise ShapeError(f"histogram: weights: expected shape {array.shape}, got {named['weights'].shape}")
        place = fn.subtract(searchsorted(ends, ordered, side="right"), 1)
        place = fn.where(fn.equal(ordered, ends[-1]), ends.size - 2, place)
        found = _weighed("histogram", place, reshape(named["weights"], (array.size,)), ends.size - 1)
    else:
        ordered = sort(ordered)
        below = [searchsorted(ordered, ends[:-1]), searchsorted(ordered, ends[-1:], side="right")]
        places = concat(below)
        found = fn.subtract(places[1:], places[:-1])
    if density:
        share = astype(found, ends.dtype, copy=False)
        found = fn.divide(fn.divide(share, fn.subtract(ends[1:], ends[:-1])), total(share))
    return restore((found, ends))


def digitize(x: Any, bins: Any, /, right: bool = False) -> Any:
    """For each element the number of the interval that it is in, as int64: 0 before the first end, and as many as there
    are ends behind the last.

    bins: a vector of ends, ascending or descending, which is read from the device; in a fused function, where nothing
    is read, `searchsorted` serves. An interval has its lower end, or with ``right`` its upper one. Raises ShapeError,
    DtypeError, ArgumentError.
    """
    right = switch("digitize", "right", right)
    (array, ends), restore = interop.arrays("digitize", x=x, bins=bins)
    if ends.ndim != 1:
        raise ShapeError(f"digitize: bins: expected a vector, got shape {ends.shape}")
    if isinstance(ends.buffer, Symbol):
        raise ArgumentError(f"digitize: bins: whether they ascend is read; {ends.buffer.unreadable()}")
    host = to_numpy(ends)
    side = "left" if right else "right"
    if (host[1:] >= host[:-1]).all():
        return restore(searchsorted(ends, array, side=side))
    if (host[1:] <= host[:-1]).all():
        return restore(fn.subtract(ends.size, searchsorted(ends[::-1], array, side=side)))
    raise ArgumentError("digitize: bins: expected numbers that ascend or descend")


def _read(x: Array) -> Any:
    return number(on_host(x))


def _weighed(op: str, places: Array, weights: Array, count: int) -> Array:
    """The sums of the weights at each of so many places."""
    if weights.shape != places.shape:
        raise ShapeError(f"{op}: weights: expected shape {places.shape}, got {weights.shape}")
    its = fn.equal(expand_dims(index_range(count, places.device), axis=1), expand_dims(places, axis=0))
    weights = astype(weights, INT64) if weights.dtype.kind == "b" else weights
    result: Array = total(fn.where(its, expand_dims(weights, axis=0), 0), axis=1)
    return result


def _ends(bins: Any, span: Any, x: Array, dtype: DType) -> Array:
    """The ends of the intervals. Raises ArgumentError, ShapeError."""
    if isinstance(bins, (list, tuple)):
        bins = from_numpy(np.asarray([real("histogram", "bins", each) for each in bins]).astype(dtype.numpy), x.device)
    if isinstance(bins, Array) and bins.ndim:
        if bins.ndim != 1 or bins.size < 2:
            raise ShapeError(f"histogram: bins: expected a vector of at least two ends, got shape {bins.shape}")
        if not isinstance(bins.buffer, Symbol):
            host = to_numpy(bins)
            if not (host[1:] >= host[:-1]).all():
                raise ArgumentError("histogram: bins: expected ends that ascend")
        result: Array = astype(bins, dtype, copy=True)
        return result
    count = integer("histogram", "bins", bins)
    if count < 1:
        raise ArgumentError(f"histogram: bins: expected at least one, got {count}")
    if span is None:
        if x.size:
            readable("histogram", x)
        low, high = (float(_read(bound(x))) for bound in (smallest, largest)) if x.size else (0.0, 1.0)
    else:
        if not isinstance(span, (list, tuple)) or len(span) != 2:
            raise ArgumentError(f"histogram: range: expected a pair of numbers, got {shown(span)}")
        low, high = (real("histogram", "range", each) for each in span)
    if not (isfinite(low) and isfinite(high) and low <= high):
        what = "x: has NaN or infinities; give a range" if span is None else f"range: expected {low} <= {high}, finite"
        raise ArgumentError(f"histogram: {what}")
    if low == high:
        low, high = low - 0.5, high + 0.5
    return linspace(low, high, count + 1, dtype=dtype, device=x.device)

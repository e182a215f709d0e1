"""A part of a case that is a case itself: some elements of the result, and the operands that they are computed from.

A full reference of a large product takes minutes; that of a few of its rows and columns takes milliseconds and judges
them just as well. Which elements are taken depends on the shapes alone, and both ends are always among them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import isqrt, prod
from typing import Any

import numpy as np

from ...layout import broadcast_shapes
from ...ops.primitive.reduce import normalize_axes
from ...ops.spec import OpSpec
from . import arrangements
from .compositions import BY_ELEMENT, BY_ROW
from .workload import arranged, positional

PRODUCTS = 2048
"""Results of a product that are taken at most, of up to MATRICES matrices of a batch."""

MATRICES = 4

COLUMNS = 128
"""Of each matrix."""

ELEMENTS = 1 << 16
"""Results of pointwise functions."""

ROWS = 64
"""Rows of reductions and softmax; fewer, but FEWEST, where they would have more than SUMMED elements together."""

FEWEST, SUMMED = 4, 1 << 20

CONVOLVED = 1 << 25
"""Products of a convolution that are computed at most, but for those of two channels of the result, or groups."""


@dataclass(frozen=True)
class Part:
    """operands, keywords: of the smaller case, as the functions of a spec take them. take: from the whole case's
    result, what the smaller one's must be."""

    operands: tuple[Any, ...]
    keywords: dict[str, Any]
    take: Callable[[np.ndarray], np.ndarray]


def part(spec: OpSpec, operands: Sequence[np.ndarray], keywords: dict[str, Any], products: int = PRODUCTS) -> Part:
    """The part of a call that is checked; all of it for an op of which nothing is known. products: in place of
    PRODUCTS."""
    last, named = positional(spec, keywords)
    made = _part(spec, operands, named, products)
    if last:
        return replace(made, operands=(*made.operands, *last))
    arguments, given = arranged(spec, made.operands, made.keywords)
    return replace(made, operands=arguments, keywords=given)


def _part(spec: OpSpec, operands: Sequence[np.ndarray], keywords: dict[str, Any], products: int) -> Part:
    if spec.name == "linear":
        return _linear(operands, keywords, products)
    if spec.primitive == "matmul" and len(operands) == 2:
        return _matmul(operands, keywords, products)
    if spec.primitive == "pointwise":
        return _pointwise(operands, keywords)
    if spec.primitive in ("reduce", "mean", "logsumexp"):
        return _reduction(operands, keywords)
    if spec.primitive in ("softmax", "log_softmax", "scan"):
        return _along(operands, keywords)
    if spec.name in BY_ELEMENT:
        return _pointwise(operands, keywords)
    if spec.name in arrangements.BY_ROW and keywords.get("axis", keywords.get("dim", -1)) == -1:
        return _of_rows(operands, keywords)
    if spec.name in BY_ROW and keywords.get("axis", -1) == -1 and len(keywords.get("normalized_shape", (1,))) == 1:
        return _of_rows(operands, keywords)
    if spec.name in PARTS:
        return PARTS[spec.name](operands, keywords)
    if spec.name == "group_norm":
        return _of_groups(operands, keywords)
    return Part(tuple(operands), keywords, _all)


def spread(n: int, most: int) -> np.ndarray:
    """At most so many indices in [0, n), evenly spaced, with both ends."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(np.int64)) if n else np.zeros(0, np.int64)


def scattered(n: int, most: int) -> np.ndarray:
    """At most so many indices in [0, n), with both ends: one of each of as many ranges, at places that share no factor
    with the length of a vector or a tile."""
    if n <= most:
        return np.arange(n)
    edges = np.linspace(0, n, most + 1).astype(np.int64)
    width = np.diff(edges)
    found = edges[:-1] + (np.arange(most) * 2654435761 % (1 << 32) * width >> 32)
    found[0], found[-1] = 0, n - 1
    return found


def _all(result: np.ndarray) -> np.ndarray:
    return result


def _pick(x: np.ndarray, places: np.ndarray, axes: int) -> np.ndarray:
    """x's elements (or rows) at flat places of its first so many axes."""
    return x[np.unravel_index(places, x.shape[:axes])] if axes else x[None]


def _pointwise(operands: Sequence[np.ndarray], keywords: dict[str, Any]) -> Part:
    shape = broadcast_shapes(*(x.shape for x in operands))
    places = scattered(prod(shape), ELEMENTS)
    take = partial(_pick, places=places, axes=len(shape))
    return Part(tuple(take(np.broadcast_to(x, shape)) for x in operands), keywords, take)


def _sides(rows: int, columns: int, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of a matrix, together so many elements at most, about twice as many columns."""
    few = spread(rows, max(2, isqrt(most // 2)))
    return few, spread(columns, max(2, min(COLUMNS, most // max(1, few.size))))


def _matmul(operands: Sequence[np.ndarray], keywords: dict[str, Any], most: int) -> Part:
    """The axis that a 1-D operand lacks is there in the part."""
    a, b = operands
    left = a if a.ndim > 1 else a[None, :]
    right = (b if b.ndim > 1 else b[:, None]).swapaxes(-1, -2)
    batch = broadcast_shapes(left.shape[:-2], right.shape[:-2])
    left, right = (np.broadcast_to(x, (*batch, *x.shape[-2:])) for x in (left, right))
    which = spread(prod(batch), MATRICES)
    rows, columns = _sides(left.shape[-2], right.shape[-2], most // max(1, which.size))
    matrices = np.unravel_index(which, batch) if batch else ()

    def take(result: np.ndarray) -> np.ndarray:
        full = result if b.ndim > 1 else result[..., None]
        full = full if a.ndim > 1 else full[..., None, :]
        return full[(*(i[:, None, None] for i in matrices), rows[:, None], columns)]

    some_left, some_right = (x[(*(i[:, None] for i in matrices), k)] for x, k in ((left, rows), (right, columns)))
    return Part((some_left, some_right.swapaxes(-1, -2)), keywords, take)


def _linear(operands: Sequence[np.ndarray], keywords: dict[str, Any], most: int) -> Part:
    """The rows of all leading axes are one axis of the part."""
    x, weight, *bias = operands
    rows, columns = _sides(prod(x.shape[:-1]), weight.shape[0], most)

    def take(result: np.ndarray) -> np.ndarray:
        return _pick(result, rows, result.ndim - 1)[:, columns]

    return Part((_pick(x, rows, x.ndim - 1), weight[columns], *(v[columns] for v in bias)), keywords, take)


def _rows(count: int, length: int) -> np.ndarray:
    """Of so many rows of a length those that are taken."""
    return spread(count, min(ROWS, max(FEWEST, SUMMED // max(1, length))))


def _reduction(operands: Sequence[np.ndarray], keywords: dict[str, Any]) -> Part:
    """The kept axes are the first axis of the part; all elements where no axis is kept."""
    (x,) = operands
    axis = keywords.get("axis")
    if axis is None:
        return Part((x,), keywords, _all)
    axes = normalize_axes("reduce", axis, x.ndim)
    kept = [a for a in range(x.ndim) if a not in axes]
    places = _rows(prod(x.shape[a] for a in kept), prod(x.shape[a] for a in axes))
    some = _pick(x.transpose(*kept, *axes), places, len(kept))
    inner = tuple(range(1, 1 + len(axes))) if isinstance(axis, tuple) else 1

    def take(result: np.ndarray) -> np.ndarray:
        return _pick(result.reshape([x.shape[a] for a in kept]), places, len(kept))

    return Part((some,), keywords | {"axis": inner, "keepdims": False}, take)


def _along(operands: Sequence[np.ndarray], keywords: dict[str, Any]) -> Part:
    """The other axes than that of softmax are the first axis of the part."""
    (x,) = operands
    axis = keywords.get("axis", -1) % x.ndim
    others = x.ndim - 1
    places = _rows(prod(n for a, n in enumerate(x.shape) if a != axis), x.shape[axis])

    def take(result: np.ndarray) -> np.ndarray:
        return _pick(np.moveaxis(result, axis, -1), places, others)

    return Part((take(x),), keywords | {"axis": 1}, take)


def _of_rows(operands: Sequence[np.ndarray], keywords: dict[str, Any]) -> Part:
    """Rows along the last axis, of the operands that have the first one's shape; the others are a row's. All leading
    axes are one axis of the part."""
    x = operands[0]
    places = _rows(prod(x.shape[:-1]), x.shape[-1])
    take = partial(_pick, places=places, axes=x.ndim - 1)
    return Part(tuple(take(y) if y.shape == x.shape else y for y in operands), keywords, take)


def _of_groups(operands: Sequence[np.ndarray], keywords: dict[str, Any]) -> Part:
    """Some groups of channels of some samples; weight and bias are those of the channels."""
    x, *affine = operands
    groups = keywords["num_groups"]
    cut = (groups, x.shape[1] // groups)
    samples = spread(x.shape[0], 2)
    few = spread(groups, max(2, SUMMED // max(1, samples.size * prod(x.shape[1:]) // groups)))

    def take(result: np.ndarray) -> np.ndarray:
        parts = result.reshape(x.shape[0], *cut, *x.shape[2:])[samples[:, None], few]
        return parts.reshape(samples.size, few.size * cut[1], *x.shape[2:])

    some = (y.reshape(cut)[few].reshape(-1) for y in affine)
    return Part((take(x), *some), keywords | {"num_groups": int(few.size)}, take)


def _at(axis: int, places: np.ndarray) -> tuple[Any, ...]:
    return (*(slice(None),) * axis, places)


def _taken(operands: Sequence[np.ndarray], keywords: dict[str, Any]) -> Part:
    """Some positions of a vector, and the elements that they select."""
    x, positions = operands
    axis = keywords.get("axis", 0) % x.ndim
    if positions.ndim != 1:
        return Part((x, positions), keywords, _all)
    places = _rows(positions.size, x.size // max(1, x.shape[axis]))
    chosen, where = np.unique(positions[places], return_inverse=True)
    return Part((x[_at(axis, chosen)], where), keywords, lambda result: result[_at(axis, places)])


def _segments(operands: Sequence[np.ndarray], keywords: dict[str, Any]) -> Part:
    """Some segments, and of matrices some columns."""
    data, numbers = operands
    chosen = spread(keywords["num_segments"], ROWS)
    columns = (spread(data.shape[1], 8),) if data.ndim == 2 else ()
    rows = np.flatnonzero(np.isin(numbers, chosen))
    some = data[np.ix_(rows, *columns)] if columns else data[rows]
    given = keywords | {"num_segments": int(chosen.size)}
    return Part((some, np.searchsorted(chosen, numbers[rows])), given, lambda result: result[np.ix_(chosen, *columns)])


def _side_by_side(operands: Sequence[np.ndarray], keywords: dict[str, Any]) -> Part:
    """Some places along the axis, other than that of the operands, that is longest."""
    x = operands[0]
    others = [a for a in range(x.ndim) if a != keywords.get("axis", 0) % x.ndim]
    if not others:
        return Part(tuple(operands), keywords, _all)
    across = max(others, key=lambda a: x.shape[a])
    places = _rows(x.shape[across], x.size // max(1, x.shape[across]))
    take = partial(np.take, indices=places, axis=across)
    return Part(tuple(map(take, operands)), keywords, take)


def _turned(operands: Sequence[np.ndarray], keywords: dict[str, Any]) -> Part:
    """Some places along the axis of the tables, which have one besides that of the pairs."""
    x, *tables = operands
    if any(table.ndim != 2 or table.shape[0] != x.shape[-2] for table in tables):
        return Part(tuple(operands), keywords, _all)
    places = _rows(x.shape[-2], x.size // max(1, x.shape[-2]))
    take = partial(np.take, indices=places, axis=-2)
    return Part((take(x), *map(take, tables)), keywords, take)


def _transforms(operands: Sequence[np.ndarray], keywords: dict[str, Any]) -> Part:
    """Some transforms: places along the longest axis that is not transformed, nor that of the parts."""
    (x,) = operands
    parts = x.shape[-1] == 2 and "s" in keywords
    ndim = x.ndim - parts
    axes = {a % ndim for a in keywords.get("axes", (keywords.get("axis", -1),))}
    others = [a for a in range(ndim) if a not in axes]
    if not others:
        return Part((x,), keywords, _all)
    across = max(others, key=lambda a: x.shape[a])
    places = _rows(x.shape[across], x.size // max(1, x.shape[across]))
    take = partial(np.take, indices=places, axis=across)
    return Part((take(x),), keywords, take)


def _attention(operands: Sequence[np.ndarray], keywords: dict[str, Any]) -> Part:
    """The first queries of the heads that share the first head of keys, of the first sequence."""
    query, key, value = operands
    heads = query.shape[1] // key.shape[1]

    def first(result: np.ndarray) -> np.ndarray:
        return result[:1, :heads, :FEWEST]

    return Part((first(query), key[:1, :1], value[:1, :1]), keywords, first)


def _convolution(operands: Sequence[np.ndarray], keywords: dict[str, Any]) -> Part:
    """Some images, and of these some channels of the result, or some groups where there are several."""
    x, weight, *bias = operands
    if x.ndim != weight.ndim:
        return Part(tuple(operands), keywords, _all)
    groups = keywords.get("groups", 1)
    each = weight.shape[0] // groups
    images = spread(x.shape[0], 2)
    one = images.size * prod(x.shape[2:]) * prod(weight.shape[1:])
    most = max(2, min(COLUMNS, CONVOLVED // max(1, one)))
    if groups == 1:
        chosen, some, given = spread(weight.shape[0], most), x[images], keywords
    else:
        few = spread(groups, max(2, most // each))
        chosen = (few[:, None] * each + np.arange(each)).reshape(-1)
        channels = (few[:, None] * weight.shape[1] + np.arange(weight.shape[1])).reshape(-1)
        some, given = x[images[:, None], channels], keywords | {"groups": int(few.size)}

    def take(result: np.ndarray) -> np.ndarray:
        return result[images[:, None], chosen]

    return Part((some, weight[chosen], *(b[chosen] for b in bias)), given, take)


PARTS: dict[str, Callable[[Sequence[np.ndarray], dict[str, Any]], Part]] = {
    "take": _taken, "segment_sum": _segments, "concat": _side_by_side, "rotary_embedding": _turned,
    "scaled_dot_product_attention": _attention,
    **dict.fromkeys(("rfft", "rfft2", "irfft2"), _transforms),
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), _convolution),
}  # fmt: skip
"""By the op's name."""

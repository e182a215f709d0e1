"""Vector-Jacobian products of what moves elements to where integers say: gather, scatter and sort, each of which needs
another one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod
from typing import Any

from .. import dispatch, registry
from ..array import Array
from ..conversion import constant, index_range
from ..layout import Shape, row_major
from .cells import cells_along, cells_of, in_rows
from .derivative import Cotangents, fn
from .parameters import Gather, Scatter, Sort


def _zeros(like: Array, shape: Shape) -> Array:
    return constant(0, like.dtype, like.device).view(shape, (0,) * len(shape))


def _rows_at(x: Array, positions: Array) -> Array:
    """Rows of x; zeros where there is none."""
    walks = (-1, *range(1, x.ndim))
    its = positions.view((positions.size, *(1,) * (x.ndim - 1)), (*positions.strides, *(0,) * (x.ndim - 1)))
    result: Array = dispatch.call(registry.OPS["gather"], (x, its), Gather(walks))
    return result


def gather_vjp(params: Gather, cotangents: Cotangents, results: Sequence[Array], operands: Sequence[Array]) -> Any:
    """The cotangents of the elements that came from one place, added up by the rule of `index_add`. An axis that is
    walked with the result while positions change along it has positions of its own here: 0, 1, 2…"""
    (g,), (x, *indices) = cotangents, operands
    assert g is not None
    given, positions, lengths, walked, walks = iter(indices), [], [], [], []
    for n, to in zip(x.shape, params.walks, strict=True):
        if to >= 0 and params.walks.count(to) == 1 and indices and all(index.shape[to] == 1 for index in indices):
            walked.append(to)
            walks.append(len(walked))
            continue
        its_shape = tuple(n if a == to else 1 for a in range(g.ndim))
        positions.append(next(given) if to < 0 else index_range(n, x.device).view(its_shape, row_major(its_shape)))
        lengths.append(n)
        walks.append(-1)
    kept = [a for a in range(g.ndim) if a not in walked]
    rows = fn.astype(g, x.dtype.accumulator, copy=False).permute((*kept, *walked))
    count = prod(g.shape[a] for a in kept)
    values = in_rows(rows, count, tuple(g.shape[a] for a in walked))
    added = fn.scatter(_zeros(values, x.shape), values, cells_of(positions, lengths), walks=tuple(walks), kind="add")
    return [fn.astype(added, x.dtype, copy=False), *(None for _ in indices)]


def scatter_vjp(params: Scatter, cotangents: Cotangents, results: Sequence[Array], operands: Sequence[Array]) -> Any:
    """Values that are added have the cotangents of their cells. Of those that are stored, only the last one of a cell,
    and the base has none there. Of extremes, all that are the extreme share it evenly, the base's too."""
    (g,), (base, values, cells, *sources) = cotangents, operands
    assert g is not None
    if sources:
        (at,), rows = sources, replace(params, sourced=False)
        of_base, of_rows, _ = scatter_vjp(rows, cotangents, results, [base, _rows_at(values, at), cells])
        its = fn.where(at < 0, at + values.shape[0], at)
        walks = (-1, *range(1, values.ndim))
        return [of_base, fn.scatter(_zeros(values, values.shape), of_rows, its, walks=walks, kind="add"), None, None]
    counted = [a for a, to in enumerate(params.walks) if to < 0]
    walked = sorted((to, a) for a, to in enumerate(params.walks) if to >= 0)
    number = prod(params.shape[a] for a in counted)
    there = fn.where(cells < 0, number, cells)  # from the end, a gather would say

    def at_cells(x: Array) -> Array:
        """Of each value, what x has at its place."""
        rows = in_rows(x.permute((*counted, *(a for _, a in walked))), number, values.shape[1:])
        return _rows_at(rows, there)

    if params.kind == "add":
        return [g, at_cells(g), None]
    if params.kind == "multiply":
        return [*_of_product(params, g, results[0], base, values, cells, at_cells), None]
    if params.kind in ("max", "min"):
        (y,) = results
        wide = g.dtype.accumulator
        mine, its = (fn.astype(fn.equal(a, b), wide) for a, b in ((base, y), (values, at_cells(y))))
        share = fn.astype(g, wide, copy=False) / fn.scatter(mine, its, cells, walks=params.walks, kind="add")
        left = fn.where(fn.equal(mine, 0.0), 0.0, share), fn.where(fn.equal(its, 0.0), 0.0, at_cells(share))
        return [*(fn.astype(x, g.dtype, copy=False) for x in left), None]
    picked = at_cells(g)
    left = fn.scatter(g, _zeros(values, values.shape), cells, walks=params.walks, apart=params.apart)
    if not params.apart:
        places = index_range(cells.size, cells.device)
        last = _rows_at(fn.scatter(_zeros(cells, (number,)), places, cells, walks=(-1,)), there)
        mine = (last == places).view((cells.size, *(1,) * len(walked)), (1, *(0,) * len(walked)))
        picked = fn.where(mine, picked, 0.0)
    return [left, picked, None]


def _of_product(
    params: Scatter, g: Array, y: Array, base: Array, values: Array, cells: Array, at_cells: Callable[[Array], Array]
) -> list[Array]:
    """The product of the others: y / x; of a zero among others that are not, the product of these."""
    ones, none = (fn.astype(fn.equal(x, 0.0), x.dtype) for x in (base, values))
    zeros = fn.scatter(ones, none, cells, walks=params.walks, kind="add")
    filled = [fn.where(fn.equal(x, 0.0), 1.0, x) for x in (base, values)]
    others = fn.scatter(*filled, cells, walks=params.walks, kind="multiply")

    def share(x: Array, full: Array, its_zeros: Array, rest: Array, its_g: Array) -> Array:
        at_zero = fn.where(fn.equal(its_zeros, 1.0), rest, 0.0)
        return its_g * fn.where(fn.equal(x, 0.0), at_zero, fn.where(fn.equal(its_zeros, 0.0), rest / full, 0.0))

    return [
        share(base, filled[0], zeros, others, g),
        share(values, filled[1], at_cells(zeros), at_cells(others), at_cells(g)),
    ]


def sort_vjp(params: Sort, cotangents: Cotangents, results: Sequence[Array], operands: Sequence[Array]) -> Any:
    """Back to where each element came from."""
    (g,), (x,) = cotangents, operands
    if g is None or params.kind == "indices":
        return [None]
    order = fn.argsort(x, axis=params.axis, descending=params.descending)
    cells = cells_along(order, x.shape, params.axis)
    return [fn.scatter(_zeros(g, x.shape), in_rows(g, g.size, ()), cells, walks=(-1,) * x.ndim, apart=True)]

"""Sums, products and scans of complex numbers, and products of matrices: sums and products of their parts."""

from __future__ import annotations

from math import prod
from typing import Any

from ... import dispatch
from ...array import Array
from ...conversion import constant
from ...dtypes import DType, promote
from ...errors import DtypeError
from ...layout import Layout, Shape
from ...registry import OPS
from ..concatenation import concat
from ..primitive.matmul import MATMUL
from ..primitive.pointwise import astype, fn
from ..primitive.reduce import Axes, normalize_axes
from ..primitive.scan import one_axis
from ..views import broadcast_to, permute_dims, reshape
from .rule import both, moves, rule, split


def _checked(op: str, have: DType, asked: DType | None) -> None:
    if asked is not None and asked is not have:
        raise DtypeError(f"{op}: dtype: {asked} from {have}; complex numbers keep their dtype")


def _sum_axes(layouts: tuple[Layout, ...], params: tuple[Axes, DType | None]) -> tuple[Any, Any]:
    axis, asked = params
    _checked("sum", layouts[0].dtype, asked)
    axes = normalize_axes("sum", axis, layouts[0].ndim)
    return (axes, None), (axes, None)


moves(OPS["sum"], _sum_axes, lambda arrays, view, more: [view(arrays[0])])


def _chosen(name: str) -> None:
    @rule(OPS[name])
    def chosen(x: Array, params: Any) -> Array:
        """What a complex number is as a boolean: whether one of its parts is not zero."""
        result: Array = dispatch.call(OPS[name], (fn.not_equal(x, 0.0),), params)
        return result


_chosen("any")
_chosen("all")


@rule(OPS["prod"])
def _prod(x: Array, params: tuple[Axes, DType | None]) -> Array:
    """The first half of the elements, in row-major order, times the second half, until one is left; the last element of
    an odd number stands aside, and these multiply the result at the end, the first to stand aside first."""
    axis, asked = params
    _checked("prod", x.dtype, asked)
    axes = normalize_axes("prod", axis, x.ndim)
    kept = [a for a in range(x.ndim) if a not in axes]
    shape: Shape = tuple(x.shape[a] for a in kept)
    n = prod(x.shape[a] for a in axes)
    if n == 0:
        re = fn.abs(broadcast_to(_real(1.0, x), shape))
        return both(re, re * 0.0)
    rows = reshape(permute_dims(x, (*kept, *axes)), (*shape, n))
    aside = []
    while n > 1:
        if n % 2:
            aside.append(rows[..., -1])
        n //= 2
        rows = rows[..., :n] * rows[..., n : 2 * n]
    result = fn.positive(rows[..., 0])
    for x in aside:
        result = result * x
    return result


def _real(value: float, x: Array) -> Array:
    """A number of the dtype of an array's parts."""
    return constant(value, x.dtype.component, x.device)


def _scan_axis(layouts: tuple[Layout, ...], params: Any) -> tuple[Any, Any]:
    axis, asked, initial = params
    _checked("cumulative_sum", layouts[0].dtype, asked)
    its = (one_axis("cumulative_sum", axis, layouts[0].shape), None, initial)
    return its, its


moves(OPS["cumulative_sum"], _scan_axis, lambda arrays, view, more: [view(arrays[0])])


@rule(OPS["cumulative_prod"])
def _cumulative_prod(x: Array, params: Any) -> Array:
    """For d = 1, 2, 4 and so on, while they are on the axis: x[j] becomes x[j - d] times x[j]."""
    axis, asked, initial = params
    _checked("cumulative_prod", x.dtype, asked)
    along = one_axis("cumulative_prod", axis, x.shape)
    lead, d = (slice(None),) * along, 1
    if initial:
        one = tuple(1 if a == along else n for a, n in enumerate(x.shape))
        x = concat([astype(broadcast_to(_real(1.0, x), one), x.dtype), x], axis=along)
    while d < x.shape[along]:
        products = x[(*lead, slice(None, -d))] * x[(*lead, slice(d, None))]
        x = concat([x[(*lead, slice(None, d))], products], axis=along)
        d *= 2
    result: Array = fn.positive(x)
    return result


@rule(MATMUL)
def _matmul(a: Array, b: Array, asked: DType | None) -> Array:
    """Four products of real matrices, each in the canonical order; two where an operand is real."""
    common = promote(a.dtype, b.dtype)
    if asked is not None and asked is not common:
        raise DtypeError(f"matmul: dtype: {asked} from {common}; complex numbers keep their dtype")

    def product(x: Array, y: Array) -> Array:
        result: Array = dispatch.call(MATMUL, (x, y), None)
        return result

    (a, ai), (b, bi) = (
        tuple(None if p is None else astype(p, common.component, copy=False) for p in split(x)) for x in (a, b)
    )
    if ai is None:
        return both(product(a, b), product(a, bi))
    if bi is None:
        return both(product(a, b), product(ai, b))
    return both(product(a, b) - product(ai, bi), product(a, bi) + product(ai, b))

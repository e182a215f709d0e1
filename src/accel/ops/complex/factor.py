"""Factorisations of blocks of complex matrices, a step for each column; and solutions with their triangles: those of
real matrices in which each number a + bi is the block [[a, -b], [b, a]].

A step takes the column's number as an array, and views of what it needs of the column, so that all steps of a block are
one plan. What is made of blocks is not traced as a whole, as that would be thousands of steps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...array import Array
from ...conversion import index_range
from ...registry import OPS
from ..compose import Indices, NumericOperand, unlisted
from ..parameters import Factor
from ..pieces import boxed, joined
from ..primitive.factor import solve_block
from ..primitive.gather import take_along_axis
from ..primitive.pointwise import fn
from ..primitive.reduce import argmax, sum
from ..spec import OpSpec
from ..views import expand_dims, reshape
from .part import conj, real, square
from .rule import both, rule, serve, split


def stepwise(spec: OpSpec) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Makes a function of (operands…, params) what an op runs, call by call, where numbers are complex."""

    def decorate(body: Callable[..., Any]) -> Callable[..., Any]:
        serve(spec, adapt=lambda layouts, params: lambda *arrays: body(*arrays, params))
        return body

    return decorate


def _places(a: Array) -> tuple[Array, Array]:
    """The numbers of rows and columns."""
    return index_range(a.shape[1], a.device)[:, None], index_range(a.shape[2], a.device)


def _at(a: Array, k: int) -> tuple[Array, Array, Array]:
    """Column k, its number on the diagonal, and k."""
    return a[:, :, k : k + 1], a[:, k : k + 1, k : k + 1], index_range(a.shape[2], a.device)[k]


@unlisted("internal")
def cholesky_step(a: NumericOperand, column: NumericOperand, head: NumericOperand, at: Indices, /) -> Array:
    """The root of the real part of the number on the diagonal, the column over it, and the rest less the products of
    the column and its conjugate."""
    row, col = _places(a)
    root = fn.sqrt(real(head))
    below = fn.where(row > at, column / root, 0.0)
    made = fn.where(row == at, root, below)
    return fn.where(col == at, made, fn.where(col > at, a - below * conj(below).mT, a))  # type: ignore[no-any-return]


@stepwise(OPS["cholesky_block"])
def _cholesky(a: Array, params: Factor) -> Array:
    for k in range(a.shape[2]):
        a = cholesky_step(a, *_at(a, k))
    row, col = _places(a)
    return fn.where(row >= col, a, 0.0)  # type: ignore[no-any-return]


@unlisted("internal")
def exchange_step(column: NumericOperand, at: Indices, /) -> Array:
    """The rows in the order in which the one with the largest |re| + |im|, from ``at`` on, changes places with it."""
    place = index_range(column.shape[1], column.device)
    re, im = split(column[:, :, 0])
    size = fn.abs(re) if im is None else fn.abs(re) + fn.abs(im)
    first = argmax(fn.where(place >= at, size, -1.0), axis=1, keepdims=True)
    return fn.where(place == at, first, fn.where(place == first, at, place))  # type: ignore[no-any-return]


@unlisted("internal")
def lu_step(
    a: NumericOperand, column: NumericOperand, top: NumericOperand, pivot: NumericOperand, at: Indices
) -> Array:
    """What is below the pivot over it, and the rest less the products of that and the pivot's row."""
    row, col = _places(a)
    made = fn.where(pivot != 0.0, column / pivot, column)
    rest = fn.where(col > at, a - made * top, fn.where(col == at, made, a))
    return fn.where(row > at, rest, a)  # type: ignore[no-any-return]


@stepwise(OPS["lu_block"])
def _lu(a: Array, params: Factor) -> tuple[Array, Array]:
    count, m, n = a.shape
    order = index_range(m, a.device).view((count, m), (0, 1))
    for k in range(min(m, n)):
        column, _, at = _at(a, k)
        rows = exchange_step(column, at)
        a, order = (take_along_axis(x, i, axis=1) for x, i in ((a, rows[:, :, None]), (order, rows)))
        column, pivot, at = _at(a, k)
        a = lu_step(a, column, a[:, k : k + 1], pivot, at)
    return a, order


@unlisted("internal")
def qr_step(a: NumericOperand, column: NumericOperand, head: NumericOperand, at: Indices, /) -> tuple[Array, Array]:
    """Householder's reflection I - tau v v^H, with a real tau: the number r on the diagonal becomes -r / |r| times the
    norm of what is from it on (of r = 0: minus the norm)."""
    row, col = _places(a)
    tail = fn.where(row > at, column, 0.0)
    below = sum(square(tail), axis=1, keepdims=True)
    norm, size, none = fn.sqrt(square(head) + below), fn.hypot(*split(head)), below == 0.0
    direction = fn.where(size > 0.0, fn.sign(head), 1.0)
    tau = fn.where(none, 0.0, (size + norm) / norm)
    v = fn.where(none, 0.0, tail / fn.where(none, 1.0, direction * (size + norm)))
    whole = fn.where(row == at, 1.0, v)
    change = sum(conj(whole) * a, axis=1, keepdims=True) * tau
    made = fn.where(row > at, v, fn.where(row == at, fn.where(none, head, fn.negative(direction * norm)), column))
    return fn.where(col > at, a - whole * change, fn.where(col == at, made, a)), tau[:, :, 0]


@stepwise(OPS["qr_block"])
def _qr(a: Array, params: Factor) -> tuple[Array, Array]:
    taus = []
    for k in range(a.shape[2]):
        a, tau = qr_step(a, *_at(a, k))
        taus.append(tau)
    return a, joined(taus, 1)


@rule(OPS["solve_block"])
def _solve(triangle: Array, b: Array, params: Factor) -> Array:
    """Rows are divided by their numbers on the diagonal first, so that the real triangle has ones there."""
    count, n, columns = b.shape
    if params.kind == "solve":
        on = triangle.view((count, n), (triangle.strides[0], triangle.strides[1] + triangle.strides[2]))[:, :, None]
        triangle, b = triangle / on, b / on
    (re, im), (x, y), (row, col) = split(triangle), split(b), _places(triangle)
    re, im = (fn.where(row > col, part, 0.0) for part in (re, im))
    parts = {(0, 0): re, (1, 1): re, (0, 1): fn.negative(im), (1, 0): im}
    boxes = [((0, 0, i, 0, j), part[:, :, None, :, None]) for (i, j), part in parts.items()]
    real_triangle = reshape(boxed((count, n, 2, n, 2), boxes), (count, 2 * n, 2 * n))
    sides = boxed((count, n, 2, columns), [((0, 0, i, 0), expand_dims(part, axis=2)) for i, part in ((0, x), (1, y))])
    made = reshape(solve_block(real_triangle, reshape(sides, (count, 2 * n, columns)), True), (count, n, 2, columns))
    return both(made[:, :, 0], made[:, :, 1])

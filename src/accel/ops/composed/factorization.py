"""Factorisations of matrices of any size, halved until a block remains: systems, inverses, determinants.

A body works on (count, rows, columns): the axes before the last two are one. checked_factorization.py has the public
functions, which raise LinAlgError where an op counts matrices that it does not serve.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import numpy as np

from ...arguments import switch, word
from ...array import Array
from ...conversion import constant, from_numpy
from ...dtypes import FLOAT32, FLOAT64, INT64, DType, promote
from ...errors import DtypeError, ShapeError
from ...layout import Shape, broadcast_shapes
from ...numerics import FACTOR
from ..compose import Operand, composed
from ..pieces import boxed, filled, joined
from ..primitive.factor import cholesky_block, lu_block, qr_block, solve_block
from ..primitive.gather import take_along_axis
from ..primitive.matmul import matmul
from ..primitive.pointwise import astype, fn
from ..primitive.reduce import all, max, sum
from ..primitive.reduce import prod as product
from ..views import broadcast_to, reshape
from . import exact_factorization as exact
from .statistics import SCALES

WHOLE = 4 * FACTOR
"""Columns up to which both halves of a symmetric matrix are updated, though one is read: fewer launches for more
arithmetic. No result depends on it."""

GATHERED = 8
"""Blocks along a side that a triangle is put together of at once, as a launch has only so many operands."""


def examples(name: str, dtype: DType) -> Any:
    """Those of an op of this file."""
    from ...testing import factor_family

    return factor_family.FAMILIES[name](dtype)


def halved(n: int) -> int:
    """Columns of the first of two parts: FACTOR times the largest power of two that leaves some for the other."""
    first = FACTOR
    while 2 * first < n:
        first *= 2
    return first


@dataclass(frozen=True)
class Triangle:
    """Both triangles of a factorisation, which share what they are stored in, or one of them.

    block: of FACTOR columns at most; or None: then first and last are the triangles on the diagonal, below (of a lower
    one) and right (of an upper one) are what is beside them. order: LU's rows as they are taken from the matrix.
    """

    n: int
    block: Array | None = None
    first: Triangle | None = None
    last: Triangle | None = None
    below: Array | None = None
    right: Array | None = None

    @property
    def halves(self) -> tuple[Triangle, Triangle]:
        assert self.first is not None and self.last is not None
        return self.first, self.last

    def diagonals(self) -> list[Array]:
        """(count, columns) of each block, in order."""
        if self.block is not None:
            return [diagonal(self.block)]
        return [x for half in self.halves for x in half.diagonals()]

    def forward(self, b: Array, unit: bool = False) -> Array:
        """The solutions with the lower triangle."""
        if self.block is not None:
            return solve_block(self.block, b, unit)
        (first, last), below = self.halves, self.below
        top = first.forward(b[:, : first.n], unit)
        return joined([top, last.forward(b[:, first.n :] - matmul(below, top), unit)], 1)

    def turned(self) -> Triangle:
        """The transpose of an upper triangle."""
        if self.block is not None:
            return Triangle(self.n, self.block.mT)
        (first, last), right = self.halves, self.right
        assert right is not None
        return Triangle(self.n, None, first.turned(), last.turned(), right.mT)

    def backward(self, b: Array) -> Array:
        """The solutions with the upper triangle, which is a lower one from its other end."""
        if self.block is not None:
            result: Array = solve_block(self.block[:, ::-1, ::-1], b[:, ::-1])
            return result[:, ::-1]
        (first, last), right = self.halves, self.right
        bottom = last.backward(b[:, first.n :])
        return joined([first.backward(b[:, : first.n] - matmul(right, bottom)), bottom], 1)

    def lower(self) -> Array:
        """The lower triangle as one array, with zeros above. Its blocks have them."""
        if self.block is not None:
            return self.block
        boxes = list(self._boxes(GATHERED, 0))
        count, dtype, device = boxes[0][1].shape[0], boxes[0][1].dtype, boxes[0][1].device
        zeros = [
            ((0, at, at + width), filled(0.0, (count, width, self.n - at - width), dtype, device))
            for at, width in self._widths(GATHERED, 0)
        ]
        return boxed((count, self.n, self.n), [*boxes, *zeros])

    def _cut(self, most: int) -> bool:
        return self.block is None and most > 1

    def _widths(self, most: int, at: int) -> list[tuple[int, int]]:
        """Where each part on the diagonal begins, and its columns."""
        if not self._cut(most):
            return [(at, self.n)]
        first, last = self.halves
        return [*first._widths(most // 2, at), *last._widths(most // 2, at + first.n)]

    def _boxes(self, most: int, at: int) -> list[tuple[Shape, Array]]:
        if not self._cut(most):
            return [((0, at, at), self.lower())]
        (first, last), below = self.halves, self.below
        assert below is not None
        middle = at + first.n
        return [*first._boxes(most // 2, at), ((0, middle, at), below), *last._boxes(most // 2, middle)]


def diagonal(x: Array) -> Array:
    """(count, n) of (count, n, n), as a view."""
    return x.view(x.shape[:2], (x.strides[0], x.strides[1] + x.strides[2]))


# Cholesky


Symmetric = Array | tuple["Symmetric", Array, "Symmetric"]
"""A symmetric matrix, of which the lower triangle counts: whole, or what is on the diagonal, and below it between."""


def _parts(a: Symmetric) -> tuple[Symmetric, Array, Symmetric]:
    if isinstance(a, tuple):
        return a
    h = halved(a.shape[1])
    return a[:, :h, :h], a[:, h:, :h], a[:, h:, h:]


def _less_square(a: Symmetric, rows: Array) -> Symmetric:
    """a - rows @ rows.T."""
    if isinstance(a, Array) and a.shape[1] <= WHOLE:
        return a - matmul(rows, rows.mT)
    first, below, last = _parts(a)
    h = halved(rows.shape[1])
    top, bottom = rows[:, :h], rows[:, h:]
    return _less_square(first, top), below - matmul(bottom, top.mT), _less_square(last, bottom)


def factored_symmetric(a: Symmetric, n: int) -> Triangle:
    """The lower Cholesky factor."""
    if n <= FACTOR:
        return Triangle(n, cholesky_block(a))
    h = halved(n)
    top, beside, bottom = _parts(a)
    first = factored_symmetric(top, h)
    below = first.forward(beside.mT).mT
    return Triangle(n, None, first, factored_symmetric(_less_square(bottom, below), n - h), below)


# LU


def taken(x: Array, order: Array) -> Array:
    """The rows of (count, m, …) in another order, (count, m)."""
    index = order.view((*order.shape, *(1,) * (x.ndim - 2)), (*order.strides, *(0,) * (x.ndim - 2)))
    result: Array = take_along_axis(x, index, axis=1)
    return result


def factored(a: Array) -> tuple[Triangle, Array | None, Array]:
    """L and U of (count, m, n), m >= n, what of L is below row n, and the order of the rows, int64 (count, m)."""
    m, n = a.shape[1:]
    if n <= FACTOR:
        block, order = lu_block(a)
        return Triangle(n, block[:, :n]), block[:, n:] if m > n else None, order
    h = halved(n)
    first, under, order = factored(a[:, :, :h])
    assert under is not None
    rest = taken(a[:, :, h:], order)
    right = first.forward(rest[:, :h], unit=True)
    last, lowest, then = factored(rest[:, h:] - matmul(under, right))
    under = taken(under, then)
    order = joined([order[:, :h], taken(order[:, h:], then)], 1)
    made = Triangle(n, None, first, last, under[:, : n - h], right)
    return made, None if lowest is None else joined([under[:, n - h :], lowest], 2), order


def _sign(order: Array) -> Array:
    """(count,): whether a permutation is odd, by how many of its pairs are not in order."""
    n = order.shape[1]
    place = from_numpy(np.arange(n), order.device)
    turned = (order[:, :, None] > order[:, None, :]) & (place[:, None] < place[None, :])
    pairs = sum(sum(astype(turned, INT64), axis=2), axis=1)
    return (pairs & 1) == 1


# QR


@dataclass(frozen=True)
class Reflections:
    """The product I - V T V^T of Householder's reflections, of which V is stored, (count, m, n), a unit lower
    trapezoid, and the inverse of T, an upper triangle: what is above the diagonal in V^T V, and 1 / tau on it (Joffrain
    et al., Accumulating Householder transformations, revisited, 2006)."""

    vectors: Array
    inverse: Triangle

    def turn(self, b: Array) -> Array:
        """The transpose of the product, times b."""
        return b - matmul(self.vectors, self.inverse.turned().forward(matmul(self.vectors.mT, b)))

    def columns(self, k: int) -> Array:
        """The first k columns of the product."""
        v = self.vectors
        place = from_numpy(np.arange(v.shape[1]), v.device)
        eye = astype(place[:, None] == place[None, :k], v.dtype)
        return eye - matmul(v, self.inverse.backward(v[:, :k].mT))


@dataclass(frozen=True)
class Masks:
    """Where (rows, FACTOR) is below its diagonal, and where it is on it; made once for all blocks, which see parts."""

    below: Array
    on: Array

    @classmethod
    def of(cls, rows: int, x: Array) -> Masks:
        place = from_numpy(np.arange(rows), x.device)[:, None]
        column = from_numpy(np.arange(FACTOR), x.device)
        return cls(place > column, place == column)

    def part(self, m: int, n: int) -> tuple[Array, Array]:
        """The masks of (m, n)."""
        return self.below[:m, :n], self.on[:m, :n]


def reflected(a: Array, masks: Masks) -> tuple[Reflections, Array]:
    """Reflections that make (count, m, n), m >= n, an upper triangle, and that, (count, n, n)."""
    count, m, n = a.shape
    if n <= FACTOR:
        packed, tau = qr_block(a)
        below, on = masks.part(m, n)
        vectors = fn.where(below, packed, astype(on, a.dtype))
        below, on = masks.part(n, n)
        inner = fn.where(on, 1.0 / tau[:, None, :], matmul(vectors.mT, vectors))
        inverse = Triangle(n, fn.where(below, 0.0, inner))
        return Reflections(vectors, inverse), fn.where(below, 0.0, packed[:, :n])
    h = halved(n)
    left, corner = reflected(a[:, :, :h], masks)
    rest = left.turn(a[:, :, h:])
    right, last = reflected(rest[:, h:], masks)
    beside = matmul(left.vectors[:, h:].mT, right.vectors)
    zeros = [filled(0.0, shape, a.dtype, a.device) for shape in ((count, h, n - h), (count, n - h, h))]
    vectors = boxed(a.shape, [((0, 0, 0), left.vectors), ((0, h, h), right.vectors), ((0, 0, h), zeros[0])])
    parts = [((0, 0, 0), corner), ((0, 0, h), rest[:, :h]), ((0, h, h), last), ((0, h, 0), zeros[1])]
    inverse = Triangle(n, None, left.inverse, right.inverse, None, beside)
    return Reflections(vectors, inverse), boxed((count, n, n), parts)


# operands


def matrices(op: str, argument: str, x: Array) -> Array:
    """Square matrices of a dtype that is factored, as (count, n, n). Raises DtypeError, ShapeError."""
    _check_dtype(op, argument, x)
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ShapeError(f"{op}: {argument}: expected square matrices (…, n, n), got shape {x.shape}")
    return _flat(x)


def _check_dtype(op: str, argument: str, x: Array) -> None:
    if x.dtype not in (FLOAT32, FLOAT64):
        raise DtypeError(f"{op}: {argument}: takes float32 or float64, got {x.dtype}; cast with astype")


def _flat(x: Array) -> Array:
    result: Array = reshape(x, (prod(x.shape[:-2]), *x.shape[-2:]))
    return result


def _count(bad: Array) -> Array:
    """How many are true."""
    result: Array = sum(astype(bad, INT64))
    return result


def _none(x: Array) -> Array:
    return constant(0, INT64, x.device)


def _pivots(triangle: Triangle) -> Array:
    """U's diagonal, (count, n)."""
    parts = triangle.diagonals()
    return joined(parts, 1) if len(parts) > 1 else parts[0]


def _flops(times: float) -> Any:
    return lambda inputs, outputs: int(times * inputs[0].size * inputs[0].shape[-1])


@composed(
    reference=exact.cholesky,
    samples=partial(examples, "cholesky"),
    namespace="linalg",
    dtypes=(FLOAT32, FLOAT64),
    widen=False,
    bound=exact.bound_cholesky,
    flops=_flops(1 / 3),
)
def cholesky(x: Operand, /, *, upper: bool = False) -> tuple[Array, Array]:
    """Cholesky factors of symmetric positive definite matrices."""
    a, turned = matrices("cholesky", "x", x), switch("cholesky", "upper", upper)
    if not x.size:
        return x, _none(x)
    lower = factored_symmetric(a.mT if turned else a, a.shape[1]).lower()
    good = all(diagonal(lower) > 0.0, axis=1)
    result: Array = reshape(lower, x.shape)
    return result.mT if turned else result, _count(~good)


@composed(
    reference=exact.solve,
    samples=partial(examples, "solve"),
    namespace="linalg",
    dtypes=(FLOAT32, FLOAT64),
    widen=False,
    bound=exact.bound_solve,
    flops=_flops(2 / 3),
)
def solve(x1: Operand, x2: Operand, /) -> tuple[Array, Array]:
    """Solutions of systems of linear equations."""
    common = promote(x1.dtype, x2.dtype)
    x1, x2 = (astype(x, common, copy=False) for x in (x1, x2))
    a, n = matrices("solve", "x1", x1), x1.shape[-1] if x1.ndim else 0
    b = x2[:, None] if x2.ndim == 1 else x2
    if x2.ndim == 0 or b.shape[-2] != n:
        raise ShapeError(f"solve: x2: expected ({n},) or (…, {n}, k) beside x1 of shape {x1.shape}, got {x2.shape}")
    batch = broadcast_shapes(x1.shape[:-2], b.shape[:-2], what="solve: batch axes of x1 and x2")
    shape = (*batch, *b.shape[-2:])
    if not prod(shape):
        return _vector(broadcast_to(b, shape), x2), _none(x2)
    if a.shape[0] == 1:  # all right-hand sides beside each other
        beside = reshape(b.permute((b.ndim - 2, *range(b.ndim - 2), b.ndim - 1)), (1, n, b.size // n))
    else:
        a = _flat(broadcast_to(x1, (*batch, n, n)))
        beside = _flat(broadcast_to(b, shape))
    triangle, _, order = factored(a)
    y = triangle.backward(triangle.forward(taken(beside, order), unit=True))
    bad = _count(~all(_pivots(triangle) != 0.0, axis=1))
    if a.shape[0] == 1:
        y = reshape(y, (n, *b.shape[:-2], b.shape[-1]))
        y = y.permute((*range(1, y.ndim - 1), 0, y.ndim - 1)) if y.ndim > 2 else y
        return _vector(reshape(y, shape), x2), bad
    return _vector(reshape(y, shape), x2), bad


def _vector(x: Array, given: Array) -> Array:
    """Without the axis that a one-dimensional operand had not."""
    return x[..., 0] if given.ndim == 1 else x


@composed(
    reference=exact.inv,
    samples=partial(examples, "inv"),
    namespace="linalg",
    dtypes=(FLOAT32, FLOAT64),
    widen=False,
    bound=exact.bound_inv,
    flops=_flops(2),
)
def inv(x: Operand, /) -> tuple[Array, Array]:
    """Inverses of matrices."""
    a = matrices("inv", "x", x)
    if not x.size:
        return x, _none(x)
    triangle, _, order = factored(a)
    place = from_numpy(np.arange(a.shape[1]), x.device)
    rows = astype(order[:, :, None] == place, x.dtype)
    made = triangle.backward(triangle.forward(rows, unit=True))
    return reshape(made, x.shape), _count(~all(_pivots(triangle) != 0.0, axis=1))


@composed(
    reference=exact.det,
    samples=partial(examples, "det"),
    namespace="linalg",
    dtypes=(FLOAT32, FLOAT64),
    widen=False,
    bound=exact.bound_det,
    flops=_flops(2 / 3),
)
def det(x: Operand, /) -> Array:
    """Determinants of matrices (…, n, n), by LU factorisation with row exchanges; 1 of matrices without elements.

    x: float32 or float64. Raises ShapeError, DtypeError.
    """
    a = matrices("det", "x", x)
    if not x.size:
        return product(x, axis=(-2, -1))
    triangle, _, order = factored(a)
    size = product(_pivots(triangle), axis=1)
    return reshape(fn.where(_sign(order), -size, size), x.shape[:-2])


@composed(
    reference=exact.slogdet,
    samples=partial(examples, "slogdet"),
    namespace="linalg",
    dtypes=(FLOAT32, FLOAT64),
    widen=False,
    bound=exact.bound_slogdet,
    flops=_flops(2 / 3),
)
def slogdet(x: Operand, /) -> tuple[Array, Array]:
    """Signs of determinants, and logarithms of their absolute values."""
    a, batch = matrices("slogdet", "x", x), x.shape[:-2]
    if not x.size:
        return product(x, axis=(-2, -1)), sum(x, axis=(-2, -1))
    triangle, _, order = factored(a)
    pivots = _pivots(triangle)
    sign = product(fn.sign(pivots), axis=1)
    signs = fn.where(_sign(order), -sign, sign)
    return reshape(signs, batch), reshape(sum(fn.log(fn.abs(pivots)), axis=1), batch)


@composed(
    reference=exact.qr,
    samples=partial(examples, "qr"),
    namespace="linalg",
    dtypes=(FLOAT32, FLOAT64),
    widen=False,
    bound=exact.bound_qr,
    flops=_flops(8 / 3),
)
def qr(x: Operand, /, *, mode: str = "reduced") -> tuple[Array, Array]:
    """Orthogonal and upper triangular factors of matrices."""
    how = word("qr", "mode", mode, ("reduced", "complete"))
    _check_dtype("qr", "x", x)
    if x.ndim < 2:
        raise ShapeError(f"qr: x: expected matrices (…, m, n), got shape {x.shape}")
    *batch, m, n = x.shape
    least = min(m, n)
    k = m if how == "complete" else least
    if not x.size:
        place = from_numpy(np.arange(m), x.device)
        eye = astype(place[:, None] == place[None, :k], x.dtype)
        return broadcast_to(eye, (*batch, m, k)), filled(0.0, (*batch, k, n), x.dtype, x.device)
    high, down, low, up = SCALES[x.dtype.name]
    a = _flat(x)
    largest = max(fn.abs(a), axis=(1, 2), keepdims=True)
    scale = fn.where(largest > high, down, fn.where(largest < low, up, fn.copysign(1.0, largest)))
    a = a * scale
    made, r = reflected(a[:, :, :least], Masks.of(m, x))
    if n > least:
        r = joined([r, made.turn(a[:, :, least:])], 2)
    r = r / scale
    if k > least:
        r = joined([r, filled(0.0, (r.shape[0], k - least, n), x.dtype, x.device)], 1)
    return reshape(made.columns(k), (*batch, m, k)), reshape(r, (*batch, k, n))

"""Triangles of matrices of any size: Cholesky's, LU's and QR's, and the solutions with them. A matrix is halved until a
block of few columns remains, which is the primitive ``factor``'s; what is between are products.

All arrays are (count, rows, columns).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...array import Array
from ...conversion import index_range
from ...dtypes import INT64
from ...layout import Shape
from ...numerics import FACTOR
from ..complex.part import conj
from ..pieces import boxed, filled, joined
from ..primitive.factor import cholesky_block, lu_block, qr_block, solve_block
from ..primitive.gather import take_along_axis
from ..primitive.matmul import matmul
from ..primitive.pointwise import astype, fn
from ..primitive.reduce import sum

WHOLE = 4 * FACTOR
"""Columns up to which both halves of a symmetric matrix are updated, though one is read: fewer launches for more
arithmetic. No result depends on it."""

GATHERED = 8
"""Blocks along a side that a triangle is put together of at once, as a launch has only so many operands."""


def halved(n: int) -> int:
    """Columns of the first of two parts: FACTOR times the largest power of two that leaves some for the other."""
    first = FACTOR
    while 2 * first < n:
        first *= 2
    return first


@dataclass(frozen=True)
class Triangle:
    """Both triangles of a factorisation, which share what they are stored in, or one of them.

    block: of FACTOR columns at most; or None: then first and last are the triangles on the diagonal,
    below (of a lower one) and right (of an upper one) are what is beside them. order: LU's rows as they are taken from
    the matrix.
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

    @classmethod
    def upper(cls, x: Array) -> Triangle:
        """The upper triangle of (count, n, n), of which nothing else is read."""
        n = x.shape[1]
        if n <= FACTOR:
            return cls(n, x)
        h = halved(n)
        return cls(n, None, cls.upper(x[:, :h, :h]), cls.upper(x[:, h:, h:]), None, x[:, :h, h:])

    def without_zeros(self, value: Array) -> Triangle:
        """With a value, (count, 1, 1), in the place of zeros on the diagonal."""
        if self.block is not None:
            place = index_range(self.n, self.block.device)
            zero = (self.block == 0.0) & (place[:, None] == place)
            return replace(self, block=fn.where(zero, value, self.block))
        return replace(self, first=self.halves[0].without_zeros(value), last=self.halves[1].without_zeros(value))

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
        """The adjoint of an upper triangle."""
        if self.block is not None:
            return Triangle(self.n, adjoint(self.block))
        (first, last), right = self.halves, self.right
        assert right is not None
        return Triangle(self.n, None, first.turned(), last.turned(), adjoint(right))

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


def identity(m: int, n: int, like: Array) -> Array:
    """(m, n), of an array's dtype and device."""
    place = index_range(m, like.device)
    result: Array = astype(place[:, None] == place[None, :n], like.dtype)
    return result


def adjoint(x: Array) -> Array:
    """The transposes of matrices, conjugated: a view where numbers are real."""
    result: Array = conj(x)
    return result.mT


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
    """a - rows @ rows^H."""
    if isinstance(a, Array) and a.shape[1] <= WHOLE:
        return a - matmul(rows, adjoint(rows))
    first, below, last = _parts(a)
    h = halved(rows.shape[1])
    top, bottom = rows[:, :h], rows[:, h:]
    return _less_square(first, top), below - matmul(bottom, adjoint(top)), _less_square(last, bottom)


def factored_symmetric(a: Symmetric, n: int) -> Triangle:
    """The lower Cholesky factor."""
    if isinstance(a, Array) and n <= FACTOR:
        return Triangle(n, cholesky_block(a))
    top, beside, bottom = _parts(a)
    h = beside.shape[2]
    first = factored_symmetric(top, h)
    below = adjoint(first.forward(adjoint(beside)))
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


def is_odd(order: Array) -> Array:
    """(count,): whether a permutation is odd, by how many of its pairs are not in order."""
    n = order.shape[1]
    place = index_range(n, order.device)
    turned = (order[:, :, None] > order[:, None, :]) & (place[:, None] < place[None, :])
    pairs = sum(sum(astype(turned, INT64), axis=2), axis=1)
    return (pairs & 1) == 1


# QR


@dataclass(frozen=True)
class Reflections:
    """The product I - V T V^H of Householder's reflections, of which V is stored, (count, m, n), a unit lower
    trapezoid, and the inverse of T, an upper triangle: what is above the diagonal in V^H V, and 1 / tau on it (Joffrain
    et al., Accumulating Householder transformations, revisited, 2006)."""

    vectors: Array
    inverse: Triangle

    def turn(self, b: Array) -> Array:
        """The adjoint of the product, times b."""
        return b - matmul(self.vectors, self.inverse.turned().forward(matmul(adjoint(self.vectors), b)))

    def columns(self, k: int) -> Array:
        """The first k columns of the product."""
        v = self.vectors
        return identity(v.shape[1], k, v) - matmul(v, self.inverse.backward(adjoint(v[:, :k])))


@dataclass(frozen=True)
class Masks:
    """Where (rows, FACTOR) is below its diagonal, and where it is on it; made once for all blocks, which see parts."""

    below: Array
    on: Array

    @classmethod
    def of(cls, rows: int, x: Array) -> Masks:
        place, column = index_range(rows, x.device)[:, None], index_range(FACTOR, x.device)
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
        inner = fn.where(on, 1.0 / tau[:, None, :], matmul(adjoint(vectors), vectors))
        inverse = Triangle(n, fn.where(below, 0.0, inner))
        return Reflections(vectors, inverse), fn.where(below, 0.0, packed[:, :n])
    h = halved(n)
    left, corner = reflected(a[:, :, :h], masks)
    rest = left.turn(a[:, :, h:])
    right, last = reflected(rest[:, h:], masks)
    beside = matmul(adjoint(left.vectors[:, h:]), right.vectors)
    zeros = [filled(0.0, shape, a.dtype, a.device) for shape in ((count, h, n - h), (count, n - h, h))]
    vectors = boxed(a.shape, [((0, 0, 0), left.vectors), ((0, h, h), right.vectors), ((0, 0, h), zeros[0])])
    parts = [((0, 0, 0), corner), ((0, 0, h), rest[:, :h]), ((0, h, h), last), ((0, h, 0), zeros[1])]
    inverse = Triangle(n, None, left.inverse, right.inverse, None, beside)
    return Reflections(vectors, inverse), boxed((count, n, n), parts)

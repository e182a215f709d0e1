"""Vector-Jacobian products of factorisations, by their results.

Giles, "Collected matrix derivative results for forward and reverse mode algorithmic differentiation" (2008); Seeger et
al., "Auto-differentiating linear algebra" (2017); Walter and Lehmann, "Algorithmic differentiation of linear algebra
functions with application in optimum experimental design" (2010), of QR. Of complex matrices by the inner product
Re tr(x^H y), so transposes become adjoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from ...array import Array
from ...conversion import index_range
from ...data_types import finfo
from ...errors import ArgumentError
from ..complex.part import conj, imag, real
from ..derivative import fn
from ..pieces import filled, joined
from ..primitive.matmul import matmul
from ..views import reshape
from .triangular import Triangle, adjoint, factored, identity, is_odd

Cotangents = Sequence[Array | None]
Found = dict[str, Array | None]


def lower(x: Array, k: int = 0) -> Array:
    """x with zeros above the k-th diagonal of its last two axes."""
    row, column = (index_range(n, x.device) for n in x.shape[-2:])
    result: Array = fn.where(column <= row[:, None] + k, x, 0.0)
    return result


def upper(x: Array, k: int = 0) -> Array:
    """x with zeros below the k-th diagonal of its last two axes."""
    return lower(x.mT, -k).mT


def times_inverse_adjoint(x: Array, r: Array) -> Array:
    """x R^-H of (count, m, n) and upper triangles R."""
    return adjoint(Triangle.upper(r).backward(adjoint(x)))


def _flat(x: Array) -> Array:
    result: Array = reshape(x, (prod(x.shape[:-2]), *x.shape[-2:]))
    return result


def _of_dtype(g: Array, x: Array) -> Array:
    """What a real operand has of a complex cotangent."""
    result: Array = real(g) if x.dtype.kind == "f" else g
    return result


def _of_each(x: Array) -> Array:
    """Numbers, one for each matrix, beside matrices."""
    return x[..., None, None]


def _summed(g: Array, x: Array) -> Array:
    """The cotangent of matrices whose axes before the last two were broadcast."""
    lead = g.ndim - x.ndim
    axes = tuple(a for a in range(g.ndim - 2) if a < lead or (x.shape[a - lead] == 1 and g.shape[a] > 1))
    return _of_dtype(reshape(fn.sum(g, axis=axes), x.shape) if axes else g, x)


def cholesky(cotangents: Cotangents, results: Sequence[Array], x: Array, /, *, upper: bool = False) -> Found:
    """L^-H S L^-1, S the Hermitian part of the lower triangle of L^H g, with half of its diagonal."""
    g, factor = cotangents[0], results[0]
    if g is None or not x.size:
        return {}
    g, factor = (_flat(v.mT if upper else v) for v in (g, factor))
    inner = matmul(adjoint(factor), g)
    inner = (lower(inner) + lower(inner, -1)) * 0.25
    transposed = Triangle.upper(adjoint(factor))
    half = transposed.backward(inner + adjoint(inner))
    made = reshape(transposed.backward(adjoint(half)), x.shape)
    return {"x": made.mT if upper else made}


def solve(cotangents: Cotangents, results: Sequence[Array], x1: Array, x2: Array, /) -> Found:
    """A^-H g, and minus that times the solutions."""
    g, x = cotangents[0], results[0]
    if g is None or not x.size:
        return {}
    g, x = (v[..., None] if x2.ndim == 1 else v for v in (g, x))
    along = fn.solve(adjoint(x1), g)[0]
    beside = _summed(along, x2[:, None] if x2.ndim == 1 else x2)
    outer = -matmul(along, adjoint(x))
    return {"x1": _summed(outer, x1), "x2": beside[:, 0] if x2.ndim == 1 else beside}


def inv(cotangents: Cotangents, results: Sequence[Array], x: Array, /) -> Found:
    """-Y^H g Y^H, Y the inverse."""
    g = cotangents[0]
    if g is None or not x.size:
        return {}
    turned = adjoint(results[0])
    return {"x": -matmul(matmul(turned, g), turned)}


def det(cotangents: Cotangents, results: Sequence[Array], x: Array, /) -> Found:
    """g times the adjoint of the adjugate: of the inverse by the determinant, of a factorisation where a pivot that is
    0 has become one that is nearly."""
    (g,) = cotangents
    if g is None or not x.size:
        return {}
    a = _flat(x)
    triangle, _, order = factored(a)
    size = fn.max(fn.abs(a), axis=(1, 2), keepdims=True)
    triangle = triangle.without_zeros(fn.where(size > 0.0, size, 1.0) * float(finfo(x.dtype).eps))
    rows = fn.astype(order[:, :, None] == index_range(a.shape[1], x.device), x.dtype)
    inverse = triangle.backward(triangle.forward(rows, unit=True))
    parts = triangle.diagonals()
    size = fn.prod(joined(parts, 1) if len(parts) > 1 else parts[0], axis=1)
    adjugate = inverse * _of_each(fn.where(is_odd(order), -size, size))
    return {"x": reshape(adjoint(adjugate), x.shape) * _of_each(g)}


def slogdet(cotangents: Cotangents, results: Sequence[Array], x: Array, /) -> Found:
    """g A^-H; of complex matrices the sign, which turns, has a part in it."""
    (turning, g), sign = cotangents, results[0]
    if not x.size or (g is None and x.dtype.kind == "f"):
        return {}
    if x.dtype.kind == "c" and turning is not None:
        i = fn.astype(imag(turning * conj(sign)), x.dtype) * 1j
        g = i if g is None else g + i
    return {"x": adjoint(fn.inv(x)[0]) * _of_each(g)}


def qr(cotangents: Cotangents, results: Sequence[Array], x: Array, /, *, mode: str = "reduced") -> Found:
    """(gQ + Q S) R^-H, S the Hermitian matrix with the upper triangle of gR R^H - Q^H gQ. What is right of a square is
    Q^H times it. Raises ArgumentError for the other columns of a complete Q, which are none of the matrix's."""
    m, n = x.shape[-2:]
    if mode == "complete" and m > n:
        raise ArgumentError(
            f"qr: mode: the {m - n} last columns of a complete Q of a matrix of {m} rows and {n} columns have no "
            "derivative; mode='reduced' has one"
        )
    if not x.size:
        return {}
    (of_q, of_r), (q, r) = (tuple(None if v is None else _flat(v) for v in each) for each in (cotangents, results))
    assert q is not None and r is not None
    least, beside = min(m, n), None
    if n > m:
        if of_r is not None:
            more = matmul(_flat(x)[:, :, m:], adjoint(of_r[:, :, m:]))
            of_q = more if of_q is None else of_q + more
            beside = matmul(q, of_r[:, :, m:])
            of_r = of_r[:, :, :m]
        r = r[:, :, :m]
    inner = None if of_r is None else matmul(of_r, adjoint(r))
    if of_q is not None:
        turned = matmul(adjoint(q), of_q)
        inner = -turned if inner is None else inner - turned
    assert inner is not None
    inner = upper(inner)
    on = identity(least, least, q)
    both = (inner + adjoint(inner)) * (1.0 - on * 0.5)
    made = matmul(q, both)
    made = times_inverse_adjoint(made if of_q is None else made + of_q, r)
    if n > m:
        nothing = filled(0.0, (q.shape[0], m, n - m), x.dtype, x.device)
        made = joined([made, nothing if beside is None else beside], 2)
    return {"x": reshape(made, x.shape)}

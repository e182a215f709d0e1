"""Vector-Jacobian products of decompositions into singular values and eigenvalues, by their results.

Giles, "Collected matrix derivative results for forward and reverse mode algorithmic differentiation" (2008); of complex
matrices Wan and Zhang, "Automatic differentiation for complex valued SVD" (2019); of pseudo-inverses Golub and Pereyra,
"The differentiation of pseudo-inverses and nonlinear least squares problems whose variables separate" (1973).
"""

from __future__ import annotations

from collections.abc import Sequence

from ...array import Array
from ...errors import ArgumentError
from ..derivative import fn
from ..primitive.matmul import matmul
from .factorization_derivative import Cotangents, Found
from .triangular import adjoint, identity


def _apart(x: Array, values: Array) -> Array:
    """(x - x^H) / 2 over the differences values[j] - values[i]; zeros on the diagonal."""
    on = identity(x.shape[-1], x.shape[-1], values) == 1.0
    apart = values[..., None, :] - values[..., :, None]
    result: Array = fn.where(on, 0.0, (x - adjoint(x)) * 0.5 / fn.where(on, 1.0, apart))
    return result


def _diagonal(x: Array) -> Array:
    """Matrices with numbers on their diagonal."""
    n = x.shape[-1]
    result: Array = identity(n, n, x) * x[..., None, :]
    return result


def eigh(cotangents: Cotangents, results: Sequence[Array], x: Array, /) -> Found:
    """V (F o V^H gV + diag(gw)) V^H, F having 1 / (w[j] - w[i]): the Hermitian part of it."""
    (of_values, of_vectors), vectors = cotangents[:2], results[1]
    if not x.size or (of_values is None and of_vectors is None):
        return {}
    inner = None if of_values is None else _diagonal(of_values)
    if of_vectors is not None:
        turns = _apart(matmul(adjoint(vectors), of_vectors), results[0])
        inner = turns if inner is None else turns + inner
    return {"x": _product(vectors, inner, adjoint(vectors))}


def eigvalsh(cotangents: Cotangents, results: Sequence[Array], x: Array, /) -> Found:
    """V diag(g) V^H."""
    g = cotangents[0]
    if g is None or not x.size:
        return {}
    vectors = fn.eigh(x)[1]
    return {"x": matmul(vectors * g[..., None, :], adjoint(vectors))}


def _product(a: Array, b: Array | None, c: Array) -> Array:
    assert b is not None
    if b.dtype.kind != a.dtype.kind:
        b = fn.astype(b, a.dtype)
    result: Array = matmul(matmul(a, b), c)
    return result


def svd(cotangents: Cotangents, results: Sequence[Array], x: Array, /, *, full_matrices: bool = True) -> Found:
    """U (turns of both sides, S between them and diag(gS)) V^H, and what leaves the space of the vectors of the longer
    side. Raises ArgumentError for the vectors beside those, which are none of the matrix's."""
    (of_u, of_s, of_vh), (u, s, vh) = cotangents[:3], results[:3]
    (m, n), k = x.shape[-2:], s.shape[-1]
    if full_matrices and m != n and (of_u is not None or of_vh is not None):
        raise ArgumentError(
            f"svd: full_matrices: the {abs(m - n)} vectors beside those of the singular values of a matrix of {m} rows "
            f"and {n} columns have no derivative; full_matrices=False has one"
        )
    if not x.size or (of_u is None and of_s is None and of_vh is None):
        return {}
    u, vh = u[..., :, :k], vh[..., :k, :]
    down, across = s[..., :, None], s[..., None, :]
    inner, beside = (None if of_s is None else _diagonal(of_s)), None
    if of_u is not None:
        turn = matmul(adjoint(u), of_u)
        part = _apart(turn, s * s) * (across + across)
        if x.dtype.kind == "c":
            part = part + (turn - adjoint(turn)) * 0.5 * identity(k, k, s) / across
        inner = part if inner is None else part + inner
        if m > k:
            beside = matmul((of_u - matmul(u, turn)) / across, vh)
    if of_vh is not None:
        turn = matmul(vh, adjoint(of_vh))
        part = _apart(turn, s * s) * (down + down)
        inner = part if inner is None else part + inner
        if n > k:
            right = matmul(u, (of_vh - matmul(adjoint(turn), vh)) / down)
            beside = right if beside is None else beside + right
    made = _product(u, inner, vh)
    return {"x": made if beside is None else made + beside}


def svdvals(cotangents: Cotangents, results: Sequence[Array], x: Array, /) -> Found:
    """U diag(g) V^H."""
    g = cotangents[0]
    if g is None or not x.size:
        return {}
    u, _, vh, _ = fn.svd(x, full_matrices=False)
    return {"x": matmul(u * g[..., None, :], vh)}


def pinv(cotangents: Cotangents, results: Sequence[Array], x: Array, rtol: Array, /) -> Found:
    """-P^H g P^H + (1 - A P) g^H P P^H + P^H P g^H (1 - P A), where no rank changes."""
    g, inverse = cotangents[0], results[0]
    if g is None or not x.size:
        return {}
    turned, g_turned = adjoint(inverse), adjoint(g)
    made = -matmul(matmul(turned, g), turned)
    left = matmul(matmul(g_turned, inverse), turned)
    right = matmul(matmul(turned, inverse), g_turned)
    left = left - matmul(x, matmul(inverse, left))
    right = right - matmul(matmul(right, inverse), x)
    return {"x": made + left + right}

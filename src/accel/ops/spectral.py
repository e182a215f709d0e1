"""Singular values and eigenvalues: `accel.linalg.svd`, `svdvals`, `eigh`, `eigvalsh`, and what follows from them.

One-sided Jacobi: the rows of a matrix are turned by pairs until all are orthogonal; their lengths are then its singular
values, and the turns its vectors. A round is the op of composed.jacobi; after each sweep, in which every pair met, one
number is read on the host.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from .. import creation, interop, ranges
from ..arguments import switch
from ..array import Array
from ..conversion import on_host
from ..data_types import finfo
from ..dtypes import INT64
from ..errors import LinAlgError, ShapeError
from .complex.part import conj, real
from .complex.rule import split
from .composed.checked_factorization import qr
from .composed.factorization import check_dtype
from .composed.jacobi import TOLERANCE, jacobi_round, jacobi_round_pairs, paired
from .composed.matrices import matrix_norm as of_elements
from .composed.statistics import vector_norm
from .manipulation import flip
from .pieces import boxed, filled
from .primitive.gather import take_along_axis
from .primitive.matmul import matmul
from .primitive.pointwise import copy, fn
from .primitive.reduce import max as largest
from .primitive.reduce import min as least
from .primitive.reduce import sum as total
from .primitive.sort import argsort
from .views import broadcast_to, expand_dims, reshape

SWEEPS = 60
"""Most sweeps of a matrix, which takes 4 to 15 of them."""

RANGE = {"float32": (2.0**-30, 2.0**30), "float64": (2.0**-300, 2.0**300)}
"""Matrices whose largest |element| is outside are divided by it, so that no square overflows."""


class SVDResult(NamedTuple):
    """Left singular vectors as columns of U; singular values S, the largest first; right ones as rows of Vh."""

    U: Any
    S: Any
    Vh: Any


class EighResult(NamedTuple):
    """The eigenvalues, the smallest first, and their eigenvectors as columns."""

    eigenvalues: Any
    eigenvectors: Any


def svd(x: Any, /, *, full_matrices: bool = True) -> SVDResult:
    """Singular value decompositions x = U @ diag(S) @ Vh of matrices (…, m, n), as a named tuple (U, S, Vh).

    x: float32, float64 or complex; S is real. full_matrices: U is (…, m, m) and Vh (…, n, n); else only their first
    min(m, n) columns and rows are given. The same bits on every device: one-sided Jacobi (docs/numerics.md). A number
    is read on the host after each sweep, so it cannot be traced. Raises LinAlgError for NaN and infinities, ShapeError,
    DtypeError.
    """
    (array,), restore = interop.adopt("svd", x=x)
    whole = switch("svd", "full_matrices", full_matrices)
    long, s, short = _decomposed("svd", array)
    long = _completed(long, s, long.shape[-1] if whole else s.shape[-1])
    u, v = _sides(array, long, short)
    return SVDResult(restore(u.mT), restore(s), restore(v))


def svdvals(x: Any, /) -> Any:
    """Singular values (…, min(m, n)) of matrices (…, m, n), the largest first; else as `svd`."""
    (array,), restore = interop.adopt("svdvals", x=x)
    return restore(_decomposed("svdvals", array, False)[1])


def matrix_rank(x: Any, /, *, rtol: Any = None) -> Any:
    """How many singular values of matrices (…, m, n) are above rtol times the largest one; int64.

    rtol: a number, or an array of one for each matrix; None: max(m, n) times the dtype's epsilon. Else as `svd`.
    """
    (array,), restore = interop.adopt("matrix_rank", x=x)
    s = _decomposed("matrix_rank", array, False)[1]
    return restore(total(_above("matrix_rank", array, s, rtol), axis=-1, dtype=INT64))


def pinv(x: Any, /, *, rtol: Any = None) -> Any:
    """Moore-Penrose inverses (…, n, m) of matrices (…, m, n): of their decompositions `svd`, without the singular
    values that `matrix_rank` does not count. rtol: as there. Raises LinAlgError, ShapeError, DtypeError."""
    (array,), restore = interop.adopt("pinv", x=x)
    long, s, short = _decomposed("pinv", array)
    u, v = _sides(array, long, short)
    kept = _above("pinv", array, s, rtol)
    inverse = fn.where(kept, 1.0 / fn.where(kept, s, 1.0), 0.0)
    return restore(matmul(conj(v).mT * expand_dims(inverse, axis=-2), conj(u)))


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """The norms of matrices (…, m, n).

    ord: ``fro``, the root of the sum of all squares; 1 and -1, the largest and the smallest sum of a column's
    magnitudes; inf and -inf, those of a row's; 2 and -2, the largest and the smallest singular value, and ``nuc``,
    their sum, for which the host reads numbers as for `svd`, of no 16-bit floats. The norms are real. Raises ShapeError
    also where there is nothing to choose from, LinAlgError, DtypeError, ArgumentError.
    """
    chosen = {"nuc": total, 2: largest, -2: least}.get(ord) if type(ord) in (str, int, float) else None
    if chosen is None:
        return of_elements(x, keepdims=keepdims, ord=ord)
    (array,), restore = interop.adopt("matrix_norm", x=x)
    norm = chosen(_decomposed("matrix_norm", array, False)[1], axis=-1)
    return restore(expand_dims(norm, axis=(-2, -1)) if switch("matrix_norm", "keepdims", keepdims) else norm)


def eigh(x: Any, /) -> EighResult:
    """Eigenvalues, the smallest first, and orthonormal eigenvectors, as columns, of symmetric or Hermitian matrices
    (…, n, n).

    x: float32, float64 or complex, of which the lower triangle is read, and the real parts of the diagonal. A named
    tuple (eigenvalues, eigenvectors). Computed as the singular values of x + c I, c being the largest sum of |elements|
    of a row: their errors are relative to it. The same bits on every device. Raises LinAlgError for NaN and infinities,
    ShapeError, DtypeError.
    """
    (array,), restore = interop.adopt("eigh", x=x)
    values, vectors = _symmetric("eigh", array)
    return EighResult(restore(values), restore(vectors))


def eigvalsh(x: Any, /) -> Any:
    """Eigenvalues (…, n), real, of symmetric or Hermitian matrices, the smallest first; else as `eigh`."""
    (array,), restore = interop.adopt("eigvalsh", x=x)
    return restore(_symmetric("eigvalsh", array, False)[0])


def _check(op: str, x: Array) -> None:
    if x.ndim < 2:
        raise ShapeError(f"{op}: x: expected (…, m, n), got shape {x.shape}")
    check_dtype(op, "x", x)


def _sides(x: Array, long: Array, short: Array) -> tuple[Array, Array]:
    """The left vectors and the right ones."""
    return (short, long) if x.shape[-2] < x.shape[-1] else (long, short)


def _above(op: str, x: Array, s: Array, rtol: Any) -> Array:
    given = max(x.shape[-2:]) * finfo(x.dtype).eps if rtol is None else rtol
    if not isinstance(given, (int, float)):
        (given,), _ = interop.adopt(op, rtol=given)
        given = expand_dims(given, axis=-1)
    return fn.greater(s, fn.multiply(s[..., :1], given)) if s.shape[-1] else fn.greater(s, 0.0)


def _scale(x: Array) -> Array:
    """What matrices are divided by, (…, 1, 1): 1 for most."""
    peak = largest(fn.abs(x), axis=(-2, -1), keepdims=True)
    low, high = RANGE[x.dtype.component.name]
    return fn.where(fn.logical_or(fn.logical_and(peak >= low, peak <= high), peak == 0.0), 1.0, peak)


def _symmetric(op: str, x: Array, vectors: bool = True) -> tuple[Array, Array]:
    _check(op, x)
    if x.shape[-1] != x.shape[-2]:
        raise ShapeError(f"{op}: x: expected (…, n, n), got shape {x.shape}")
    if not x.size:
        return creation.zeros(x.shape[:-1], dtype=x.dtype.component, device=x.device), x
    unit = ranges.eye(x.shape[-1], dtype=x.dtype.component, device=x.device)
    a = ranges.tril(x, k=-1) + fn.where(unit == 1.0, real(x), 0.0) if x.dtype.kind == "c" else ranges.tril(x)
    a = a + conj(ranges.tril(x, k=-1)).mT
    scale = _scale(a)
    a = a / scale
    shift = largest(total(fn.abs(a), axis=-1, keepdims=True), axis=-2, keepdims=True)
    _, s, rows = _decomposed(op, a + shift * unit, vectors)
    values = flip((s - shift[..., 0]) * scale[..., 0], axis=-1)
    return values, conj(flip(rows, axis=-2)).mT


def _decomposed(op: str, x: Array, vectors: bool = True) -> tuple[Array, Array, Array]:
    """(long, s, short): singular values in descending order, and the vectors of each as rows: those that have the
    length of the matrix's longer side, which are zeros where s is, and those that have the shorter one's. vectors:
    whether they are wanted."""
    _check(op, x)
    rows = x if x.shape[-2] < x.shape[-1] else x.mT
    *batch, count, length = rows.shape
    if 0 in x.shape:
        shapes = ((*batch, count, length), (*batch, count), (*batch, count, count))
        dtypes = (x.dtype, x.dtype.component, x.dtype)
        long, s, short = (
            creation.zeros(shape, dtype=dtype, device=x.device) for shape, dtype in zip(shapes, dtypes, strict=True)
        )
        return long, s, short
    scale = _scale(rows)
    turned = _orthogonal(op, rows / scale, vectors)
    s = vector_norm(turned[..., :length], axis=-1)
    if vectors and count % 2:  # the row that was added is no one's, and comes last
        s = fn.where(fn.abs(turned[..., -1]) > 0.5, -1.0, s)
    order = argsort(s, descending=True)[..., :count]
    s = take_along_axis(s, order, axis=-1)
    values = s * scale[..., 0]
    if not vectors:
        return turned, values, turned
    places = broadcast_to(expand_dims(order, axis=-1), (*order.shape, turned.shape[-1]))
    turned = take_along_axis(turned, places, axis=-2)
    long = turned[..., :length] / expand_dims(fn.where(s > 0.0, s, 1.0), axis=-1)
    return long, values, conj(turned[..., length : length + count])


def _orthogonal(op: str, rows: Array, vectors: bool) -> Array:
    """Rows (…, 2 k, length) that span the same space, orthogonal, with rows of zeros beside them; behind them, where
    vectors are wanted, the rows of the turn."""
    *batch, count, length = rows.shape
    k = (count + 1) // 2
    width = length + 2 * k if vectors else length
    start = (0,) * len(batch)
    boxes = [((*start, 0, 0), rows)]
    if 2 * k > count:
        zeros = filled(0, (*batch, 1, length), rows.dtype, rows.device)
        boxes.append(((*start, count, 0), zeros))
    if vectors:
        unit = broadcast_to(ranges.eye(2 * k, dtype=rows.dtype, device=rows.device), (*batch, 2 * k, 2 * k))
        boxes.append(((*start, 0, length), unit))
    pairs = reshape(boxed((*batch, 2 * k, width), boxes), (*batch, 2, k, width))
    enough = TOLERANCE[rows.dtype.component.name] * math.sqrt(length)
    none = creation.zeros((*batch, k, 1), dtype=rows.dtype.component, device=rows.device)
    parts = [x if x.dtype is rows.dtype else copy(x) for x in split(pairs) if x is not None]
    turn = jacobi_round if len(parts) == 1 else jacobi_round_pairs
    for _ in range(SWEEPS):
        worst = none
        for _ in range(max(1, 2 * k - 1)):
            *parts, worst = turn(*parts, worst, length=length)
        found = float(on_host(largest(worst)))
        if found <= enough:
            whole = parts[0] if len(parts) == 1 else paired(*parts)
            return reshape(whole, (*batch, 2 * k, width))
        if math.isnan(found):
            raise LinAlgError(f"{op}: x: has NaN or infinite elements")
    raise LinAlgError(f"{op}: x: a decomposition did not end after {SWEEPS} sweeps")


def _completed(rows: Array, s: Array, count: int) -> Array:
    """So many orthonormal rows: those of singular values that are not zero, and others beside them."""
    *batch, given, length = rows.shape
    if 0 in rows.shape:
        unit = ranges.eye(count, length, dtype=rows.dtype, device=rows.device)
        return broadcast_to(unit, (*batch, count, length))
    if given == count and float(on_host(least(s))) > 0.0:
        return rows
    others = qr(rows.mT, mode="complete").Q.mT[..., :count, :]
    known = fn.where(expand_dims(s > 0.0, axis=-1), rows, others[..., :given, :])
    start = (0,) * len(batch)
    return boxed((*batch, count, length), [((*start, 0, 0), known), ((*start, given, 0), others[..., given:, :])])

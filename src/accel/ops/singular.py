"""Singular values and vectors, and what follows from them: `accel.linalg.svd`, `svdvals`, `pinv`, `matrix_rank`.

One-sided Jacobi: the columns of a matrix are rotated by pairs until all are orthogonal; their lengths are then the
singular values. Rounds are launches of `composed.jacobi`; after each sweep, in which every pair met, one number is read
on the host.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from .. import creation, interop, ranges
from ..arguments import switch
from ..array import Array
from ..conversion import on_host
from ..dtypes import FLOAT32, FLOAT64, INT64
from ..errors import DtypeError, LinAlgError, ShapeError
from .composed.jacobi import TOLERANCE, jacobi_round
from .composed.statistics import vector_norm
from .pieces import boxed, filled
from .primitive.gather import take_along_axis
from .primitive.matmul import matmul
from .primitive.pointwise import fn
from .primitive.reduce import max as largest
from .primitive.reduce import min as least
from .primitive.reduce import sum as total
from .primitive.sort import argsort
from .views import broadcast_to, expand_dims, reshape

SWEEPS = 60
"""Most sweeps of a matrix, which takes 4 to 15 of them."""

RANGE = {"float32": (2.0**-30, 2.0**30), "float64": (2.0**-300, 2.0**300)}
"""Matrices whose largest |element| is outside are divided by it, so that no square overflows."""

EPSILON = {"float32": 2.0**-23, "float64": 2.0**-52}


class SVDResult(NamedTuple):
    """Left singular vectors as columns of U; singular values S, the largest first; right ones as rows of Vh."""

    U: Any
    S: Any
    Vh: Any


def svd(x: Any, /, *, full_matrices: bool = True) -> SVDResult:
    """Singular value decompositions x = U @ diag(S) @ Vh of matrices (…, m, n), as a named tuple (U, S, Vh).

    x: float32 or float64. full_matrices: U is (…, m, m) and Vh (…, n, n); else only their first min(m, n) columns and
    rows are given. The same bits on every device: one-sided Jacobi (docs/numerics.md). A number is read on the host
    after each sweep, so it cannot be traced. Raises LinAlgError for NaN and infinities, ShapeError, DtypeError.
    """
    (array,), restore = interop.adopt("svd", x=x)
    whole = switch("svd", "full_matrices", full_matrices)
    long, s, short = _decomposed("svd", array)
    long = _completed(long, s, long.shape[-1] if whole else s.shape[-1])
    u, v = (short, long) if array.shape[-2] < array.shape[-1] else (long, short)
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
    u, v = (short, long) if array.shape[-2] < array.shape[-1] else (long, short)
    kept = _above("pinv", array, s, rtol)
    inverse = fn.where(kept, 1.0 / fn.where(kept, s, 1.0), 0.0)
    return restore(matmul(v.mT * expand_dims(inverse, axis=-2), u))


def _above(op: str, x: Array, s: Array, rtol: Any) -> Array:
    given = max(x.shape[-2:]) * EPSILON[x.dtype.name] if rtol is None else rtol
    if not isinstance(given, (int, float)):
        (given,), _ = interop.adopt(op, rtol=given)
        given = expand_dims(given, axis=-1)
    if not s.shape[-1]:
        return fn.greater(s, 0.0)
    return fn.greater(s, fn.multiply(s[..., :1], given))


def _decomposed(op: str, x: Array, vectors: bool = True) -> tuple[Array, Array, Array]:
    """(long, s, short): singular values in descending order, and the vectors of each as rows: those that have the
    length of the matrix's longer side, which are zeros where s is, and those that have the shorter one's. vectors:
    whether they are wanted."""
    if x.ndim < 2:
        raise ShapeError(f"{op}: x: expected (…, m, n), got shape {x.shape}")
    if x.dtype not in (FLOAT32, FLOAT64):
        raise DtypeError(f"{op}: x: takes float32 and float64, got {x.dtype}; cast with astype")
    m, n = x.shape[-2:]
    rows = x if m < n else x.mT
    *batch, count, length = rows.shape
    if 0 in x.shape:
        nothing = creation.zeros((*batch, count), dtype=x.dtype, device=x.device)
        first = creation.zeros((*batch, count, length), dtype=x.dtype, device=x.device)
        second = creation.zeros((*batch, count, count), dtype=x.dtype, device=x.device)
        return first, nothing, second
    peak = largest(fn.abs(rows), axis=(-2, -1), keepdims=True)
    low, high = RANGE[x.dtype.name]
    scale = fn.where(fn.logical_or(fn.logical_and(peak >= low, peak <= high), peak == 0.0), 1.0, peak)
    turned = _orthogonal(op, rows / scale, vectors)
    of_rows = turned[..., :length]
    s = vector_norm(of_rows, axis=-1)
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
    short = turned[..., length : length + count]
    return long, values, short


def _orthogonal(op: str, rows: Array, vectors: bool) -> Array:
    """Rows (…, 2 k, length) that span the same space, orthogonal, with rows of zeros beside them; behind them, where
    vectors are wanted, the rows of the rotation."""
    *batch, count, length = rows.shape
    k = (count + 1) // 2
    width = length + 2 * k if vectors else length
    shape = (*batch, 2 * k, width)
    boxes = [((0,) * rows.ndim, rows)]
    if 2 * k > count:
        zeros = filled(0, (*batch, 2 * k - count, length), rows.dtype, rows.device)
        boxes.append(((*(0,) * len(batch), count, 0), zeros))
    if vectors:
        unit = broadcast_to(ranges.eye(2 * k, dtype=rows.dtype, device=rows.device), (*batch, 2 * k, 2 * k))
        boxes.append(((*(0,) * len(batch), 0, length), unit))
    pairs = reshape(boxed(shape, boxes), (*batch, 2, k, width))
    enough = TOLERANCE[rows.dtype.name] * math.sqrt(length)
    none = creation.zeros((*batch, k, 1), dtype=rows.dtype, device=rows.device)
    for _ in range(SWEEPS):
        worst = none
        for _ in range(max(1, 2 * k - 1)):
            pairs, worst = jacobi_round(pairs, worst, length=length)
        found = float(on_host(largest(worst)))
        if found <= enough:
            return reshape(pairs, shape)
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

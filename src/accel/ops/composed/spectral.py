"""Singular values, eigenvalues of symmetric matrices and pseudo-inverses as ops, of rows that Jacobi's rotations make
orthogonal: their lengths are then the singular values, and the turns the vectors.

A body works on (count, rows, columns). checked_spectral.py has the public functions, which raise LinAlgError where an
op counts matrices that are not finite; their results are NaN.
"""

from __future__ import annotations

from functools import partial
from math import prod
from typing import Any

from ...arguments import switch
from ...array import Array
from ...dtypes import FLOAT32, FLOAT64, DType
from ...errors import ShapeError
from ...layout import Shape
from .. import bounds
from ..complex.part import conj, real
from ..compose import NumericOperand, Operand, composed
from ..pieces import boxed, filled, joined
from ..primitive.gather import take_along_axis
from ..primitive.jacobi import LEAST, enough, jacobi_rows
from ..primitive.matmul import matmul
from ..primitive.pointwise import fn
from ..primitive.reduce import max, sum
from ..primitive.sort import argsort
from ..views import broadcast_to, reshape
from . import exact_jacobi as exact
from . import spectral_derivative as derivative
from .factorization import _count, _none, check_dtype, qr
from .factorization_derivative import lower
from .statistics import vector_norm
from .triangular import adjoint, identity

RANGE = {"float32": (2.0**-10, 2.0**30), "float64": (2.0**-300, 2.0**300)}
"""Matrices whose largest |element| is outside are divided by it, so that no square overflows, and none
that counts is taken for 0."""


def examples(name: str, dtype: DType) -> Any:
    """Those of an op of this file."""
    from ...testing import jacobi_family

    return jacobi_family.FAMILIES[name](dtype)


def spectral(name: str, flops: float) -> Any:
    """What the ops of this file have in common, by their names."""
    return composed(
        reference=getattr(exact, name),
        samples=partial(examples, name),
        namespace="linalg",
        dtypes=(FLOAT32, FLOAT64),
        widen=False,
        bits=bounds.unless_fast,
        bound=getattr(exact, f"bound_{name}"),
        vjp=getattr(derivative, name),
        flops=lambda inputs, outputs, params: int(flops * inputs[0].size * inputs[0].shape[-1]),
    )


@spectral("svd", 400)
def svd(x: NumericOperand, /, *, full_matrices: bool = True) -> tuple[Array, Array, Array, Array]:
    """Singular value decompositions of matrices."""
    whole = switch("svd", "full_matrices", full_matrices)
    batch, m, n = _shape("svd", x)
    k, most = min(m, n), (m if m > n else n)
    if not x.size:
        parts = (identity(m, m if whole else k, x), identity(n, n if whole else k, x).mT)
        u, v = (broadcast_to(its, (*batch, *its.shape)) for its in parts)
        return u, filled(0.0, (*batch, k), x.dtype.component, x.device), v, _none(x)
    long, s, short, good = _decomposed(x, True)
    long = _completed(long, s, most if whole else k)
    u, v = (short, long) if m < n else (long, short)
    u, v = (reshape(rows, (*batch, *rows.shape[1:])) for rows in (u, v))
    return u.mT, reshape(s, (*batch, k)), v, _count(~good)


@spectral("svdvals", 200)
def svdvals(x: NumericOperand, /) -> tuple[Array, Array]:
    """Singular values of matrices, the largest first."""
    batch, m, n = _shape("svdvals", x)
    if not x.size:
        return filled(0.0, (*batch, min(m, n)), x.dtype.component, x.device), _none(x)
    _, s, _, good = _decomposed(x, False)
    return reshape(s, (*batch, min(m, n))), _count(~good)


@spectral("eigh", 400)
def eigh(x: NumericOperand, /) -> tuple[Array, Array, Array]:
    """Eigenvalues, the smallest first, and eigenvectors of symmetric or Hermitian matrices."""
    values, rows, bad = _symmetric("eigh", x, True)
    return values, adjoint(rows), bad


@spectral("eigvalsh", 200)
def eigvalsh(x: NumericOperand, /) -> tuple[Array, Array]:
    """Eigenvalues of symmetric or Hermitian matrices, the smallest first."""
    values, _, bad = _symmetric("eigvalsh", x, False)
    return values, bad


@spectral("pinv", 400)
def pinv(x: NumericOperand, rtol: Operand, /) -> tuple[Array, Array]:
    """Moore-Penrose inverses of matrices, without singular values up to rtol times the largest one."""
    batch, m, n = _shape("pinv", x)
    if not x.size:
        return filled(0.0, (*batch, n, m), x.dtype, x.device), _none(x)
    long, s, short, good = _decomposed(x, True)
    u, v = (short, long) if m < n else (long, short)
    least = reshape(broadcast_to(rtol, batch), (s.shape[0], 1))
    kept = s > s[:, :1] * least
    inverse = fn.where(kept, 1.0 / fn.where(kept, s, 1.0), 0.0)
    made = matmul(conj(v).mT * inverse[:, None, :], conj(u))
    return reshape(made, (*batch, n, m)), _count(~good)


def _shape(op: str, x: Array) -> tuple[Shape, int, int]:
    """The batch, rows and columns of matrices. Raises ShapeError, DtypeError."""
    check_dtype(op, "x", x)
    if x.ndim < 2:
        raise ShapeError(f"{op}: x: expected (…, m, n), got shape {x.shape}")
    return x.shape[:-2], *x.shape[-2:]


def _scale(x: Array) -> Array:
    """What matrices are divided by, (count, 1, 1): 1 for most."""
    peak = max(fn.abs(x), axis=(1, 2), keepdims=True)
    low, high = RANGE[x.dtype.component.name]
    return fn.where(((peak >= low) & (peak <= high)) | (peak == 0.0), 1.0, peak)


def _symmetric(op: str, x: Array, vectors: bool) -> tuple[Array, Array, Array]:
    """Eigenvalues, rows of which the adjoint has the vectors, and how many matrices are not finite."""
    batch, m, n = _shape(op, x)
    if m != n:
        raise ShapeError(f"{op}: x: expected (…, n, n), got shape {x.shape}")
    if not x.size:
        return filled(0.0, x.shape[:-1], x.dtype.component, x.device), x, _none(x)
    a = reshape(x, (prod(batch), n, n))
    unit = identity(n, n, real(a))
    below = lower(a, -1)
    a = below + fn.where(unit == 1.0, real(a), 0.0) if x.dtype.kind == "c" else lower(a)
    a = a + adjoint(below)
    scale = _scale(a)
    a = a / scale
    shift = max(sum(fn.abs(a), axis=2, keepdims=True), axis=1, keepdims=True)
    _, s, rows, good = _decomposed(a + shift * unit, vectors)
    values = ((s - shift[:, :, 0]) * scale[:, :, 0])[:, ::-1]
    rows = reshape(rows[:, ::-1], (*batch, *rows.shape[1:])) if vectors else rows
    return reshape(values, (*batch, n)), rows, _count(~good)


def _decomposed(x: Array, vectors: bool) -> tuple[Array, Array, Array, Array]:
    """(long, s, short, good) of matrices as one batch: singular values in descending order, and the vectors of each as
    rows: those that have the length of the matrix's longer side, which are zeros where s is, and those that have the
    shorter one's. good: which matrices are decomposed; of the others all is NaN. vectors: whether they are wanted."""
    a = reshape(x, (prod(x.shape[:-2]), *x.shape[-2:]))
    rows = a if x.shape[-2] < x.shape[-1] else a.mT
    count, length = rows.shape[1:]
    scale = _scale(rows)
    turned, worst = jacobi_rows(_beside(rows / scale, vectors), length)
    good = worst <= enough(worst.dtype, length)
    turned = fn.where(good[:, :, None], turned, float("nan"))
    s = vector_norm(turned[:, :, :length], axis=-1)
    s = fn.where(s < LEAST[s.dtype.name] ** 0.5, 0.0, s)
    if vectors and count % 2:  # the row that was added is no one's, and comes last
        s = fn.where(fn.abs(turned[:, :, -1]) > 0.5, -1.0, s)
    order = argsort(s, descending=True)[:, :count]
    s = take_along_axis(s, order, axis=1)
    values = s * scale[:, :, 0]
    if not vectors:
        return turned, values, turned, good
    places = broadcast_to(order[:, :, None], (*order.shape, turned.shape[-1]))
    turned = take_along_axis(turned, places, axis=1)
    long = turned[:, :, :length] / fn.where(s > 0.0, s, 1.0)[:, :, None]
    return long, values, conj(turned[:, :, length : length + count]), good


def _beside(rows: Array, vectors: bool) -> Array:
    """An even number of rows, and behind them, where vectors are wanted, those of the identity."""
    batch, count, length = rows.shape
    even = count + count % 2
    boxes = [((0, 0, 0), rows)]
    if even > count:
        boxes.append(((0, count, 0), filled(0.0, (batch, 1, length), rows.dtype, rows.device)))
    if vectors:
        unit = identity(even, even, rows)
        boxes.append(((0, 0, length), broadcast_to(unit, (batch, even, even))))
    if len(boxes) == 1:
        return rows
    return boxed((batch, even, length + even if vectors else length), boxes)


def _completed(rows: Array, s: Array, count: int) -> Array:
    """So many orthonormal rows: those of singular values that are not zero, and others beside them."""
    given = rows.shape[1]
    others = qr(rows.mT, mode="complete" if count > given else "reduced")[0].mT
    known = fn.where((s == 0.0)[:, :, None], others[:, :given], rows)
    return joined([known, others[:, given:]], 1) if count > given else known

"""Singular values and eigenvalues: `accel.linalg.svd`, `svdvals`, `eigh`, `eigvalsh`, and what follows from them: the
ops of composed.spectral, and the errors for matrices of which a compiled op can only tell how many there are."""

from __future__ import annotations

from typing import Any, NamedTuple

from .. import interop
from ..arguments import switch
from ..array import Array
from ..conversion import constant
from ..data_types import finfo
from ..dtypes import INT64
from ..layout import broadcast_shapes
from .composed import spectral
from .composed.checked_factorization import checked
from .composed.matrices import matrix_norm as of_elements
from .primitive.pointwise import astype, fn
from .primitive.reduce import max as largest
from .primitive.reduce import min as least
from .primitive.reduce import sum as total
from .views import expand_dims

REFUSED = "not finite, or not decomposed after 60 sweeps"


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
    min(m, n) columns and rows are given. The same bits on every device: one-sided Jacobi (docs/numerics.md). Raises
    LinAlgError for NaN and infinities, for which the call waits for the device; in a function that is traced nothing
    can be read, and all results of such a matrix are NaN. Raises ShapeError, DtypeError.

    Derivative: of functions that do not depend on the directions (of real vectors, the signs) of pairs of vectors,
    where no two singular values are equal, and where none is 0 if the matrix is not square; else it is infinite or NaN.
    full_matrices of a matrix that is not square has one of S only, ArgumentError.
    """
    return SVDResult(*_checked("svd", spectral.svd(x, full_matrices=full_matrices)))


def svdvals(x: Any, /) -> Any:
    """Singular values (…, min(m, n)) of matrices (…, m, n), the largest first; else as `svd`. Their derivative is that
    of some vectors where some are equal, or 0."""
    return _checked("svdvals", spectral.svdvals(x))


def matrix_rank(x: Any, /, *, rtol: Any = None) -> Any:
    """How many singular values of matrices (…, m, n) are above rtol times the largest one; int64.

    rtol: a number, or an array of one for each matrix; None: max(m, n) times the dtype's epsilon. Else as `svd`. It has
    no derivative: a whole number does not change, but where it jumps.
    """
    (array,), restore = interop.adopt("matrix_rank", x=x)
    s = _checked("matrix_rank", spectral.svdvals(array))
    if not s.shape[-1]:
        return restore(total(fn.greater(s, 0.0), axis=-1, dtype=INT64))
    above = fn.greater(s, s[..., :1] * expand_dims(_tolerance("matrix_rank", array, rtol), axis=-1))
    return restore(total(above, axis=-1, dtype=INT64))


def pinv(x: Any, /, *, rtol: Any = None) -> Any:
    """Moore-Penrose inverses (…, n, m) of matrices (…, m, n): of their decompositions `svd`, without the singular
    values that `matrix_rank` does not count. rtol: as there. Their derivative is that of matrices of one rank. Raises
    LinAlgError, ShapeError, DtypeError."""
    (array,), restore = interop.adopt("pinv", x=x)
    return restore(_checked("pinv", spectral.pinv(array, _tolerance("pinv", array, rtol))))


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """The norms of matrices (…, m, n).

    ord: ``fro``, the root of the sum of all squares; 1 and -1, the largest and the smallest sum of a column's
    magnitudes; inf and -inf, those of a row's; 2 and -2, the largest and the smallest singular value, and ``nuc``,
    their sum, as `svdvals` has them, of no 16-bit floats. The norms are real. Raises ShapeError also where there is
    nothing to choose from, LinAlgError, DtypeError, ArgumentError.
    """
    chosen = {"nuc": total, 2: largest, -2: least}.get(ord) if type(ord) in (str, int, float) else None
    if chosen is None:
        return of_elements(x, keepdims=keepdims, ord=ord)
    (array,), restore = interop.adopt("matrix_norm", x=x)
    norm = chosen(_checked("matrix_norm", spectral.svdvals(array)), axis=-1)
    return restore(expand_dims(norm, axis=(-2, -1)) if switch("matrix_norm", "keepdims", keepdims) else norm)


def eigh(x: Any, /) -> EighResult:
    """Eigenvalues, the smallest first, and orthonormal eigenvectors, as columns, of symmetric or Hermitian matrices
    (…, n, n).

    x: float32, float64 or complex, of which the lower triangle is read, and the real parts of the diagonal. A named
    tuple (eigenvalues, eigenvectors). Computed as the singular values of x + c I, c being the largest sum of |elements|
    of a row: their errors are relative to it. The same bits on every device. Raises LinAlgError for NaN and infinities
    as `svd` does, ShapeError, DtypeError.

    Derivative: Hermitian, as if both triangles were read; of functions that do not depend on the directions of vectors,
    where no two eigenvalues are equal, else infinite or NaN.
    """
    return EighResult(*_checked("eigh", spectral.eigh(x)))


def eigvalsh(x: Any, /) -> Any:
    """Eigenvalues (…, n), real, of symmetric or Hermitian matrices, the smallest first; else as `eigh`. Their
    derivative is that of some vectors where some are equal."""
    return _checked("eigvalsh", spectral.eigvalsh(x))


def _checked(op: str, results: Any) -> Any:
    return checked(op, "x", REFUSED, results)


def _tolerance(op: str, x: Array, rtol: Any) -> Array:
    """For each matrix, or one for all."""
    component = x.dtype.component
    given = max(x.shape[-2:], default=0) * finfo(x.dtype).eps if rtol is None and x.dtype.kind in "fc" else rtol
    if given is None or isinstance(given, (int, float)):
        return constant(float(given or 0), component, x.device)
    (array,), _ = interop.adopt(op, rtol=given)
    broadcast_shapes(array.shape, x.shape[:-2], what=f"{op}: rtol and the batch axes of x")
    return astype(array, component, copy=False)

"""The public functions of `accel.linalg` that factorise, as the array API standard has them: the ops of
factorization.py, and the errors for matrices of which a compiled op can only tell how many there are."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ... import interop
from ...array import Array, Symbol
from ...composition import RECORDER
from ...conversion import on_host
from ...errors import LinAlgError
from . import factorization


class QRResult(NamedTuple):
    """Q: columns that are orthonormal. R: an upper triangle."""

    Q: Any
    R: Any


class SlogdetResult(NamedTuple):
    """sign: -1, 0 or 1 each; of complex matrices, the determinant over its magnitude, or 0. logabsdet: the logarithm of
    |determinant|."""

    sign: Any
    logabsdet: Any


def cholesky(x: Any, /, *, upper: bool = False) -> Any:
    """Cholesky factors of symmetric or Hermitian positive definite matrices: L, with x = L L^H and zeros above the
    diagonal.

    x: (…, n, n), float32, float64 or complex, of which the lower triangle is read, and the real parts of the diagonal.
    upper: the result is U, with x = U^H U, of the upper triangle. Blocked, without pivoting (docs/numerics.md).
    Raises LinAlgError where a matrix is not positive definite, for which the call waits for the device; in a function
    that is traced nothing can be read, and the factor has then, from some place of its diagonal on, no number above 0.
    Raises ShapeError, DtypeError, ArgumentError.
    """
    return checked("cholesky", "x", "not positive definite", factorization.cholesky(x, upper=upper))


def solve(x1: Any, x2: Any, /) -> Any:
    """Solutions x of x1 @ x = x2, by LU factorisation with row exchanges.

    x1: (…, n, n). x2: (n,), or (…, n, k), whose axes before the last two are broadcast against those of x1. Both
    float32, float64 or complex. Raises LinAlgError where a pivot is exactly 0, as `cholesky` does; in a function that
    is traced the solutions are then infinite or NaN. Raises ShapeError, DtypeError.
    """
    return checked("solve", "x1", "singular", factorization.solve(x1, x2))


def inv(x: Any, /) -> Any:
    """Inverses of matrices (…, n, n), float32, float64 or complex: the solutions of `solve` for the columns of the
    identity.

    Raises LinAlgError for singular matrices as `solve` does, ShapeError, DtypeError.
    """
    return checked("inv", "x", "singular", factorization.inv(x))


def qr(x: Any, /, *, mode: str = "reduced") -> QRResult:
    """Factors of matrices x = Q R by Householder's reflections, as a named tuple (Q, R).

    x: (…, m, n), float32, float64 or complex. mode: "reduced" gives Q (…, m, k) and R (…, k, n), k the smaller of m
    and n; "complete" gives all m columns of Q, and as many rows of R. A number on R's diagonal has the other sign than
    the one that it was made of (of complex numbers the opposite direction, so that it need not be real), so that
    nothing cancels, but where there was nothing but zeros below.
    Raises ShapeError, DtypeError, ArgumentError.
    """
    return QRResult(*factorization.qr(x, mode=mode))


def slogdet(x: Any, /) -> SlogdetResult:
    """Signs of the determinants of matrices (…, n, n), and logarithms of their absolute values, as a named tuple
    (sign, logabsdet); 0 and -inf of a singular matrix.

    x: float32, float64 or complex; logabsdet is real. Raises ShapeError, DtypeError.
    """
    return SlogdetResult(*factorization.slogdet(x))


def checked(op: str, argument: str, what: str, results: Any) -> Any:
    """Results without the last one, which counts the matrices that are refused. Raises LinAlgError."""
    *made, bad = results
    if count := int(bad) if type(bad) is np.ndarray else _read(bad):
        raise LinAlgError(f"{op}: {argument}: {count} of its matrices {'is' if count == 1 else 'are'} {what}")
    return made[0] if len(made) == 1 else tuple(made)


def _read(count: Any) -> int:
    """A number of an array of any kind; 0 where it is not known, in a trace or where nothing is run."""
    array = count if isinstance(count, Array) else interop.adopt("count", count=count)[0][0]
    unknown = isinstance(array.buffer, Symbol) or getattr(RECORDER.get(), "run", True) is False
    return 0 if unknown else int(on_host(array))

"""Eigenvalues of matrices that are not symmetric: LAPACK's, on the host, whatever device the matrices are on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import dispatch, interop
from ..array import Array
from ..config import config
from ..conversion import from_numpy, to_numpy
from ..dtypes import COMPLEX64, COMPLEX128, FLOAT32, FLOAT64
from ..errors import DtypeError, LinAlgError, ShapeError


class EigResult(NamedTuple):
    """The eigenvalues, in no order, and their eigenvectors as columns."""

    eigenvalues: Any
    eigenvectors: Any


def eig(x: Any, /) -> EigResult:
    """Eigenvalues and eigenvectors of matrices (…, n, n), as a named tuple (eigenvalues, eigenvectors) of complex
    numbers; the vectors are columns of norm 1.

    x: float32, float64, complex64 or complex128. Computed on the host by NumPy's LAPACK, so that it is of no class of
    the bit contract and cannot be traced; on other devices this is a fallback, which ACCEL_FALLBACK may forbid. Raises
    LinAlgError for NaN and infinities, ShapeError, DtypeError.
    """
    (array,), restore = interop.adopt("eig", x=x)
    values, vectors = _on_host("eig", array, np.linalg.eig)
    return EigResult(restore(values), restore(vectors))


def eigvals(x: Any, /) -> Any:
    """Eigenvalues (…, n) of matrices, in no order; else as `eig`."""
    (array,), restore = interop.adopt("eigvals", x=x)
    return restore(_on_host("eigvals", array, lambda a: (np.linalg.eigvals(a),))[0])


def _on_host(op: str, x: Array, function: Callable[[np.ndarray], tuple[np.ndarray, ...]]) -> list[Array]:
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ShapeError(f"{op}: x: expected (…, n, n), got shape {x.shape}")
    if x.dtype not in (FLOAT32, FLOAT64, COMPLEX64, COMPLEX128):
        raise DtypeError(f"{op}: x: takes float32, float64, complex64 and complex128, got {x.dtype}; cast with astype")
    if x.device.backend != "cpu":
        dispatch.report_fallback(op, x.device, "it has no kernels", config.current())
    try:
        results = function(to_numpy(x))
    except np.linalg.LinAlgError as error:
        raise LinAlgError(f"{op}: x: {error}") from None
    wanted = (COMPLEX64 if x.dtype.itemsize == 4 or x.dtype is COMPLEX64 else COMPLEX128).numpy
    return [from_numpy(np.ascontiguousarray(each, wanted), x.device) for each in results]

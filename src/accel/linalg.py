"""`accel.linalg`: linear algebra, with the names of the Python array API standard's extension."""

from .ops.composed.checked_factorization import cholesky, inv, qr, slogdet, solve
from .ops.composed.factorization import det
from .ops.composed.matrices import cross
from .ops.composed.statistics import vector_norm
from .ops.eigen import eig, eigvals
from .ops.matrices import diagonal, matrix_power, outer, tensordot, trace, vecdot
from .ops.primitive.matmul import matmul
from .ops.spectral import eigh, eigvalsh, matrix_norm, matrix_rank, pinv, svd, svdvals
from .ops.views import matrix_transpose

__all__ = [
    "cholesky",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "inv",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensordot",
    "trace",
    "vecdot",
    "vector_norm",
]

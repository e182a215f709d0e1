"""`accel.linalg`: linear algebra, with the names of the Python array API standard's extension."""

from .ops.composed.checked_factorization import cholesky, inv, qr, slogdet, solve
from .ops.composed.factorization import det
from .ops.composed.statistics import vector_norm
from .ops.manipulation import diagonal, outer, tensordot, trace, vecdot
from .ops.primitive.matmul import matmul
from .ops.views import matrix_transpose

__all__ = [
    "cholesky", "det", "diagonal", "inv", "matmul", "matrix_transpose", "outer", "qr", "slogdet", "solve", "tensordot",
    "trace", "vecdot", "vector_norm",
]  # fmt: skip

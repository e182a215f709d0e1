"""`accel.linalg`: linear algebra, with the names of the Python array API standard's extension."""

from .ops.composed.statistics import vector_norm
from .ops.primitive.matmul import matmul
from .ops.views import matrix_transpose

__all__ = ["matmul", "matrix_transpose", "vector_norm"]

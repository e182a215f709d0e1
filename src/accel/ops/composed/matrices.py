"""Cross products and norms of matrices."""

from __future__ import annotations

from functools import partial
from math import inf
from typing import Any

from ...arguments import switch
from ...array import Array
from ...dtypes import FLOATS, INTEGERS, DType, promote
from ...errors import ArgumentError, DtypeError, ShapeError, UnsupportedError, shown
from ...layout import broadcast_shapes
from ..compose import MovedOperand, NumericOperand, composed
from ..concatenation import stack
from ..manipulation import one_axis
from ..primitive.pointwise import astype, fn
from ..primitive.reduce import max, min, sum
from ..views import broadcast_to, squeeze
from . import exact_matrices as exact
from .statistics import length, order


def examples(name: str, dtype: DType) -> Any:
    """Those of an op of this file."""
    from ...testing import matrix_family

    return matrix_family.FAMILIES[name](dtype)


@composed(
    reference=exact.cross,
    samples=partial(examples, "cross"),
    namespace="linalg",
    widen=False,
    dtypes=(*INTEGERS, *FLOATS),
    bits=lambda dtype, numerics: "bits" if dtype.kind == "f" else "exact",
)
def cross(x1: MovedOperand, x2: MovedOperand, /, *, axis: int = -1) -> Array:
    """The cross products of vectors of three elements along an axis; the other axes broadcast.

    axis: negative, or counted in operands of as many axes. Integers wrap; 16-bit floats are computed in float32 and
    rounded once. Raises ShapeError, DtypeError for booleans, AxisError, ArgumentError.
    """
    common = promote(x1.dtype, x2.dtype)
    if common.kind == "b":
        raise DtypeError("cross: x1, x2: take numeric dtypes, got bool")
    wide = common.accumulator if common.kind == "f" else common
    rows = []
    for name, x in (("x1", x1), ("x2", x2)):
        along = one_axis("cross", axis, x)
        if x.shape[along] != 3:
            raise ShapeError(f"cross: {name}: expected 3 elements along axis {axis}, got shape {x.shape}")
        rows.append(x.permute([*(a for a in range(x.ndim) if a != along), along]))
    shape = broadcast_shapes(*(x.shape for x in rows), what="cross")
    a, b = ([astype(broadcast_to(x, shape)[..., i], wide, copy=False) for i in range(3)] for x in rows)
    parts = [a[i] * b[j] - a[j] * b[i] for i, j in ((1, 2), (2, 0), (0, 1))]
    found = stack([astype(part, common, copy=False) for part in parts], axis=-1)
    along = one_axis("cross", axis, found)
    places = [a for a in range(found.ndim) if a != along]
    return found.permute([len(shape) - 1 if a == along else places.index(a) for a in range(found.ndim)])  # type: ignore[no-any-return]


ENTRYWISE = {1: (-2, max), -1: (-2, min), inf: (-1, max), -inf: (-1, min)}
"""By the order: the axis along which magnitudes are added, and what of the sums is the norm."""


@composed(reference=exact.matrix_norm, samples=partial(examples, "matrix_norm"), namespace="linalg")
def matrix_norm(x: NumericOperand, /, *, keepdims: bool = False, ord: Any = "fro") -> Array:
    """The norms of matrices (…, m, n).

    ord: ``fro``, the root of the sum of all squares, scaled as `vector_norm` does; 1 and -1, the largest and the
    smallest sum of a column's magnitudes; inf and -inf, those of a row's. float16 and bfloat16 are computed in float32
    and rounded once. Raises ShapeError also where there is nothing to choose from, UnsupportedError for orders 2, -2
    and ``nuc``, which need singular values, DtypeError, ArgumentError.
    """
    if x.ndim < 2:
        raise ShapeError(f"matrix_norm: x: expected (…, m, n), got shape {x.shape}")
    axes = (x.ndim - 2, x.ndim - 1)
    x = fn.abs(x) if x.dtype.kind == "c" else x
    if isinstance(ord, str) and ord == "nuc":
        raise UnsupportedError("matrix_norm: ord: 'nuc' needs singular values, which cannot be traced")
    which = "fro" if isinstance(ord, str) and ord == "fro" else order("matrix_norm", "ord", ord)
    if which == "fro":
        norm = length("matrix_norm", x, axes, 2.0)
    elif which in (2, -2):
        raise UnsupportedError(f"matrix_norm: ord: {shown(ord)} needs singular values, which cannot be traced")
    elif which in ENTRYWISE:
        axis, choose = ENTRYWISE[which]  # type: ignore[index]
        norm = choose(sum(fn.abs(x), axis=axis, keepdims=True), axis=axes, keepdims=True)
    else:
        raise ArgumentError(f"matrix_norm: ord: expected 'fro', 1, -1, inf or -inf, got {shown(ord)}")
    return norm if switch("matrix_norm", "keepdims", keepdims) else squeeze(norm, axis=axes)  # type: ignore[no-any-return]

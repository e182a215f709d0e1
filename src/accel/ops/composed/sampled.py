"""Integrals of functions that are given by samples."""

from __future__ import annotations

from typing import Any

from ...arguments import real
from ...array import Array
from ...dtypes import DType
from ...errors import ShapeError
from ..compose import Operand, composed
from ..primitive.pointwise import fn
from ..primitive.reduce import sum
from ..views import reshape
from . import exact_statistics as exact
from .softmax import one_axis


def _samples(dtype: DType) -> Any:
    from ...testing import statistics_family

    return statistics_family.FAMILIES["trapezoid"](dtype)


@composed(reference=exact.trapezoid, samples=_samples, namespace="")
def trapezoid(y: Operand, /, x: Operand | None = None, dx: float = 1.0, axis: int = -1) -> Array:
    """The integral of samples along an axis by the trapezoidal rule: the sum of (y[i] + y[i + 1]) * (x[i + 1] - x[i]),
    divided by 2.

    y: floating. x: where the samples are, a vector or of y's number of axes; without it they are dx apart. Of fewer
    than two samples: 0. float16 and bfloat16 are computed in float32 and rounded once. Raises ShapeError, DtypeError,
    AxisError, ArgumentError.
    """
    (along,) = one_axis("trapezoid", axis, y.ndim)
    step = real("trapezoid", "dx", dx)
    pairs = _ends(y, along)
    if x is None:
        return sum(fn.add(*pairs), axis=along) * (step / 2.0)  # type: ignore[no-any-return]
    if x.ndim == 1:
        x = reshape(x, tuple(x.size if a == along else 1 for a in range(y.ndim)))
    if x.ndim != y.ndim or any(n not in (1, m) for n, m in zip(x.shape, y.shape, strict=True) if n != m):
        raise ShapeError(f"trapezoid: x: has shape {x.shape}, which does not broadcast to that of y, {y.shape}")
    if x.shape[along] != y.shape[along]:
        raise ShapeError(f"trapezoid: x: has {x.shape[along]} places along axis {along}, y {y.shape[along]}")
    low, high = _ends(x, along)
    return sum((high - low) * fn.add(*pairs), axis=along) * 0.5  # type: ignore[no-any-return]


def _ends(x: Array, axis: int) -> tuple[Array, Array]:
    """Views of the elements but the last, and but the first."""
    lead = (slice(None),) * axis
    return x[(*lead, slice(None, -1))], x[(*lead, slice(1, None))]

"""stop_gradient: a value that a derivative takes for a constant."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...array import Array
from ...dtypes import TABLE, DType
from ..compose import AnyOperand, composed
from ..views import viewed


def _same(x: np.ndarray) -> np.ndarray:
    return x


def _samples(dtype: DType) -> Any:
    from ...testing import families

    return families.copies(dtype)


@composed(
    reference=_same,
    samples=_samples,
    namespace="internal",
    dtypes=tuple(TABLE.values()),
    exact=True,
    vjp=lambda cotangents, results, x: {},
)
def stopped(x: AnyOperand, /) -> Array:
    """x itself, as a node of a graph that is to be derived."""
    return x


def stop_gradient(x: Any, /) -> Any:
    """x itself, as a view, which a derivative takes for a constant: the cotangent of the result is dropped.

    Nothing is computed or copied, also in what `fuse` compiles.
    """
    array, restore = viewed("stop_gradient", x)
    return restore(stopped(array))

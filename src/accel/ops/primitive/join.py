"""Arrays side by side in one: what concatenating, stacking, rolling and padding are. One primitive, ``join``."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import dispatch, interop, registry
from ...array import Array
from ...dtypes import TABLE, DType
from ...errors import ShapeError
from ...graph.bounded import Bounded
from ...layout import Layout, Shape
from .. import bounds
from ..derivative import Cotangents
from ..parameters import Join
from ..spec import Inferred, OpSpec, Output, Primitive

if TYPE_CHECKING:
    from ...graph.bound import Analysis


def _infer(inputs: tuple[Layout, ...], params: Join) -> Inferred:
    inside = len(inputs) == len(params.starts) and all(
        len(start) == x.ndim == len(params.shape)
        and all(s >= 0 and s + n <= m for s, n, m in zip(start, x.shape, params.shape, strict=True))
        for x, start in zip(inputs, params.starts, strict=True)
    )
    if not inside or sum(x.size for x in inputs) != prod(params.shape):
        raise ShapeError(f"join: shapes {[x.shape for x in inputs]} do not fill {params.shape}")
    return Inferred(((params.shape, inputs[0].dtype),), params)


def join(params: Join, *operands: Any) -> Any:
    """Arrays of one dtype, each copied to its box."""
    arrays, restore = interop.adopt("join", **{f"operand {i}": x for i, x in enumerate(operands)})
    return restore(dispatch.call(JOIN, arrays, params))


def _box(x: Any, start: Shape) -> tuple[slice, ...]:
    return tuple(slice(s, s + n) for s, n in zip(start, x.shape, strict=True))


def evaluate(params: Join, *operands: np.ndarray) -> np.ndarray:
    """The same in NumPy."""
    result = np.empty(params.shape, operands[0].dtype)
    for x, start in zip(operands, params.starts, strict=True):
        result[_box(x, start)] = x
    return result


def _samples(dtype: DType) -> Any:
    from ...testing import join_family

    return join_family.joins(dtype)


JOIN = registry.register(
    OpSpec(
        name="join",
        primitive="join",
        summary="Arrays side by side in one",
        function=join,
        infer=_infer,
        canonical=evaluate,
        reference=evaluate,
        bound=bounds.none,
        bits=lambda dtype, numerics: "exact",
        samples=_samples,
        dtypes=tuple(TABLE.values()),
        namespace="internal",
    )
)


def _answer(params: Join, outputs: tuple[Output], *operands: np.ndarray) -> list[np.ndarray]:
    return [evaluate(params, *operands)]


def _analysed(analysis: Analysis, params: Join, outputs: tuple[Output], *operands: Bounded) -> list[Bounded]:
    """The errors move as their elements do."""
    errors = (np.broadcast_to(x.error, x.value.shape) for x in operands)
    return [Bounded(evaluate(params, *(x.value for x in operands)), evaluate(params, *errors))]


def _vjp(params: Join, cotangents: Cotangents, results: Sequence[Array], operands: Sequence[Array]) -> Cotangents:
    """Each operand's box of the cotangent."""
    (g,) = cotangents
    assert g is not None
    return [g[_box(x, start)] for x, start in zip(operands, params.starts, strict=True)]


registry.register_primitive(Primitive("join", _answer, _analysed, _vjp))

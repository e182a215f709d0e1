"""Places of the true elements of a vector, as many as there are. One primitive, ``compact``, behind `nonzero`, boolean
masks and `unique_values`."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import interop, registry
from ...dtypes import BOOL, INT64, DType
from ...errors import ArgumentError, DtypeError, ShapeError
from ...graph.bounded import Bounded, bounded
from ...layout import Layout
from .. import bounds
from ..parameters import COMPACT_BLOCK, Compact
from ..spec import Inferred, OpSpec, Output, Primitive

if TYPE_CHECKING:
    from ...graph.bound import Analysis


def _infer(inputs: tuple[Layout, ...], params: Compact) -> Inferred:
    mask, *before = inputs
    if mask.ndim != 1 or mask.dtype is not BOOL:
        raise ShapeError(f"compact: mask: expected a vector of booleans, got {mask.dtype} of shape {mask.shape}")
    blocks = -(-mask.size // params.block)
    if len(before) != (params.count is not None):
        raise ArgumentError("compact: before, count: expected both or none")
    if params.count is None:
        return Inferred((((blocks,), INT64),), params)
    (before,) = before
    if before.dtype is not INT64:
        raise DtypeError(f"compact: before: expected int64, got {before.dtype}")
    if before.shape != (blocks,):
        raise ShapeError(f"compact: before: expected a number for each of {blocks} blocks, got shape {before.shape}")
    if not 0 <= params.count <= mask.size:
        raise ArgumentError(f"compact: count: expected 0 to {mask.size}, got {params.count}")
    return Inferred((((params.count,), INT64),), params)


def compact(mask: Any, before: Any = None, *, count: int | None = None, block: int = COMPACT_BLOCK) -> Any:
    """How many elements of each block are true, or the places of the true ones, by the rule of
    `accel.ops.parameters.Compact`."""
    return interop.enter(COMPACT, (mask,) if before is None else (mask, before), _params(block, count))


@lru_cache(maxsize=1024)
def _params(block: int, count: int | None) -> Compact:
    """One object for each, by which a call's plan is found at once."""
    return Compact(block, count)


# what the tests compare with


def evaluate(params: Compact, mask: np.ndarray) -> np.ndarray:
    """The only answer."""
    if params.count is not None:
        return np.flatnonzero(mask).astype(np.int64)
    starts = range(0, mask.size, params.block)
    return np.array([np.count_nonzero(mask[at : at + params.block]) for at in starts], np.int64)


def _canonical(
    mask: np.ndarray, before: np.ndarray | None = None, *, count: int | None = None, block: int = COMPACT_BLOCK
) -> np.ndarray:
    return evaluate(Compact(block, count), mask)


def _samples(dtype: DType) -> Any:
    from ...testing import search_family

    return search_family.compactions()


COMPACT = registry.register(
    OpSpec(
        name="compact",
        primitive="compact",
        summary="The places of the true elements of a vector.",
        function=compact,
        infer=_infer,
        canonical=_canonical,
        reference=_canonical,
        bound=bounds.none,
        bits=lambda dtype, numerics: "exact",
        samples=_samples,
        dtypes=(BOOL,),
        arguments=("mask", "before"),
        namespace="internal",
    )
)


def _answer(params: Compact, outputs: tuple[Output], mask: np.ndarray, *before: np.ndarray) -> list[np.ndarray]:
    return [evaluate(params, mask)]


def _analysed(
    analysis: Analysis, params: Compact, outputs: tuple[Output], mask: Bounded, *before: Bounded
) -> list[Bounded]:
    """Exact where every boolean is."""
    made = evaluate(params, mask.value)
    return [bounded(made, np.full(made.shape, np.inf if np.any(mask.error) else 0.0))]


registry.register_primitive(Primitive("compact", _answer, _analysed, "places do not change smoothly"))

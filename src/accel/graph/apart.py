"""Composed ops that state their own derivative as nodes of a graph where numbers are complex. A graph has real values
only, so such a node reads and gives parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

from .. import registry
from ..array import Array
from ..conversion import constant
from ..dtypes import DType, complex_of
from ..layout import Layout, Shape, layout
from ..memory import Device
from ..ops.spec import Inferred, OpSpec
from ..parts import pair, parts
from ..plan import each


@dataclass(frozen=True)
class Apart:
    """The parameters of a call on parts. complex, results: which operands, and which results, are complex."""

    params: Any
    complex: tuple[bool, ...]
    results: tuple[bool, ...]


def on_parts(spec: OpSpec, inputs: Sequence[Array], params: Any, call: Callable[..., Any]) -> Any:
    """The results of a call on operands of which some are complex: those of one call on their parts."""
    layouts = tuple(x.layout for x in inputs)
    results = tuple(dtype.kind == "c" for _, dtype in spec.infer(layouts, params).outputs)
    given = Apart(params, tuple(x.dtype.kind == "c" for x in layouts), results)
    made = tuple(joined(each(call(_variant(spec), split(inputs), given, None)), results))
    return made if len(made) > 1 else made[0]


@cache
def _variant(spec: OpSpec) -> OpSpec:
    """The op of parts."""
    return replace(spec, infer=partial(_infer, spec), decompose=partial(_decompose, spec), vjp=partial(_pulled, spec))


def _infer(spec: OpSpec, inputs: tuple[Layout, ...], params: Apart) -> Inferred:
    left = iter(inputs)
    whole = []
    for two in params.complex:
        its, *_ = (next(left) for _ in range(1 + two))
        whole.append(layout(complex_of(its.dtype), its.shape, None, its.device) if two else its)
    outputs = spec.infer(tuple(whole), params.params).outputs
    return Inferred(
        tuple((shape, dtype.component) for shape, dtype in outputs for _ in range(1 + (dtype.kind == "c"))), params
    )


def _decompose(spec: OpSpec, *arrays_and_params: Any) -> tuple[Array, ...]:
    *arrays, params = arrays_and_params
    assert spec.decompose is not None
    return tuple(split(each(spec.decompose(*joined(arrays, params.complex), params.params))))


def _pulled(
    spec: OpSpec,
    params: Apart,
    cotangents: Sequence[Array | None],
    results: Sequence[Array],
    operands: Sequence[Array],
) -> list[Array | None]:
    """The op's own rule, on whole numbers."""
    assert spec.vjp is not None
    given = [None if g is None else zeros(x) if g is _NOTHING else g for g, x in _beside(cotangents, results, params)]
    whole = list(joined(results, params.results)), list(joined(operands, params.complex))
    found = spec.vjp(params.params, list(_joined_or_none(given, params.results)), *whole)
    return split_or_none(found, params.complex)


_NOTHING: Any = object()
"""Stands for a cotangent of a part beside whose other part has one."""


def _beside(cotangents: Sequence[Array | None], results: Sequence[Array], params: Apart) -> Iterator[tuple[Any, Array]]:
    left = iter(zip(cotangents, results, strict=True))
    for two in params.results:
        its = [next(left) for _ in range(1 + two)]
        none = all(g is None for g, _ in its)
        yield from ((_NOTHING if g is None and not none else g, x) for g, x in its)


def filled(value: float, shape: Shape, dtype: DType, device: Device) -> Array:
    """A new array of one number, also in a trace."""
    result: Array = registry.OPS["copy"].function(constant(value, dtype, device).view(shape, (0,) * len(shape)))
    return result


def zeros(like: Array) -> Array:
    return filled(0.0, like.shape, like.dtype, like.device)


def split(arrays: Sequence[Array]) -> list[Array]:
    """The arrays, of complex ones the parts."""
    return [part for x in arrays for part in (parts(x) if x.dtype.kind == "c" else (x,))]


def split_or_none(arrays: Sequence[Array | None], pairs: Sequence[bool]) -> list[Array | None]:
    """The same, of arrays in whose place nothing may be. pairs: which are complex."""
    return [
        part
        for g, two in zip(arrays, pairs, strict=True)
        for part in ((None,) * (1 + two) if g is None else split([g]))
    ]


def joined(arrays: Sequence[Array], pairs: Sequence[bool]) -> Iterator[Array]:
    """What `split` has split."""
    left = iter(arrays)
    return (whole([next(left), next(left)]) if two else next(left) for two in pairs)


def _joined_or_none(arrays: Sequence[Array | None], pairs: tuple[bool, ...]) -> Iterator[Array | None]:
    left = iter(arrays)
    for two in pairs:
        its = [next(left) for _ in range(1 + two)]
        yield None if its[0] is None else whole(its)  # type: ignore[arg-type]  # both parts have one, or none


def whole(its: Sequence[Array]) -> Array:
    """The array of one real array, or of two parts."""
    if len(its) == 1:
        return its[0]
    re, im = its if its[0].strides == its[1].strides else (registry.OPS["copy"].function(part) for part in its)
    return pair(re, im)

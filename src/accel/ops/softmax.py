"""softmax, composed of max, a fused exp(x - max), sum and a quotient (docs/numerics.md, rule 4)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dispatch, interop, registry
from ..array import Array
from ..dtypes import FLOAT64, FLOATS, TABLE, DType, as_dtype
from ..errors import ArgumentError, DtypeError
from ..layout import Layout
from ..scalar import Program, ProgramBuilder
from . import bounds, canonical
from .pointwise import apply
from .reduce import MAX, SUM, divide_program, keep, normalize_axes
from .spec import Inferred, OpSpec


def softmax(x: Any, axis: int = -1, *, dtype: Any = None) -> Any:
    """exp(x - max) / sum(exp(x - max)) along an axis.

    x: floating. float16 and bfloat16 are computed in float32 and rounded once. dtype: of the result: x's, or float32
    for 16-bit floats.
    A row whose maximum is infinite, or that holds a NaN, gives NaN. Raises AxisError, DtypeError, ArgumentError.
    """
    (array,), restore = interop.adopt("softmax", x=x)
    if isinstance(axis, (tuple, list)) or axis is None:
        raise ArgumentError(f"softmax: axis: expected an integer, got {axis!r}")
    axes = normalize_axes("softmax", axis, array.ndim)
    return restore(dispatch.call(SOFTMAX, (array,), (axes[0], None if dtype is None else as_dtype(dtype))))


def _output(operand: DType, asked: DType | None) -> DType:
    if operand.kind != "f":
        raise DtypeError(f"softmax: x: takes floating dtypes, got {operand}; cast with astype")
    if asked is not None and asked.name not in (operand.name, operand.accumulator):
        raise DtypeError(f"softmax: dtype: {asked} from {operand}; expected {operand} or {operand.accumulator}")
    return asked or operand


def _infer(inputs: tuple[Layout, ...], params: tuple[int, DType | None]) -> Inferred:
    return Inferred(((inputs[0].shape, _output(inputs[0].dtype, params[1])),), params)


def exponential_program(operand: DType) -> Program:
    """exp(x - m) in the accumulator's dtype, of x and m in the operand's."""
    build = ProgramBuilder(operand.name, operand.name)
    distance = build.apply("subtract", *build.inputs, dtype=operand.accumulator)
    return build.finish(build.apply("exp", distance), operand.accumulator)


def _decompose(x: Array, params: tuple[int, DType | None]) -> Array:
    axis, asked = params
    accumulator = TABLE[x.dtype.accumulator]
    if x.size == 0:
        return registry.OPS["astype"].function(x, _output(x.dtype, asked))
    peak = keep(dispatch.call(MAX, (x,), ((axis,), None)), x.shape, (axis,), True)
    powers = apply(exponential_program(x.dtype), x, peak)
    total = keep(dispatch.call(SUM, (powers,), ((axis,), accumulator)), x.shape, (axis,), True)
    return apply(divide_program(accumulator, _output(x.dtype, asked)), powers, total)


def _canonical(x: np.ndarray, axis: int = -1, dtype: Any = None) -> np.ndarray:
    from ..scalar.evaluate import evaluate

    have = as_dtype(x.dtype)
    output = _output(have, None if dtype is None else as_dtype(dtype))
    if x.size == 0:
        return x.astype(output.numpy)
    (axis,) = normalize_axes("softmax", axis, x.ndim)
    accumulator = as_dtype(have.accumulator)
    peak = np.expand_dims(canonical.reduce("max", x, (axis,), have), axis)
    powers = evaluate(exponential_program(have), *np.broadcast_arrays(x, peak))
    total = np.expand_dims(canonical.reduce("sum", powers, (axis,), accumulator), axis)
    return evaluate(divide_program(accumulator, output), *np.broadcast_arrays(powers, total))


def _reference(x: np.ndarray, axis: int = -1, dtype: Any = None) -> np.ndarray:
    wide = x.astype(np.longdouble if as_dtype(x.dtype) is FLOAT64 else np.float64)
    if x.size == 0:
        return wide
    with np.errstate(all="ignore"):
        powers = np.exp(wide - wide.max(axis=axis, keepdims=True))
        return powers / powers.sum(axis=axis, keepdims=True)


def _bound(exact: np.ndarray, x: np.ndarray, axis: int = -1, dtype: Any = None) -> np.ndarray:
    """One rounding of x - max, whose effect exp multiplies by |x - max|; exp's ULPs in each term; the sum's depth; the
    quotient."""
    have = as_dtype(x.dtype)
    output = _output(have, None if dtype is None else as_dtype(dtype))
    if x.size == 0:
        return np.zeros(x.shape)
    accumulator = as_dtype(have.accumulator)
    u = bounds.unit_roundoff(accumulator)
    exp_ulp = (
        2 * registry.OPS["exp"].bound(np.ones(()), np.ones((), np.float32)) if accumulator is not FLOAT64 else 8 * u
    )
    with np.errstate(all="ignore"):
        distance = np.abs(x.astype(np.float64) - x.astype(np.float64).max(axis=axis, keepdims=True))
        weight = np.where(np.isfinite(distance), np.asarray(exact, np.float64) * distance, 0)
        per_term = u * (distance + weight.sum(axis=axis, keepdims=True)) + 2 * exp_ulp
        growth = per_term + bounds.gamma(bounds.tree_depth(x.shape[axis]), u) + 2 * u
        # a power below the smallest normal number loses precision before the quotient
        absolute = np.abs(np.asarray(exact, np.float64)) * growth * 1.01 + x.shape[axis] * bounds.smallest(accumulator)
    return bounds.rounded(np.asarray(exact, np.float64), absolute, accumulator, output)


def _samples(dtype: DType) -> Any:
    from ..testing import strategies

    return strategies.softmax(dtype)


SOFTMAX = registry.register(
    OpSpec(
        name="softmax",
        primitive="softmax",
        summary="exp(x - max) over its sum, along an axis",
        function=softmax,
        infer=_infer,
        canonical=_canonical,
        reference=_reference,
        bound=_bound,
        bits=lambda dtype, numerics: "bits",
        samples=_samples,
        dtypes=FLOATS,
        namespace="nn",
        decompose=_decompose,
        flops=lambda inputs, outputs: 4 * inputs[0].size,
    )
)

"""softmax, log_softmax and logsumexp, composed of max, a fused exp(x - max), sum, and a quotient or a logarithm
(docs/numerics.md, rule 4)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import prod as product
from typing import Any

import numpy as np

from ... import dispatch, interop, registry
from ...arguments import refuse, switch, unshown
from ...array import Array
from ...conversion import constant
from ...dtypes import FLOAT64, FLOATS, TABLE, DType, as_dtype
from ...errors import ArgumentError, DtypeError, shown
from ...layout import Layout, Shape
from ...scalar import Program, ProgramBuilder, program_for
from .. import bounds, canonical
from ..primitive.pointwise import apply
from ..primitive.reduce import MAX, SUM, Axes, divide_program, is_plain, keep, normalize_axes
from ..spec import Inferred, OpSpec


@dataclass(frozen=True)
class Exponents:
    """Parameters of the primitives ``softmax``, ``log_softmax`` and ``logsumexp``: the axes along which powers are
    summed, ascending and not negative.

    softmax and log_softmax have one axis and keep the operand's shape; logsumexp drops its axes.
    """

    axes: Shape


@unshown
def softmax(x: Any, axis: int = -1, *, dtype: Any = None, **others: Any) -> Any:
    """exp(x - max) / sum(exp(x - max)) along an axis.

    x: floating. float16 and bfloat16 are computed in float32 and rounded once. dtype: of the result: x's, or float32
    for 16-bit floats.
    A row whose maximum is infinite, or that holds a NaN, gives NaN. Raises AxisError, DtypeError, ArgumentError.
    """
    if others:
        refuse("softmax", others)
    return _along("softmax", x, axis, dtype)


@unshown
def log_softmax(x: Any, axis: int = -1, *, dtype: Any = None, **others: Any) -> Any:
    """x - max - log(sum(exp(x - max))) along an axis: the logarithm of softmax, also where softmax underflows.

    x, dtype, special values and errors as in `softmax`.
    """
    if others:
        refuse("log_softmax", others)
    return _along("log_softmax", x, axis, dtype)


@unshown
def logsumexp(x: Any, axis: Axes = None, keepdims: bool = False, *, dtype: Any = None, **others: Any) -> Any:
    """log(sum(exp(x))) over axes (None: all), without overflow: log(sum(exp(x - max))) + max.

    x: floating. float16 and bfloat16 are computed in float32 and rounded once. keepdims: reduced axes stay, with
    length 1. dtype: of the result: x's, or float32 for 16-bit floats.
    Where the maximum is infinite, 0 takes its place: inf gives inf, nothing but -inf gives -inf, as does nothing at
    all; NaN gives NaN. Raises AxisError, DtypeError, ArgumentError.
    """
    if others:
        refuse("logsumexp", others)
    asked = None if dtype is None else as_dtype(dtype)
    if is_plain(axis, keepdims):
        return interop.enter(LOGSUMEXP, (x,), (axis, asked))
    keepdims = switch("logsumexp", "keepdims", keepdims)
    (array,), restore = interop.adopt("logsumexp", x=x)
    axes = normalize_axes("logsumexp", axis, array.ndim)
    return restore(keep(dispatch.call(LOGSUMEXP, (array,), (axes, asked)), array.shape, axes, keepdims))


def _along(kind: str, x: Any, axis: int, dtype: Any) -> Any:
    if isinstance(axis, (tuple, list)) or axis is None:
        raise ArgumentError(f"{kind}: axis: expected an integer, got {shown(axis)}")
    asked = None if dtype is None else as_dtype(dtype)
    if is_plain(axis):
        return interop.enter(registry.OPS[kind], (x,), (axis, asked))
    (array,), restore = interop.adopt(kind, x=x)
    return restore(dispatch.call(registry.OPS[kind], (array,), (normalize_axes(kind, axis, array.ndim), asked)))


def _output(kind: str, operand: DType, asked: DType | None) -> DType:
    if operand.kind != "f":
        raise DtypeError(f"{kind}: x: takes floating dtypes, got {operand}; cast with astype")
    if asked is not None and asked.name not in (operand.name, operand.accumulator):
        raise DtypeError(f"{kind}: dtype: {asked} from {operand}; expected {operand} or {operand.accumulator}")
    return asked or operand


def _infer(kind: str, inputs: tuple[Layout, ...], params: tuple[Axes, DType | None]) -> Inferred:
    (x,), (axis, asked) = inputs, params
    axes = normalize_axes(kind, axis, x.ndim)
    dropped = axes if kind == "logsumexp" else ()
    shape = tuple(n for a, n in enumerate(x.shape) if a not in dropped)
    return Inferred(((shape, _output(kind, x.dtype, asked)),), Exponents(axes))


def exponential_program(operand: DType, shift: DType) -> Program:
    """exp(x - m) in the accumulator's dtype, of x in the operand's and m in the shift's."""
    build = ProgramBuilder(operand.name, shift.name)
    distance = build.apply("subtract", *build.inputs, dtype=operand.accumulator)
    return build.finish(build.apply("exp", distance), operand.accumulator)


def _distance_program(operand: DType, output: DType) -> Program:
    """x - m - l, of x and m in the operand's dtype and l in the accumulator's, rounded to the output dtype."""
    build = ProgramBuilder(operand.name, operand.name, operand.accumulator)
    x, peak, logarithm = build.inputs
    distance = build.apply("subtract", x, peak, dtype=operand.accumulator)
    return build.finish(build.apply("subtract", distance, logarithm), output.name)


def _shift_program(operand: DType) -> Program:
    """The maximum in the accumulator's dtype; the second input, a zero, where it is not finite."""
    build = ProgramBuilder(operand.name, operand.accumulator)
    peak, zero = build.inputs
    return build.finish(build.apply("where", build.apply("isfinite", peak), peak, zero), operand.accumulator)


def _logarithm_program(accumulator: DType, output: DType) -> Program:
    """log(total) + shift, rounded to the output dtype."""
    build = ProgramBuilder(accumulator.name, accumulator.name)
    total, shift = build.inputs
    return build.finish(build.apply("add", build.apply("log", total), shift), output.name)


def _decompose(kind: str, x: Array, params: tuple[Axes, DType | None]) -> Array:
    axes = normalize_axes(kind, params[0], x.ndim)
    accumulator, output = TABLE[x.dtype.accumulator], _output(kind, x.dtype, params[1])
    if x.size == 0:
        return registry.OPS["astype"].function(x, output)
    peak = keep(dispatch.call(MAX, (x,), (axes, None)), x.shape, axes, True)
    powers = apply(exponential_program(x.dtype, x.dtype), x, peak)
    total = keep(dispatch.call(SUM, (powers,), (axes, accumulator)), x.shape, axes, True)
    if kind == "softmax":
        return apply(divide_program(accumulator, output), powers, total)
    logarithm = apply(program_for("log", (accumulator.name,)), total)
    return apply(_distance_program(x.dtype, output), x, peak, logarithm)


def _decompose_logsumexp(x: Array, params: tuple[Axes, DType | None]) -> Array:
    axes, accumulator = normalize_axes("logsumexp", params[0], x.ndim), TABLE[x.dtype.accumulator]
    output = _output("logsumexp", x.dtype, params[1])
    zero = constant(0.0, accumulator, x.device)
    if x.size == 0:  # along the reduced axes: a result without elements is not computed
        total, shift = dispatch.call(SUM, (x,), (axes, accumulator)), zero
    else:
        shift = apply(_shift_program(x.dtype), dispatch.call(MAX, (x,), (axes, None)), zero)
        powers = apply(exponential_program(x.dtype, accumulator), x, keep(shift, x.shape, axes, True))
        total = dispatch.call(SUM, (powers,), (axes, accumulator))
    return apply(_logarithm_program(accumulator, output), total, shift)


# what the tests compare with


def _canonical(kind: str, x: np.ndarray, axis: int = -1, dtype: Any = None) -> np.ndarray:
    from ...scalar.evaluate import evaluate

    have = as_dtype(x.dtype)
    output = _output(kind, have, None if dtype is None else as_dtype(dtype))
    if x.size == 0:
        return x.astype(output.numpy)
    axes = normalize_axes(kind, axis, x.ndim)
    accumulator = as_dtype(have.accumulator)
    peak = np.expand_dims(canonical.reduce("max", x, axes, have), axes)
    powers = evaluate(exponential_program(have, have), *np.broadcast_arrays(x, peak))
    total = np.expand_dims(canonical.reduce("sum", powers, axes, accumulator), axes)
    if kind == "softmax":
        return evaluate(divide_program(accumulator, output), *np.broadcast_arrays(powers, total))
    logarithm = evaluate(program_for("log", (accumulator.name,)), total)
    return evaluate(_distance_program(have, output), *np.broadcast_arrays(x, peak, logarithm))


def _canonical_logsumexp(x: np.ndarray, axis: Axes = None, keepdims: bool = False, dtype: Any = None) -> np.ndarray:
    from ...scalar.evaluate import evaluate

    have = as_dtype(x.dtype)
    output = _output("logsumexp", have, None if dtype is None else as_dtype(dtype))
    axes = normalize_axes("logsumexp", axis, x.ndim)
    accumulator = as_dtype(have.accumulator)
    zero = np.zeros((), accumulator.numpy)
    if x.size == 0:
        total = canonical.reduce("sum", x, axes, accumulator)
        shift = np.broadcast_to(zero, total.shape)
    else:
        peak = canonical.reduce("max", x, axes, have)
        shift = evaluate(_shift_program(have), *np.broadcast_arrays(peak, zero))
        every = np.broadcast_arrays(x, np.expand_dims(shift, axes))
        total = canonical.reduce("sum", evaluate(exponential_program(have, accumulator), *every), axes, accumulator)
    result = evaluate(_logarithm_program(accumulator, output), *np.broadcast_arrays(total, shift))
    return np.expand_dims(result, axes) if keepdims else result


def _wide(x: np.ndarray) -> np.ndarray:
    return x.astype(np.longdouble if as_dtype(x.dtype) is FLOAT64 else np.float64)


def _reference(kind: str, x: np.ndarray, axis: int = -1, dtype: Any = None) -> np.ndarray:
    wide = _wide(x)
    if x.size == 0:
        return wide
    with np.errstate(all="ignore"):
        distance = wide - wide.max(axis=axis, keepdims=True)
        powers = np.exp(distance)
        total = powers.sum(axis=axis, keepdims=True)
        return powers / total if kind == "softmax" else distance - np.log(total)


def _reference_logsumexp(x: np.ndarray, axis: Axes = None, keepdims: bool = False, dtype: Any = None) -> np.ndarray:
    wide, axes = _wide(x), normalize_axes("logsumexp", axis, x.ndim)
    with np.errstate(all="ignore"):
        peak = wide.max(axis=axes, keepdims=True, initial=-np.inf)
        shift = np.where(np.isfinite(peak), peak, 0)
        result = np.log(np.exp(wide - shift).sum(axis=axes, keepdims=True)) + shift
    return result if keepdims else result.squeeze(axes)


def _exponential_error(accumulator: DType) -> float:
    """Largest relative error of exp."""
    if accumulator is FLOAT64:
        return 8 * bounds.unit_roundoff(accumulator)
    return 2 * registry.OPS["exp"].bound(np.ones(()), np.ones((), np.float32))


def _total_error(x: np.ndarray, axes: Shape, accumulator: DType) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """|x - max|, the sum of exp(x - max), and that sum's relative error, along axes that are kept.

    Each x - max is rounded once, which exp multiplies by |x - max|; exp's own error in each term; the sum's depth.
    """
    u = bounds.unit_roundoff(accumulator)
    wide = x.astype(np.float64)
    peak = wide.max(axis=axes, keepdims=True)
    distance = np.abs(wide - np.where(np.isfinite(peak), peak, 0))
    powers = np.where(np.isfinite(distance), np.exp(-distance), 0)
    total = powers.sum(axis=axes, keepdims=True)
    weight = np.where(np.isfinite(distance), powers * distance, 0).sum(axis=axes, keepdims=True) / total
    n = product(x.shape[a] for a in axes)
    relative = u * weight + _exponential_error(accumulator) + bounds.gamma(bounds.tree_depth(n), u)
    return distance, total, 1.01 * relative + n * bounds.smallest(accumulator)


def _bound(kind: str, exact: np.ndarray, x: np.ndarray, axis: int = -1, dtype: Any = None) -> np.ndarray:
    """The sum's error; x - max's, and for softmax exp's, in the element itself; the quotient, or log and the
    difference."""
    have = as_dtype(x.dtype)
    output = _output(kind, have, None if dtype is None else as_dtype(dtype))
    if x.size == 0:
        return np.zeros(x.shape)
    accumulator = as_dtype(have.accumulator)
    u = bounds.unit_roundoff(accumulator)
    axes = normalize_axes(kind, axis, x.ndim)
    with np.errstate(all="ignore"):
        distance, total, relative = _total_error(x, axes, accumulator)
        magnitude = np.abs(np.asarray(exact, np.float64))
        if kind == "softmax":
            growth = u * distance + _exponential_error(accumulator) + relative + 2 * u
            # a power below the smallest normal number loses precision before the quotient
            absolute = magnitude * growth * 1.01 + x.shape[axes[0]] * bounds.smallest(accumulator)
        else:
            absolute = _logarithm_error(total, relative, u) + 1.01 * u * (distance + magnitude)
    return bounds.rounded(np.asarray(exact, np.float64), absolute, accumulator, output)


def _logarithm_error(total: np.ndarray, relative: np.ndarray, u: float) -> np.ndarray:
    """Of log(total), where total has a relative error: log's own is at most 4 ULP."""
    return 1.01 * relative + 8 * u * np.abs(np.log(total))


def _bound_logsumexp(
    exact: np.ndarray, x: np.ndarray, axis: Axes = None, keepdims: bool = False, dtype: Any = None
) -> np.ndarray:
    """The sum's error, log's, and the addition of the maximum."""
    have = as_dtype(x.dtype)
    output = _output("logsumexp", have, None if dtype is None else as_dtype(dtype))
    if x.size == 0:
        return np.zeros(np.shape(exact))
    accumulator = as_dtype(have.accumulator)
    u = bounds.unit_roundoff(accumulator)
    with np.errstate(all="ignore"):
        _, total, relative = _total_error(x, normalize_axes("logsumexp", axis, x.ndim), accumulator)
        error = _logarithm_error(total, relative, u).reshape(np.shape(exact))
        absolute = error + 1.01 * u * np.abs(np.asarray(exact, np.float64))
    return bounds.rounded(np.asarray(exact, np.float64), absolute, accumulator, output)


def _samples(dtype: DType) -> Any:
    from ...testing import families

    return families.softmax(dtype)


def _samples_logsumexp(dtype: DType) -> Any:
    from ...testing import families

    return families.logsumexp(dtype)


SOFTMAX, LOG_SOFTMAX = (
    registry.register(
        OpSpec(
            name=function.__name__,
            primitive=function.__name__,
            summary=summary,
            function=function,
            infer=partial(_infer, function.__name__),
            canonical=partial(_canonical, function.__name__),
            reference=partial(_reference, function.__name__),
            bound=partial(_bound, function.__name__),
            bits=lambda dtype, numerics: "bits",
            samples=_samples,
            dtypes=FLOATS,
            namespace="nn",
            decompose=partial(_decompose, function.__name__),
            flops=lambda inputs, outputs: 4 * inputs[0].size,
        )
    )
    for function, summary in (
        (softmax, "exp(x - max) over its sum, along an axis"),
        (log_softmax, "x - max - log(sum(exp(x - max))), along an axis"),
    )
)

LOGSUMEXP = registry.register(
    OpSpec(
        name="logsumexp",
        primitive="logsumexp",
        summary="log(sum(exp(x - max))) + max, over axes",
        function=logsumexp,
        infer=partial(_infer, "logsumexp"),
        canonical=_canonical_logsumexp,
        reference=_reference_logsumexp,
        bound=_bound_logsumexp,
        bits=lambda dtype, numerics: "bits",
        samples=_samples_logsumexp,
        dtypes=FLOATS,
        namespace="special",
        decompose=_decompose_logsumexp,
        flops=lambda inputs, outputs: 3 * inputs[0].size,
    )
)

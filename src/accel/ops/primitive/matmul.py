"""matmul, and linear: matmul with a scalar program (bias, activation) applied to each result before it is stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from math import prod
from typing import Any

import numpy as np

from ... import dispatch, interop, registry
from ...array import Array
from ...config import config
from ...dtypes import FLOAT32, FLOAT64, FLOATS, INTEGERS, DType, as_dtype, promote
from ...errors import ArgumentError, DtypeError, ShapeError, shown
from ...layout import Layout, Shape, broadcast_shapes, broadcast_strides, layout, permuted
from ...scalar import FUNCTIONS, Program, ProgramBuilder
from .. import bounds, canonical
from ..parameters import Product, accumulator_dtype
from ..spec import Inferred, OpSpec, Seen
from .pointwise import apply, astype

TF32_ROUNDOFF = 2.0**-10
"""Relative error of a float32 operand that "fast" lets matrix units read as TF32 (10 bits of fraction, truncated)."""


def result_dtype(op: str, operand: DType, asked: DType | None) -> DType:
    """The result dtype of a product of operands of a dtype. Raises DtypeError for one that is not offered."""
    if operand.kind not in "iuf":
        raise DtypeError(f"{op}: takes numeric dtypes, got {operand}; cast with astype")
    if asked is None or asked is operand:
        return operand
    if operand.kind == "f":
        allowed = {operand.name, operand.accumulator}
        if asked.name not in allowed:
            raise DtypeError(f"{op}: dtype: {asked} from {operand} operands; expected {' or '.join(sorted(allowed))}")
    elif asked.kind not in "iu":
        raise DtypeError(f"{op}: dtype: {asked} from {operand} operands; expected an integer dtype")
    return asked


def _inferred(inputs: tuple[Layout, ...], dtype: DType, epilogue: Program | None) -> Inferred:
    a, b, *_ = inputs
    return Inferred((((*a.shape[:-2], a.shape[-2], b.shape[-1]), dtype),), Product(epilogue))


def _infer_matmul(inputs: tuple[Layout, ...], asked: DType | None) -> Inferred:
    return _inferred(inputs, result_dtype("matmul", inputs[0].dtype, asked), None)


def _infer_linear(inputs: tuple[Layout, ...], params: Fused) -> Inferred:
    return _inferred(inputs, params.output, params.epilogue)


def _adapt_matmul(inputs: tuple[Layout, ...], asked: DType | None) -> Seen | Callable[..., Array] | None:
    a, b = inputs
    dispatch.one_device(inputs, "matmul")
    common = promote(a.dtype, b.dtype)
    output = result_dtype("matmul", common, asked)
    if a.ndim == b.ndim >= 2 and a.dtype is b.dtype and a.shape[:-2] == b.shape[:-2] and a.shape[-1] == b.shape[-2]:
        return None
    left, right, shape = _matrices("matmul", ("a", "b"), a, b)
    return Seen((left, right), output, shape) if a.dtype is b.dtype else _cast(MATMUL, common, asked)


def _cast(spec: OpSpec, common: DType, params: Any) -> Callable[..., Array]:
    """The call with its first two operands in one dtype."""

    def adapted(a: Array, b: Array, *rest: Array) -> Array:
        return dispatch.call(spec, (astype(a, common, copy=False), astype(b, common, copy=False), *rest), params)

    return adapted


def _matrices(op: str, names: tuple[str, str], a: Layout, b: Layout) -> tuple[Layout, Layout, Shape]:
    """The operands' memory as matrices with equal batch axes, and the shape of the result."""
    for name, x in zip(names, (a, b), strict=True):
        if x.ndim == 0:
            raise ShapeError(f"{op}: {name}: expected at least one axis, got a 0-d array")
    left = a if a.ndim > 1 else layout(a.dtype, (1, *a.shape), (0, *a.strides), a.device)
    right = b if b.ndim > 1 else layout(b.dtype, (*b.shape, 1), (*b.strides, 0), b.device)
    if left.shape[-1] != right.shape[-2]:
        raise ShapeError(
            f"{op}: {names[0]} has shape {a.shape} and {names[1]} has shape {b.shape}: "
            f"{left.shape[-1]} columns meet {right.shape[-2]} rows"
        )
    batch = broadcast_shapes(left.shape[:-2], right.shape[:-2], what=f"{op}: batch axes of {names[0]} and {names[1]}")
    left, right = (_stretched(x, (*batch, *x.shape[-2:])) for x in (left, right))
    rows = left.shape[-2:-1] if a.ndim > 1 else ()
    columns = right.shape[-1:] if b.ndim > 1 else ()
    return left, right, (*batch, *rows, *columns)


def _stretched(x: Layout, shape: Shape) -> Layout:
    return x if x.shape == shape else layout(x.dtype, shape, broadcast_strides(x, shape), x.device)


def matmul(a: Any, b: Any, /, *, dtype: Any = None) -> Any:
    """Matrix product, as the array API standard has it.

    a: (…, m, k) or (k,). b: (…, k, n) or (k,). Batch axes broadcast; a 1-D operand's axis is not in the result.
    Numeric dtypes, which promote. Integers give the exact result wrapped to the result dtype; float16 and bfloat16
    accumulate in float32 and round once. dtype: of the result: for 16-bit floats ``accel.float32`` keeps the
    accumulator; for integers any integer dtype (int8 @ int8 with ``dtype=accel.int32`` does not wrap).
    Order of additions: docs/numerics.md, rule 3. Raises ShapeError, DtypeError, DeviceError, ArgumentError.
    """
    return interop.enter(MATMUL, (a, b), None if dtype is None else as_dtype(dtype))


def linear(x: Any, weight: Any, bias: Any = None, *, activation: str | None = None, dtype: Any = None) -> Any:
    """activation(x @ weight.T + bias), with one rounding at the end.

    x: (…, in). weight: (out, in). bias: (out,) or None. activation: the name of a scalar function of one argument
    ("gelu", "relu", "tanh"…) or None. dtype: of the result, as in `accel.matmul`. The bias and the activation are
    computed in the accumulator's dtype.
    Raises ShapeError, DtypeError, DeviceError, ArgumentError.
    """
    if not (activation is None or isinstance(activation, str)):
        raise ArgumentError(f"linear: activation: expected the name of a scalar function, got {shown(activation)}")
    operands = (x, weight) if bias is None else (x, weight, bias)
    return interop.enter(LINEAR, operands, (None if dtype is None else as_dtype(dtype), activation))


@dataclass(frozen=True)
class Fused:
    """Parameters of linear on operands like those of `Product`; before, they are (dtype asked for, activation)."""

    output: DType
    epilogue: Program | None


def _adapt_linear(
    inputs: tuple[Layout, ...], params: Fused | tuple[DType | None, str | None]
) -> Seen | Callable[..., Array] | None:
    if isinstance(params, Fused):
        return None
    (asked, activation), (x, weight, *bias) = params, inputs
    dispatch.one_device(inputs, "linear")
    if weight.ndim != 2:
        raise ShapeError(f"linear: weight: expected two axes (out, in), got shape {weight.shape}")
    if x.ndim and x.shape[-1] != weight.shape[1]:
        raise ShapeError(
            f"linear: x has shape {x.shape} and weight has shape {weight.shape}: "
            f"{x.shape[-1]} features meet {weight.shape[1]}"
        )
    common = promote(x.dtype, weight.dtype)
    output = result_dtype("linear", common, asked)
    fused = Fused(output, _epilogue(common, output, bias[0].dtype if bias else None, activation))
    left, right, _ = _matrices("linear", ("x", "weight.T"), _rows(x), permuted(weight, (1, 0)))
    for each in bias:
        if each.shape != (weight.shape[0],):
            raise ShapeError(f"linear: bias: expected shape ({weight.shape[0]},), got {each.shape}")
    if x.dtype is not weight.dtype:
        return _cast(LINEAR, common, params)
    full = (*left.shape[:-1], right.shape[-1])
    return Seen((left, right, *(_stretched(each, full) for each in bias)), fused, (*x.shape[:-1], weight.shape[0]))


def _rows(x: Layout) -> Layout:
    """(rows, in) where the leading axes are one run of memory, so that a weight is not read once per batch."""
    if x.ndim > 2 and x.contiguous:
        return layout(x.dtype, (prod(x.shape[:-1]), x.shape[-1]), None, x.device)
    return x


@lru_cache(maxsize=1024)
def _epilogue(operand: DType, output: DType, bias: DType | None, activation: str | None) -> Program | None:
    """accumulator (+ bias) -> activation -> output dtype."""
    if bias is None and activation is None:
        return None
    accumulator = accumulator_dtype(operand, output)
    build = ProgramBuilder(accumulator.name, *([] if bias is None else [bias.name]))
    last = 0
    if bias is not None:
        if promote(bias, accumulator) is not accumulator:
            raise DtypeError(f"linear: bias: {bias} does not fit the accumulator, {accumulator}")
        last = build.apply("add", *build.inputs)
    if activation is not None:
        row = FUNCTIONS.get(activation)
        if row is None or row.arity != 1 or row.result != "same":
            known = ", ".join(f.name for f in FUNCTIONS.values() if f.arity == 1 and f.result == "same")
            raise ArgumentError(
                f"linear: activation: {shown(activation)} is not a scalar function of one argument; there are {known}"
            )
        if accumulator.name not in row.dtypes:
            raise DtypeError(
                f"linear: activation: {activation} takes {' and '.join(row.kinds)} dtypes, got {accumulator}"
            )
        last = build.apply(activation, last)
    return build.finish(last, output.name)


def _decompose_linear(a: Array, b: Array, *rest: Any) -> Array:
    """matmul, then the epilogue as a pointwise program."""
    *extras, fused = rest
    if fused.epilogue is None:
        return dispatch.call(MATMUL, (a, b), fused.output)
    return apply(fused.epilogue, dispatch.call(MATMUL, (a, b), accumulator_dtype(a.dtype, fused.output)), *extras)


# what the tests compare with


def _matrices_numpy(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, Any]:
    common = promote(as_dtype(a.dtype), as_dtype(b.dtype)).numpy
    left = a.astype(common) if a.ndim > 1 else a.astype(common)[None, :]
    right = b.astype(common) if b.ndim > 1 else b.astype(common)[:, None]
    drop = tuple(axis for axis, x in ((-2, a), (-1, b)) if x.ndim == 1)
    return left, right, lambda y: np.squeeze(y, axis=drop) if drop else y


def _canonical_matmul(a: np.ndarray, b: np.ndarray, dtype: Any = None, **variant: Any) -> np.ndarray:
    left, right, shaped = _matrices_numpy(a, b)
    output = as_dtype(left.dtype if dtype is None else dtype)
    return shaped(canonical.matmul(left, right, output, **variant))


def _exact_matmul(a: np.ndarray, b: np.ndarray, dtype: Any = None) -> np.ndarray:
    """float64 for narrower floats, extended precision for float64, exact for integers."""
    left, right, shaped = _matrices_numpy(a, b)
    have = as_dtype(left.dtype)
    if have.kind != "f":
        return _canonical_matmul(a, b, dtype)
    wide = np.longdouble if have is FLOAT64 else np.float64
    with np.errstate(all="ignore"):
        return shaped(left.astype(wide) @ right.astype(wide))


def _bound_matmul(exact: np.ndarray, a: np.ndarray, b: np.ndarray, dtype: Any = None) -> np.ndarray:
    left, right, shaped = _matrices_numpy(a, b)
    have = as_dtype(left.dtype)
    if have.kind != "f":
        return np.zeros(np.shape(exact))
    accumulator, output = as_dtype(have.accumulator), as_dtype(have if dtype is None else dtype)
    k = left.shape[-1]
    with np.errstate(all="ignore"):
        magnitude = shaped(np.abs(left.astype(np.float64)) @ np.abs(right.astype(np.float64)))
        growth = bounds.gamma(bounds.dot_depth(k), bounds.unit_roundoff(accumulator))
        if config.numerics == "fast" and have is FLOAT32:
            growth += 2 * TF32_ROUNDOFF
        absolute = growth * magnitude + k * bounds.smallest(accumulator)
        if bounds.integral(left, right):  # every partial sum is exact, in any order
            absolute = np.where(magnitude < 1 / bounds.unit_roundoff(accumulator), 0, absolute)
        absolute = np.where(magnitude < bounds.largest(accumulator) / 2, absolute, np.inf)
    return bounds.rounded(np.asarray(exact, np.float64), absolute, accumulator, output)


def _canonical_linear(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None, activation: str | None = None, dtype: Any = None
) -> np.ndarray:
    operand = promote(as_dtype(x.dtype), as_dtype(weight.dtype))
    output = result_dtype("linear", operand, None if dtype is None else as_dtype(dtype))
    epilogue = _epilogue(operand, output, None if bias is None else as_dtype(bias.dtype), activation)
    product = _canonical_matmul(x, weight.T, dtype=output if epilogue is None else accumulator_dtype(operand, output))
    if epilogue is None:
        return product
    from ...scalar.evaluate import evaluate

    extras = [] if bias is None else [np.broadcast_to(bias, product.shape)]
    return evaluate(epilogue, product, *extras)


def _exact_linear(*operands: np.ndarray, activation: str | None = None, dtype: Any = None) -> np.ndarray:
    """Judged by the canonical answer; its error bound is that of matmul and of the activation, which have tests of
    their own."""
    return _canonical_linear(*operands, activation=activation, dtype=dtype)


def _bound_linear(
    exact: np.ndarray, *operands: np.ndarray, activation: str | None = None, dtype: Any = None
) -> np.ndarray:
    """Around the canonical answer: nothing where bits are promised; 16-bit matrix units may differ by twice matmul's
    bound."""
    x, weight, *_ = operands
    have = promote(as_dtype(x.dtype), as_dtype(weight.dtype))
    if have.kind != "f" or have.itemsize > 2:
        return np.zeros(np.shape(exact))
    wide = np.asarray(_exact_matmul(x, weight.T), np.float64)
    slack = 2 * _bound_matmul(wide, x, weight.T, dtype)
    # the activations of the samples change by at most 1.13 times their argument's change (gelu); bias and output round
    # once more
    output = as_dtype(have if dtype is None else dtype)
    return (
        1.13 * slack
        + 2 * bounds.unit_roundoff(output) * np.abs(np.asarray(exact, np.float64))
        + bounds.smallest(output)
    )


def _bits(dtype: DType, numerics: str) -> str:
    if dtype.kind != "f":
        return "exact"
    if numerics == "fast":
        return "bound"
    return "bits" if dtype.itemsize > 2 or numerics == "reproducible" else "bound"


def _samples(op: str, dtype: DType) -> Any:
    from ...testing import families

    return getattr(families, op)(dtype)


def _flops(inputs: tuple[Layout, ...], outputs: Any) -> int:
    return 2 * prod(outputs[0][0]) * inputs[0].shape[-1]


MATMUL = registry.register(
    OpSpec(
        name="matmul",
        primitive="matmul",
        summary="Matrix product",
        function=matmul,
        infer=_infer_matmul,
        arguments=("a", "b"),
        adapt=_adapt_matmul,
        canonical=_canonical_matmul,
        reference=_exact_matmul,
        bound=_bound_matmul,
        bits=_bits,
        samples=partial(_samples, "matmul"),
        dtypes=(*INTEGERS, *FLOATS),
        flops=_flops,
    )
)

LINEAR = registry.register(
    OpSpec(
        name="linear",
        primitive="matmul",
        summary="Matrix product with bias and activation",
        function=linear,
        infer=_infer_linear,
        arguments=("x", "weight", "bias"),
        adapt=_adapt_linear,
        canonical=_canonical_linear,
        reference=_exact_linear,
        bound=_bound_linear,
        bits=_bits,
        samples=partial(_samples, "linear"),
        dtypes=(*INTEGERS, *FLOATS),
        namespace="nn",
        decompose=_decompose_linear,
        flops=_flops,
    )
)

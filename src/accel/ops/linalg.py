"""matmul, and linear: matmul with a scalar program (bias, activation) applied to each result before it is stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from math import prod
from typing import Any

import numpy as np

from .. import dispatch, interop, registry
from ..array import Array
from ..config import config
from ..dtypes import FLOAT32, FLOAT64, FLOATS, INTEGERS, TABLE, DType, as_dtype, promote
from ..errors import ArgumentError, DtypeError, ShapeError
from ..layout import Layout, Shape, broadcast_shapes, broadcast_strides, row_major
from ..scalar import FUNCTIONS, Program, ProgramBuilder
from . import bounds, canonical
from .pointwise import apply, astype
from .spec import Inferred, OpSpec

TF32_ROUNDOFF = 2.0**-10
"""Relative error of a float32 operand that "fast" lets matrix units read as TF32 (10 bits of fraction, truncated)."""


@dataclass(frozen=True)
class Product:
    """Parameters of the primitive ``matmul``.

    Inputs: a (…, m, k) and b (…, k, n) of one dtype and with the same number of axes, batch axes already broadcast
    (stride 0), then
    the epilogue's further operands, each broadcast to (…, m, n) the same way. The accumulator is float32 for float16
    and bfloat16,
    the dtype itself for float32 and float64, and for integers the exact result wrapped to the output dtype.
    epilogue: None, or the program from (accumulator, further operands…) to the output dtype. None: accumulator cast to
    the output dtype.
    """

    epilogue: Program | None = None


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


def accumulator_dtype(operand: DType, output: DType) -> DType:
    """What an epilogue's first input is: see `Product`."""
    return TABLE[operand.accumulator] if operand.kind == "f" else output


def _inferred(inputs: tuple[Layout, ...], dtype: DType, epilogue: Program | None) -> Inferred:
    a, b, *_ = inputs
    return Inferred((((*a.shape[:-2], a.shape[-2], b.shape[-1]), dtype),), Product(epilogue))


def _infer_matmul(inputs: tuple[Layout, ...], asked: DType | None) -> Inferred:
    return _inferred(inputs, result_dtype("matmul", inputs[0].dtype, asked), None)


def _infer_linear(inputs: tuple[Layout, ...], params: tuple[DType, Program | None]) -> Inferred:
    return _inferred(inputs, *params)


def _adapt_matmul(inputs: tuple[Layout, ...], asked: DType | None) -> Callable[[Array, Array], Array] | None:
    a, b = inputs
    dispatch.one_device(inputs, "matmul")
    output = result_dtype("matmul", promote(a.dtype, b.dtype), asked)
    if a.ndim == b.ndim >= 2 and a.dtype is b.dtype and a.shape[:-2] == b.shape[:-2] and a.shape[-1] == b.shape[-2]:
        return None

    def adapted(a: Array, b: Array) -> Array:
        left, right, shape = _matrices("matmul", ("a", "b"), a, b)
        return _shaped(dispatch.call(MATMUL, (left, right), output), shape)

    return adapted


def _matrices(op: str, names: tuple[str, str], a: Array, b: Array) -> tuple[Array, Array, Shape]:
    """Operands of one dtype with equal batch axes, as views where the dtypes agree, and the shape of the result."""
    for name, x in zip(names, (a, b), strict=True):
        if x.ndim == 0:
            raise ShapeError(f"{op}: {name}: expected at least one axis, got a 0-d array")
    left = a if a.ndim > 1 else a.view((1, *a.shape), (0, *a.strides))
    right = b if b.ndim > 1 else b.view((*b.shape, 1), (*b.strides, 0))
    if left.shape[-1] != right.shape[-2]:
        raise ShapeError(
            f"{op}: {names[0]} has shape {a.shape} and {names[1]} has shape {b.shape}: "
            f"{left.shape[-1]} columns meet {right.shape[-2]} rows"
        )
    common = promote(a.dtype, b.dtype)
    left, right = astype(left, common, copy=False), astype(right, common, copy=False)
    batch = broadcast_shapes(left.shape[:-2], right.shape[:-2], what=f"{op}: batch axes of {names[0]} and {names[1]}")
    left, right = (_stretch(x, (*batch, *x.shape[-2:])) for x in (left, right))
    rows = left.shape[-2:-1] if a.ndim > 1 else ()
    columns = right.shape[-1:] if b.ndim > 1 else ()
    return left, right, (*batch, *rows, *columns)


def _stretch(x: Array, shape: Shape) -> Array:
    return x if x.shape == shape else x.view(shape, broadcast_strides(x.layout, shape))


def _shaped(result: Array, shape: Shape) -> Array:
    """Without the axes of length 1 that stood for 1-D operands; products are row-major."""
    return result.view(shape, row_major(shape))


def matmul(a: Any, b: Any, /, *, dtype: Any = None) -> Any:
    """Matrix product, as the array API standard has it.

    a: (…, m, k) or (k,). b: (…, k, n) or (k,). Batch axes broadcast; a 1-D operand's axis is not in the result.
    Numeric dtypes, which promote. Integers give the exact result wrapped to the result dtype; float16 and bfloat16
    accumulate
    in float32 and round once. dtype: of the result: for 16-bit floats ``accel.float32`` keeps the accumulator; for
    integers
    any integer dtype (int8 @ int8 with ``dtype=accel.int32`` does not wrap).
    Order of additions: docs/numerics.md, rule 3. Raises ShapeError, DtypeError, DeviceError, ArgumentError.
    """
    return interop.enter(MATMUL, (a, b), None if dtype is None else as_dtype(dtype))


def linear(x: Any, weight: Any, bias: Any = None, *, activation: str | None = None, dtype: Any = None) -> Any:
    """activation(x @ weight.T + bias), with one rounding at the end.

    x: (…, in). weight: (out, in). bias: (out,) or None. activation: the name of a scalar function of one argument
    ("gelu", "relu",
    "tanh"…) or None. dtype: of the result, as in `accel.matmul`. The bias and the activation are computed in the
    accumulator's dtype.
    Raises ShapeError, DtypeError, DeviceError, ArgumentError.
    """
    given = {"x": x, "weight": weight} | ({} if bias is None else {"bias": bias})
    operands, restore = interop.adopt("linear", **given)
    for name, value in zip(given, operands, strict=True):
        if not isinstance(value, Array):
            raise ArgumentError(f"linear: {name}: expected an array, got the scalar {value!r}")
    data, matrix, *rest = operands
    dispatch.one_device([v.layout for v in operands], "linear")
    if matrix.ndim != 2:
        raise ShapeError(f"linear: weight: expected two axes (out, in), got shape {matrix.shape}")
    if data.ndim and data.shape[-1] != matrix.shape[1]:
        raise ShapeError(
            f"linear: x has shape {data.shape} and weight has shape {matrix.shape}: "
            f"{data.shape[-1]} features meet {matrix.shape[1]}"
        )
    operand = promote(data.dtype, matrix.dtype)
    output = result_dtype("linear", operand, None if dtype is None else as_dtype(dtype))
    epilogue = _epilogue(operand, output, rest[0].dtype if rest else None, activation)
    left, right, shape = _matrices("linear", ("x", "weight.T"), _rows(data), matrix.mT)
    shape = (*data.shape[:-1], matrix.shape[0])
    full = (*left.shape[:-1], right.shape[-1])
    extras = []
    for value in rest:
        if value.shape != (matrix.shape[0],):
            raise ShapeError(f"linear: bias: expected shape ({matrix.shape[0]},), got {value.shape}")
        extras.append(_stretch(value, full))
    return restore(_shaped(dispatch.call(LINEAR, (left, right, *extras), (output, epilogue)), shape))


def _rows(x: Array) -> Array:
    """(rows, in) where the leading axes are one run of memory, so that a weight is not read once per batch."""
    if x.ndim > 2 and x.layout.contiguous:
        shape = (prod(x.shape[:-1]), x.shape[-1])
        return x.view(shape, row_major(shape))
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
                f"linear: activation: {activation!r} is not a scalar function of one argument; there are {known}"
            )
        if accumulator.name not in row.dtypes:
            raise DtypeError(
                f"linear: activation: {activation} takes {' and '.join(row.kinds)} dtypes, got {accumulator}"
            )
        last = build.apply(activation, last)
    return build.finish(last, output.name)


def _decompose_linear(a: Array, b: Array, *rest: Any) -> Array:
    """matmul, then the epilogue as a pointwise program."""
    *extras, (output, epilogue) = rest
    accumulator = accumulator_dtype(a.dtype, output)
    product = dispatch.call(MATMUL, (a, b), output if epilogue is None else accumulator)
    return product if epilogue is None else apply(epilogue, product, *extras)


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
    from ..scalar.evaluate import evaluate

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
    from ..testing import strategies

    return getattr(strategies, op)(dtype)


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

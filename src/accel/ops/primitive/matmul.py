"""matmul."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import dispatch, interop, registry
from ...array import Array
from ...config import config
from ...dtypes import FLOAT32, FLOAT64, FLOATS, INTEGERS, DType, as_dtype, promote
from ...errors import DtypeError, ShapeError
from ...graph.bounded import Bounded, bounded
from ...layout import Layout, Shape, broadcast_shapes, broadcast_strides, layout
from .. import bounds, canonical
from ..derivative import Cotangents, program_vjp
from ..parameters import Product, accumulator_dtype
from ..spec import Inferred, OpSpec, Output, Primitive, Seen
from .pointwise import astype

if TYPE_CHECKING:
    from ...graph.bound import Analysis


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


def _infer_matmul(inputs: tuple[Layout, ...], asked: DType | None) -> Inferred:
    a, b = inputs
    output = result_dtype("matmul", a.dtype, asked)
    return Inferred((((*a.shape[:-2], a.shape[-2], b.shape[-1]), output),), Product())


def _adapt_matmul(inputs: tuple[Layout, ...], asked: DType | None) -> Seen | Callable[..., Array] | None:
    a, b = inputs
    dispatch.one_device(inputs, "matmul")
    common = promote(a.dtype, b.dtype)
    output = result_dtype("matmul", common, asked)
    if a.ndim == b.ndim >= 2 and a.dtype is b.dtype and a.shape[:-2] == b.shape[:-2] and a.shape[-1] == b.shape[-2]:
        return None
    left, right, shape = _matrices(a, b)
    return Seen((left, right), output, shape) if a.dtype is b.dtype else _cast(common, asked)


def _cast(common: DType, asked: DType | None) -> Callable[..., Array]:
    """The call with its operands in one dtype."""

    def adapted(a: Array, b: Array) -> Array:
        return dispatch.call(MATMUL, (astype(a, common, copy=False), astype(b, common, copy=False)), asked)

    return adapted


def _matrices(a: Layout, b: Layout) -> tuple[Layout, Layout, Shape]:
    """The operands' memory as matrices with equal batch axes, and the shape of the result."""
    for name, x in (("a", a), ("b", b)):
        if x.ndim == 0:
            raise ShapeError(f"matmul: {name}: expected at least one axis, got a 0-d array")
    left = a if a.ndim > 1 else layout(a.dtype, (1, *a.shape), (0, *a.strides), a.device)
    right = b if b.ndim > 1 else layout(b.dtype, (*b.shape, 1), (*b.strides, 0), b.device)
    if left.shape[-1] != right.shape[-2]:
        raise ShapeError(
            f"matmul: a has shape {a.shape} and b has shape {b.shape}: "
            f"{left.shape[-1]} columns meet {right.shape[-2]} rows"
        )
    batch = broadcast_shapes(left.shape[:-2], right.shape[:-2], what="matmul: batch axes of a and b")
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


# what the tests compare with


def _matrices_numpy(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, Any]:
    common = promote(as_dtype(a.dtype), as_dtype(b.dtype)).numpy
    left = a.astype(common) if a.ndim > 1 else a.astype(common)[None, :]
    right = b.astype(common) if b.ndim > 1 else b.astype(common)[:, None]
    drop = tuple(axis for axis, x in ((-2, a), (-1, b)) if x.ndim == 1)
    return left, right, lambda y: np.squeeze(y, axis=drop) if drop else y


def canonical_matmul(a: np.ndarray, b: np.ndarray, dtype: Any = None, **variant: Any) -> np.ndarray:
    left, right, shaped = _matrices_numpy(a, b)
    output = as_dtype(left.dtype if dtype is None else dtype)
    return shaped(canonical.matmul(left, right, output, **variant))


def exact_matmul(a: np.ndarray, b: np.ndarray, dtype: Any = None) -> np.ndarray:
    """float64 for narrower floats, extended precision for float64, exact for integers."""
    left, right, shaped = _matrices_numpy(a, b)
    have = as_dtype(left.dtype)
    if have.kind != "f":
        return canonical_matmul(a, b, dtype)
    wide = np.longdouble if have is FLOAT64 else np.float64
    with np.errstate(all="ignore"):
        return shaped(left.astype(wide) @ right.astype(wide))


def bound_matmul(exact: np.ndarray, a: np.ndarray, b: np.ndarray, dtype: Any = None) -> np.ndarray:
    left, right, shaped = _matrices_numpy(a, b)
    have = as_dtype(left.dtype)
    if have.kind != "f":
        return np.zeros(np.shape(exact))
    accumulator, output = as_dtype(have.accumulator), as_dtype(have if dtype is None else dtype)
    with np.errstate(all="ignore"):
        own, magnitude = _own(left, right)
        absolute = shaped(np.where(magnitude < bounds.largest(accumulator) / 2, own, np.inf))
    return bounds.rounded(np.asarray(exact, np.float64), absolute, accumulator, output)


def _own(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far a product of floating matrices in their accumulator's dtype may be from the exact one, and the product of
    their absolute values. Holds for the canonical order and for what `config.numerics` allows in its place."""
    have, k = as_dtype(a.dtype), a.shape[-1]
    accumulator = as_dtype(have.accumulator)
    magnitude = np.abs(a.astype(np.float64)) @ np.abs(b.astype(np.float64))
    growth = bounds.gamma(bounds.dot_depth(k), bounds.unit_roundoff(accumulator))
    if config.numerics == "fast" and have is FLOAT32:
        growth += 2 * bounds.TF32_ROUNDOFF
    own = growth * magnitude + k * bounds.smallest(accumulator)
    if bounds.integral(a, b):  # every partial sum is exact, in any order
        own = np.where(magnitude < 1 / bounds.unit_roundoff(accumulator), 0.0, own)
    return own, magnitude


def bits(dtype: DType, numerics: str) -> str:
    if dtype.kind != "f":
        return "exact"
    if numerics == "fast":
        return "bound"
    return "bits" if dtype.itemsize > 2 or numerics == "reproducible" else "bound"


def _samples(dtype: DType) -> Any:
    from ...testing import families

    return families.matmul(dtype)


def flops(inputs: tuple[Layout, ...], outputs: Any, params: Any) -> int:
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
        canonical=canonical_matmul,
        reference=exact_matmul,
        bound=bound_matmul,
        bits=bits,
        samples=_samples,
        dtypes=(*INTEGERS, *FLOATS),
        flops=flops,
    )
)


def _answer(product: Product, outputs: tuple[Output], a: np.ndarray, b: np.ndarray) -> list[np.ndarray]:
    ((_, dtype),) = outputs
    return [canonical.matmul(a, b, dtype)]


def _analysed(
    analysis: Analysis, product: Product, outputs: tuple[Output], a: Bounded, b: Bounded, *extras: Bounded
) -> Sequence[Bounded]:
    ((_, output),) = outputs
    accumulator = accumulator_dtype(a.dtype, output)
    with np.errstate(all="ignore"):
        left, right = np.abs(a.wide()), np.abs(b.wide())
        error = left @ b.error + a.error @ (right + b.error)
        if accumulator.kind != "f":
            value = canonical.matmul(a.value, b.value, accumulator)
        else:
            own, magnitude = _own(a.value, b.value)
            value, apart = _middle(a.value, b.value, accumulator, magnitude)
            exact = not (a.error.any() or b.error.any())
            fits = magnitude < bounds.largest(accumulator) / 2
            special = exact & ~np.isfinite(magnitude) & ~np.isfinite(value)
            error = np.where(fits, error + own + apart, np.where(special, 0.0, np.inf))
    made = bounded(value, error)
    if product.epilogue is None:
        return [analysis.cast(output.name, made)]
    return analysis.program(product.epilogue, made, *extras)


def _middle(a: np.ndarray, b: np.ndarray, accumulator: DType, magnitude: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A product that both the exact one and that of every kernel are near, and what it is off by itself: the canonical
    one, which kernels promise; where they promise a bound alone, the exact one rounded. Around the canonical one that
    bound would count twice, as it lies to one side of the exact product and a kernel's may lie to the other."""
    if bits(as_dtype(a.dtype), config.numerics) != "bound":
        return canonical.matmul(a, b, accumulator), np.zeros(magnitude.shape)
    exact = exact_matmul(a, b)
    value = exact.astype(accumulator.numpy)
    adding = bounds.gamma(a.shape[-1], float(np.finfo(exact.dtype).eps) / 2) * magnitude
    if bounds.integral(a, b):
        adding = np.where(magnitude < 1 / bounds.unit_roundoff(accumulator), 0.0, adding)
    return value, np.where(np.isfinite(exact), np.abs(value.astype(exact.dtype) - exact).astype(np.float64), 0) + adding


def _vjp(product: Product, cotangents: Cotangents, results: Sequence[Array], operands: Sequence[Array]) -> Cotangents:
    """g b.T and a.T g, after the epilogue's own."""
    (g,), (y,), (a, b, *extras) = cotangents, results, operands
    rest: list[Array | None] = []
    if product.epilogue is not None:
        value = matmul(a, b, dtype=accumulator_dtype(a.dtype, y.dtype))
        g, *rest = program_vjp(product.epilogue, [g], [value, *extras])
    if g is None:
        return [None, None, *rest]
    found = []
    for left, right, x in ((g, _turned(b), a), (_turned(a), g, b)):
        wide = [astype(m, g.dtype, copy=False) for m in (left, right)]
        found.append(astype(matmul(*wide), x.dtype, copy=False))
    return [*found, *rest]


def _turned(x: Array) -> Array:
    return x.permute((*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


registry.register_primitive(Primitive("matmul", _answer, _analysed, _vjp))

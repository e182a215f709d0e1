"""Products with weights of 8 or 4 bits, as a packed weight holds them. One primitive, ``quantized_matmul``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import dispatch, interop, registry
from ...array import Array
from ...dtypes import FLOAT32, TABLE, DType, as_dtype
from ...errors import DtypeError, ShapeError
from ...graph.bounded import Bounded
from ...layout import Layout
from .. import bounds, canonical
from ..concatenation import stack
from ..derivative import Cotangents
from ..parameters import PANEL, Product, Quantized
from ..spec import Inferred, OpSpec, Output, Primitive
from ..views import reshape
from .matmul import bound_matmul, exact_matmul, matmul
from .pointwise import astype, fn

if TYPE_CHECKING:
    from ...graph.bound import Analysis

NAMES = ("x", "codes", "scales", "zeros")
TAKEN = tuple(TABLE[name] for name in ("float16", "bfloat16", "float32"))


def _infer(inputs: tuple[Layout, ...], params: Quantized) -> Inferred:
    op, (x, *weights) = "quantized_matmul", inputs
    if x.dtype not in TAKEN:
        raise DtypeError(f"{op}: x: takes float32, float16 and bfloat16, got {x.dtype}; cast with astype")
    if params.output not in (x.dtype.name, "float32"):
        raise DtypeError(f"{op}: a result of {params.output} from {x.dtype}; expected {x.dtype} or float32")
    if params.bits not in (8, 4) or x.ndim != 2:
        raise ShapeError(f"{op}: x: expected two axes and weights of 8 or 4 bits, got {x.shape} and {params.bits} bits")
    k = x.shape[1]
    if k and (params.group < 1 or k % params.group or (params.bits == 4 and params.group % 2)):
        raise ShapeError(f"{op}: group: {params.group} does not divide the {k} columns of x, or is odd")
    kinds = (TABLE["int8" if params.bits == 8 else "uint8"], FLOAT32, TABLE["int8"])
    for name, its, shape, dtype in zip(NAMES[1:], weights, params.shapes(k), kinds, strict=True):
        if its.dtype is not dtype:
            raise DtypeError(f"{op}: {name}: expected {dtype}, got {its.dtype}")
        if its.shape != shape:
            raise ShapeError(f"{op}: {name}: expected shape {shape}, got {its.shape}")
    return Inferred((((x.shape[0], params.n), TABLE[params.output]),), params)


def _adapt(inputs: tuple[Layout, ...], params: Quantized) -> Callable[..., Array] | None:
    """Weights that are not row-major are copied."""
    if all(its.contiguous for its in inputs[1:]):
        return None

    def adapted(x: Array, *weights: Array) -> Array:
        result: Array = dispatch.call(QUANTIZED_MATMUL, (x, *(w.contiguous() for w in weights)), params)
        return result

    return adapted


def quantized_matmul(params: Quantized, *operands: Any) -> Any:
    """x times weights of 8 or 4 bits, with the bits of the product with the weights in float32."""
    arrays, restore = interop.adopt("quantized_matmul", **dict(zip(NAMES, operands, strict=True)))
    return restore(dispatch.call(QUANTIZED_MATMUL, arrays, params))


def in_float(params: Quantized, k: int, codes: Array, scales: Array, zeros: Array) -> Array:
    """The weights that a packed weight's arrays stand for, float32 (n, k), on their device."""
    panels, group = codes.shape[0], max(1, params.group)
    if params.bits == 4:
        halves = fn.bitwise_and(codes, 15), fn.bitwise_right_shift(codes, 4)
        codes = stack(halves, axis=2)
    grouped = reshape(codes, (panels, k // group, group, PANEL))
    over = (its[:, :, None, :] for its in (astype(zeros, FLOAT32), scales))
    whole = astype(grouped, FLOAT32) - next(over)
    weights = reshape(whole * next(over), (panels, k, PANEL)).permute((0, 2, 1))
    result: Array = reshape(weights, (panels * PANEL, k))[: params.n]
    return result


# what the tests compare with


def dequantized(params: Quantized, k: int, codes: np.ndarray, scales: np.ndarray, zeros: np.ndarray) -> np.ndarray:
    """The weights, float32 (k, n): a code less its zero, exactly, times the scale, rounded once."""
    if params.bits == 4:
        codes = np.stack([codes & 15, codes >> 4], axis=2).reshape(codes.shape[0], k, PANEL)
    with np.errstate(all="ignore"):
        over = (np.repeat(its, max(1, params.group), axis=1)[:, :k] for its in (zeros, scales))
        whole = codes.astype(np.float32) - next(over).astype(np.float32)
        weights = whole * next(over)
    return np.moveaxis(weights, 1, 0).reshape(k, -1)[:, : params.n]


def _canonical(params: Quantized, x: np.ndarray, *weights: np.ndarray) -> np.ndarray:
    w = dequantized(params, x.shape[1], *weights)
    return canonical.matmul(x.astype(np.float32), w, as_dtype(params.output))


def _exact(params: Quantized, x: np.ndarray, *weights: np.ndarray) -> np.ndarray:
    """float64, of the weights as they are."""
    return exact_matmul(x.astype(np.float32), dequantized(params, x.shape[1], *weights))


def _bound(exact: np.ndarray, params: Quantized, x: np.ndarray, *weights: np.ndarray) -> np.ndarray:
    """That of the product in float32, and the rounding to what is returned."""
    own = bound_matmul(exact, x.astype(np.float32), dequantized(params, x.shape[1], *weights))
    return _narrowed(np.asarray(exact, np.float64), own, as_dtype(params.output))


def _narrowed(exact: np.ndarray, own: np.ndarray, output: DType) -> np.ndarray:
    return own if output is FLOAT32 else bounds.rounded(exact, own, FLOAT32, output)


def _samples(dtype: DType) -> Any:
    from ...testing import quantized_family

    return quantized_family.products(dtype)


QUANTIZED_MATMUL = registry.register(
    OpSpec(
        name="quantized_matmul",
        primitive="quantized_matmul",
        summary="Matrix product with quantised weights",
        function=quantized_matmul,
        infer=_infer,
        arguments=NAMES,
        adapt=_adapt,
        canonical=_canonical,
        reference=_exact,
        bound=_bound,
        bits=bounds.unless_fast,
        samples=_samples,
        dtypes=TAKEN,
        namespace="internal",
        flops=lambda inputs, outputs: 2 * inputs[0].size * outputs[0][0][1],
    )
)


def _answer(params: Quantized, outputs: tuple[Output], x: np.ndarray, *weights: np.ndarray) -> list[np.ndarray]:
    return [_canonical(params, x, *weights)]


def _analysed(
    analysis: Analysis, params: Quantized, outputs: tuple[Output], x: Bounded, *weights: Bounded
) -> Sequence[Bounded]:
    """As a product of x, widened, with exact weights in float32."""
    w = dequantized(params, x.value.shape[1], *(its.value for its in weights))
    product = registry.primitive("matmul").analysed
    assert callable(product)
    (shape, dtype) = outputs[0]
    wide = analysis.cast("float32", x)
    (made,) = product(analysis, Product(), ((shape, FLOAT32),), wide, Bounded(w, np.zeros(w.shape)))
    return [analysis.cast(dtype.name, made)]


def _vjp(params: Quantized, cotangents: Cotangents, results: Sequence[Array], operands: Sequence[Array]) -> Cotangents:
    """Of x alone: g times the weights, transposed. Codes, scales and zeros are constants."""
    (g,), (x, *weights) = cotangents, operands
    assert g is not None
    made = matmul(astype(g, FLOAT32, copy=False), in_float(params, x.shape[1], *weights))
    return [astype(made, x.dtype, copy=False), None, None, None]


registry.register_primitive(Primitive("quantized_matmul", _answer, _analysed, _vjp))

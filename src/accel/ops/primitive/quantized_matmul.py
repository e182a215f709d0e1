"""Products with quantised weights, as a packed weight holds them. One primitive, ``quantized_matmul``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import dispatch, interop, registry
from ...array import Array
from ...config import config
from ...conversion import from_numpy
from ...dtypes import FLOAT32, INT64, TABLE, DType, as_dtype
from ...errors import ArgumentError, DtypeError, ShapeError
from ...graph.bounded import Bounded
from ...ieee import fma32
from ...layout import Layout
from .. import bounds, canonical
from ..concatenation import stack
from ..derivative import Cotangents
from ..parameters import Product, Quantized
from ..spec import Inferred, OpSpec, Output, Primitive
from ..views import reshape
from ..weight_formats import PANEL, Format, code_values, exponent_values, format_named
from .gather import picked
from .matmul import bound_matmul, exact_matmul, matmul
from .pointwise import astype, fn

if TYPE_CHECKING:
    from ...graph.bound import Analysis

NAMES = ("x", "codes", "scales", "minors")
TAKEN = tuple(TABLE[name] for name in ("float16", "bfloat16", "float32"))


def _infer(inputs: tuple[Layout, ...], params: Quantized) -> Inferred:
    op, (x, *weights) = "quantized_matmul", inputs
    if x.dtype not in TAKEN:
        raise DtypeError(f"{op}: x: takes float32, float16 and bfloat16, got {x.dtype}; cast with astype")
    if params.output not in (x.dtype.name, "float32"):
        raise DtypeError(f"{op}: a result of {params.output} from {x.dtype}; expected {x.dtype} or float32")
    its = format_named(op, params.format)
    if x.ndim != 2:
        raise ShapeError(f"{op}: x: expected two axes, got shape {x.shape}")
    k = x.shape[1]
    if k and (why := its.misfit(k, params.group)):
        raise ShapeError(f"{op}: group: {params.format} {why}")
    if len(weights) != len(its.dtypes):
        raise ArgumentError(f"{op}: {params.format} has {len(its.dtypes)} arrays of weights, got {len(weights)}")
    for name, array, shape, dtype in zip(NAMES[1:], weights, params.shapes(k), its.dtypes, strict=False):
        if array.dtype is not dtype:
            raise DtypeError(f"{op}: {name}: expected {dtype}, got {array.dtype}")
        if array.shape != shape:
            raise ShapeError(f"{op}: {name}: expected shape {shape}, got {array.shape}")
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
    """x times quantised weights, with the bits of the product with the weights in float32."""
    arrays, restore = interop.adopt("quantized_matmul", **dict(zip(NAMES, operands, strict=False)))
    return restore(dispatch.call(QUANTIZED_MATMUL, arrays, params))


def in_float(params: Quantized, k: int, codes: Array, scales: Array, *minors: Array) -> Array:
    """The weights that a packed weight's arrays stand for, float32 (n, k), on their device."""
    its, panels, group = params.its, codes.shape[0], max(1, params.group)
    groups = k // group
    if its.steps == 2:
        halves = fn.bitwise_and(codes, 15), fn.bitwise_right_shift(codes, 4)
        codes = stack(halves, axis=2)
    grouped = reshape(codes, (panels, groups, group, PANEL))
    scale, shift = _scales(its, panels, groups, scales, minors)
    if its.float is not None:
        weights = _looked_up(code_values(its.codes), grouped) * scale
    elif its.minors == "minima":
        weights = astype(grouped, FLOAT32) * scale - shift
    else:
        weights = (astype(grouped, FLOAT32) - shift) * scale
    columns = reshape(weights, (panels, k, PANEL)).permute((0, 2, 1))
    result: Array = reshape(columns, (panels * PANEL, k))[: params.n]
    return result


def _scales(its: Format, panels: int, groups: int, scales: Array, minors: Sequence[Array]) -> tuple[Array, Any]:
    """Scales, and zeros or minima, of (panels, groups, 1, PANEL) elements, float32, or one for all."""
    if its.scales == "uint8":
        wide = _looked_up(exponent_values(), scales)
    else:
        wide = astype(scales, FLOAT32, copy=False)
    if not its.super:
        zeros = astype(minors[0], FLOAT32)[:, :, None, :] if minors else float(its.zero)
        return wide[:, :, None, :], zeros
    each = 2 if its.minors == "minima" else 1
    supers = scales.shape[1] // each
    over = reshape(wide, (panels, supers, 1, each, PANEL))
    factors = reshape(astype(minors[0], FLOAT32), (panels, supers, groups // max(1, supers), each, PANEL)) * over
    flat = reshape(factors, (panels, groups, each, PANEL))
    return flat[:, :, :1, :], flat[:, :, 1:, :] if each == 2 else float(its.zero)


def _looked_up(values: np.ndarray, codes: Array) -> Array:
    """The value of each code, on the codes' device."""
    table = from_numpy(values, codes.device)
    return picked(table, astype(codes, INT64))


# what the tests compare with


def dequantized(params: Quantized, k: int, codes: np.ndarray, scales: np.ndarray, *minors: np.ndarray) -> np.ndarray:
    """The weights, float32 (k, n): what docs/quantization.md says a code stands for, rounded once."""
    its, group = params.its, max(1, params.group)
    if its.steps == 2:
        codes = np.stack([codes & 15, codes >> 4], axis=2).reshape(codes.shape[0], k, PANEL)
    with np.errstate(all="ignore"):
        each = 2 if its.minors == "minima" else 1
        wide = exponent_values()[scales] if its.scales == "uint8" else scales.astype(np.float32)
        small = minors[0].astype(np.float32) if minors else np.full(wide.shape, its.zero, np.float32)
        if its.super:
            panels, supers, _ = wide.shape
            over = wide.reshape(panels, supers // each, 1, each, PANEL)
            wide = (small.reshape(panels, supers // each, -1, each, PANEL) * over).reshape(small.shape)
            small = wide[:, 1::2] if each == 2 else np.full(wide.shape, its.zero, np.float32)
            wide = wide[:, ::each]
        scale, shift = (np.repeat(x, group, axis=1)[:, :k] for x in (wide, small))
        if its.float is not None:
            weights = code_values(its.codes)[codes] * scale
        elif its.minors == "minima":
            weights = fma32(codes.astype(np.float32), scale, -shift)
        else:
            weights = (codes.astype(np.float32) - shift) * scale
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
    if lost := _lost(params):
        own = own + lost * np.abs(x.astype(np.float64)).sum(axis=1, keepdims=True)
    return _narrowed(np.asarray(exact, np.float64), own, as_dtype(params.output))


def _lost(params: Quantized) -> float:
    """How far a weight that underflows may be from what "fast" computes with, whose scale multiplies sums: half the
    smallest number, and less than that of what sums round off. Of small floats with a scale in float32 alone: the other
    products that underflow are exact."""
    its = params.its
    underflows = its.float is not None and its.scales == "float32"
    return bounds.smallest(FLOAT32) if underflows and config.numerics == "fast" else 0.0


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
        flops=lambda inputs, outputs, params: 2 * inputs[0].size * outputs[0][0][1],
    )
)


def _answer(params: Quantized, outputs: tuple[Output], x: np.ndarray, *weights: np.ndarray) -> list[np.ndarray]:
    return [_canonical(params, x, *weights)]


def _analysed(
    analysis: Analysis, params: Quantized, outputs: tuple[Output], x: Bounded, *weights: Bounded
) -> Sequence[Bounded]:
    """As a product of x, widened, with weights in float32."""
    w = dequantized(params, x.value.shape[1], *(its.value for its in weights))
    product = registry.primitive("matmul").analysed
    assert callable(product)
    (shape, dtype) = outputs[0]
    wide = analysis.cast("float32", x)
    (made,) = product(analysis, Product(), ((shape, FLOAT32),), wide, Bounded(w, np.full(w.shape, _lost(params))))
    return [analysis.cast(dtype.name, made)]


def _vjp(params: Quantized, cotangents: Cotangents, results: Sequence[Array], operands: Sequence[Array]) -> Cotangents:
    """Of x alone: g times the weights, transposed. Weights are constants."""
    (g,), (x, *weights) = cotangents, operands
    assert g is not None
    made = matmul(astype(g, FLOAT32, copy=False), in_float(params, x.shape[1], *weights))
    return [astype(made, x.dtype, copy=False), *(None for _ in weights)]


registry.register_primitive(Primitive("quantized_matmul", _answer, _analysed, _vjp))

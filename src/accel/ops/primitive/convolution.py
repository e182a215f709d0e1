"""Convolutions: sums of products over windows of up to three spatial axes, of which `accel.nn` makes those that models
have. One primitive, ``convolution``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import dispatch, interop, registry
from ...array import Array
from ...config import config
from ...dtypes import FLOAT32, FLOAT64, DType, as_dtype
from ...errors import DtypeError, ShapeError
from ...graph.bounded import Bounded, bounded
from ...ieee import fma32, fma64
from ...layout import Layout, Shape
from ...numerics import KC
from .. import bounds
from ..derivative import Cotangents
from ..parameters import Convolution
from ..spec import Inferred, OpSpec, Output, Primitive
from .reduce import sum

if TYPE_CHECKING:
    from ...graph.bound import Analysis


def _infer(inputs: tuple[Layout, ...], params: Convolution) -> Inferred:
    x, weight, *bias = inputs
    if any(its.dtype not in (FLOAT32, FLOAT64) or its.dtype is not x.dtype for its in inputs):
        raise DtypeError(f"convolution: takes float32 or float64, got {', '.join(str(its.dtype) for its in inputs)}")
    rank = len(params.stride)
    fits = x.ndim == weight.ndim == rank + 3 and 1 <= rank <= 3
    if fits:
        batch, groups, channels, lengths = _lengths(x.shape, params)
        fits = weight.shape[0] == groups and weight.shape[2] == channels and all(lengths) and all(weight.shape[3:])
    if not fits or any(b.shape != weight.shape[:2] for b in bias):
        raise ShapeError(f"convolution: operands do not fit: {[its.shape for its in inputs]}")
    places = params.places(lengths, weight.shape[3:])
    if min(places) < 1:
        raise ShapeError(f"convolution: a kernel of {weight.shape[3:]} on padded lengths from {lengths}")
    if params.last:
        return Inferred((((batch, *places, *weight.shape[:2]), x.dtype),), params)
    return Inferred((((batch, *weight.shape[:2], *places), x.dtype),), params)


def _lengths(shape: Shape, params: Convolution) -> tuple[int, int, int, Shape]:
    """Batch, groups, channels and the spatial lengths."""
    batch, *rest = shape
    if params.last:
        return batch, rest[-2], rest[-1], tuple(rest[:-2])
    return batch, rest[0], rest[1], tuple(rest[2:])


def convolution(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Sequence[int] = (1,),
    low: Sequence[int] = (0,),
    high: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,),
    spread: Sequence[int] = (1,),
    last: bool = False,
) -> Any:
    """Sums of products over windows: see `Convolution`."""
    given = {"x": x, "weight": weight} if bias is None else {"x": x, "weight": weight, "bias": bias}
    arrays, restore = interop.adopt("convolution", **given)
    params = Convolution(tuple(stride), tuple(low), tuple(high), tuple(dilation), tuple(spread), last)
    return restore(dispatch.call(CONVOLUTION, arrays, params))


# what the tests compare with


def _params(keywords: dict[str, Any]) -> Convolution:
    filled = {"stride": (1,), "low": (0,), "high": (0,), "dilation": (1,), "spread": (1,), "last": False} | keywords
    return Convolution(**{k: v if k == "last" else tuple(v) for k, v in filled.items()})


def _windows(x: np.ndarray, kernel: Shape, params: Convolution) -> Iterator[tuple[Shape, np.ndarray, np.ndarray]]:
    """For each kernel position, row-major: the position; what of x (batch, groups, channels, *lengths) each place
    meets; and whether that is there."""
    lengths = x.shape[3:]
    places = params.places(lengths, kernel)
    for position in product(*map(range, kernel)):
        met, there = x, np.ones((), bool)
        for axis, k in enumerate(position):
            at = np.arange(places[axis]) * params.stride[axis] + k * params.dilation[axis] - params.low[axis]
            inside = (at >= 0) & (at % params.spread[axis] == 0) & (at // params.spread[axis] < lengths[axis])
            met = met.take(np.where(inside, at // params.spread[axis], 0), axis=3 + axis)
            there = there[..., None] & inside
        yield position, met, there


def _first(x: np.ndarray, params: Convolution) -> np.ndarray:
    return np.moveaxis(x, (-2, -1), (1, 2)) if params.last else x


def _back(x: np.ndarray, params: Convolution) -> np.ndarray:
    return np.moveaxis(x, (1, 2), (-2, -1)) if params.last else x


def _column(bias: np.ndarray, rank: int) -> np.ndarray:
    """(groups, outputs) beside (batch, groups, outputs, *places)."""
    return bias[(..., *(None,) * rank)]


def convolve(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None,
    params: Convolution,
    kc: int = KC,
    skipped: bool = True,
) -> np.ndarray:
    """The canonical answer. skipped=False multiplies by 0 what is not there, which no backend may do."""
    x = _first(x, params)
    fma = fma64 if x.dtype == np.float64 else fma32
    rank, channels = len(params.stride), x.shape[2]
    places = params.places(x.shape[3:], weight.shape[3:])
    shape = (x.shape[0], *weight.shape[:2], *places)
    total, chunk, k = np.zeros(shape, x.dtype), np.zeros(shape, x.dtype), 0
    with np.errstate(all="ignore"):
        for position, met, there in _windows(x, weight.shape[3:], params):
            factors = weight[(..., *position)]
            for c in range(channels):
                left = np.broadcast_to(_column(factors[:, :, c], rank), shape)
                right = np.broadcast_to(np.where(there, met[:, :, c], 0)[:, :, None].astype(x.dtype), shape)
                added = fma(left, right, chunk)
                chunk = np.where(there, added, chunk) if skipped else added
                k += 1
                if k % kc == 0:
                    total, chunk = total + chunk, np.zeros(shape, x.dtype)
        total = total + chunk
        if bias is not None:
            total = total + _column(bias, rank)
    return _back(total, params)


def canonical_convolution(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None, **keywords: Any) -> Any:
    variant = {name: keywords.pop(name) for name in ("kc", "skipped") if name in keywords}
    return convolve(x, weight, bias, _params(keywords), **variant)


def summed(x: np.ndarray, weight: np.ndarray, params: Convolution) -> np.ndarray:
    """The sums of products in the operands' dtype, in any order."""
    places = params.places(x.shape[3:], weight.shape[3:])
    total = np.zeros((x.shape[0], *weight.shape[:2], *places), x.dtype)
    with np.errstate(all="ignore"):
        for position, met, there in _windows(x, weight.shape[3:], params):
            added = np.einsum("ngc...,goc->ngo...", met, weight[(..., *position)])
            total += np.where(there, added, 0)
    return total


def exact_convolution(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None, **keywords: Any) -> np.ndarray:
    """In float64, or extended precision for float64."""
    params, wide = _params(keywords), np.longdouble if x.dtype == np.float64 else np.float64
    with np.errstate(all="ignore"):
        result = summed(_first(x, params).astype(wide), weight.astype(wide), params)
        if bias is not None:
            result = result + _column(bias.astype(wide), len(params.stride))
    return _back(result, params)


def _bound(reference: np.ndarray, *operands: Any, **keywords: Any) -> Any:
    from ...graph.interpret import bound

    return bound(convolution, reference, *operands, **keywords)


def _samples(dtype: DType) -> Any:
    from ...testing import convolution_family

    return convolution_family.windows(dtype)


def flops(inputs: tuple[Layout, ...], outputs: Any, params: Any) -> int:
    return 2 * prod(outputs[0][0]) * prod(inputs[1].shape[2:])


CONVOLUTION = registry.register(
    OpSpec(
        name="convolution",
        primitive="convolution",
        summary="Sums of products over windows of spatial axes",
        function=convolution,
        infer=_infer,
        arguments=("x", "weight", "bias"),
        canonical=canonical_convolution,
        reference=exact_convolution,
        bound=_bound,
        bits=bounds.unless_fast,
        samples=_samples,
        dtypes=(FLOAT32, FLOAT64),
        namespace="internal",
        flops=flops,
    )
)


def _answer(
    params: Convolution, outputs: tuple[Output], x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None
) -> list[np.ndarray]:
    return [convolve(x, weight, bias, params)]


def _analysed(
    analysis: Analysis, params: Convolution, outputs: tuple[Output], x: Bounded, weight: Bounded, *bias: Bounded
) -> Sequence[Bounded]:
    dtype = as_dtype(x.value.dtype)
    x = x.seen(lambda v: _first(v, params))
    k, u = prod(weight.value.shape[2:]), bounds.unit_roundoff(dtype)
    with np.errstate(all="ignore"):
        left, right = np.abs(x.wide()), np.abs(weight.wide())
        error = summed(left, weight.error, params) + summed(x.error, right + weight.error, params)
        magnitude = summed(left, right, params)
        growth = bounds.gamma(bounds.dot_depth(k), u)
        if config.numerics == "fast" and dtype is FLOAT32:
            growth += 2 * bounds.TF32_ROUNDOFF
        own = growth * magnitude + k * bounds.smallest(dtype)
        if bounds.integral(x.value, weight.value):
            own = np.where(magnitude < 1 / u, 0.0, own)
        value = _first(convolve(_back(x.value, params), weight.value, None, params), params)
        exact = not (x.error.any() or weight.error.any())
        fits = summed(_numbers(left), _numbers(right), params) < bounds.largest(dtype) / 2
        special = fits & exact & ~np.isfinite(magnitude)  # of infinite or NaN operands
        fits &= np.isfinite(magnitude)
        made = bounded(value, np.where(fits, error + own, np.where(special, 0.0, np.inf)))
    if bias:
        column = bias[0].seen(lambda v: np.broadcast_to(_column(v, len(params.stride)), value.shape))
        made = analysis.step("add", dtype.name, made, column)
    return [made.seen(lambda v: _back(v, params))]


def _numbers(x: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(x), x, 0)


def _vjp(
    params: Convolution, cotangents: Cotangents, results: Sequence[Array], operands: Sequence[Array]
) -> Cotangents:
    """Of x: the cotangent, spread by the stride, with the kernel reversed. Of the weight: x with the cotangent as the
    kernel, batch and channels exchanged. Of the bias: the cotangent's sum."""
    (g,), (x, weight, *bias) = cotangents, operands
    assert g is not None
    rank = len(params.stride)
    spatial = tuple(range(3, 3 + rank))
    kernel = weight.shape[3:]
    turned = weight[(..., *(slice(None, None, -1),) * rank)].permute((0, 2, 1, *spatial))
    low = tuple(d * (k - 1) - p for d, k, p in zip(params.dilation, kernel, params.low, strict=True))
    x, g = _channels_first(x, params), _channels_first(g, params)
    lengths, places = x.shape[3:], g.shape[3:]
    whole = Convolution(params.spread, low, (0,) * rank, params.dilation, params.stride)
    found = [convolution(g, turned, None, *_reaching(whole, places, kernel, lengths))]
    whole = Convolution(params.dilation, params.low, (0,) * rank, params.stride, params.spread)
    moved = x.permute((2, 1, 0, *spatial)), g.permute((1, 2, 0, *spatial))
    made = convolution(*moved, None, *_reaching(whole, lengths, places, kernel))
    if params.last:
        found[0] = found[0].permute((0, *spatial, 1, 2))
    found.append(made.permute((1, 2, 0, *spatial)))
    if bias:
        found.append(sum(g, axis=(0, *spatial)))
    return found


def _channels_first(x: Array, params: Convolution) -> Array:
    rank = len(params.stride)
    return x.permute((0, rank + 1, rank + 2, *range(1, rank + 1))) if params.last else x


def _reaching(params: Convolution, lengths: Shape, kernel: Shape, places: Shape) -> tuple[Shape, ...]:
    """Stride, paddings, dilation and spread with as much padding behind as gives so many places."""
    high = tuple(
        (o - 1) * s + (k - 1) * d - (n - 1) * e - low
        for o, s, k, d, n, e, low in zip(
            places, params.stride, kernel, params.dilation, lengths, params.spread, params.low, strict=True
        )
    )
    return params.stride, params.low, high, params.dilation, params.spread


registry.register_primitive(Primitive("convolution", _answer, _analysed, _vjp))

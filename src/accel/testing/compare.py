"""One example of one op on one device: run it, and hold the result against the canonical answer, the exact one and its
bound."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..array import Array
from ..backends.base import Device, HostBuffer
from ..config import config
from ..conversion import from_numpy, to_numpy
from ..dtypes import as_dtype
from ..layout import span
from ..ops.spec import OpSpec


class Disagreement(AssertionError):
    """A result that differs from what the op's spec promises."""


def place(x: np.ndarray, device: Device) -> Array:
    """A NumPy array on a device in the same memory layout: its whole span is copied and viewed with its strides."""
    itemsize = x.dtype.itemsize
    strides = tuple(s // itemsize for s in x.strides)
    low, high = span(x.shape, strides)
    if high == low:
        return from_numpy(np.empty(x.shape, x.dtype), device, copy=True)
    first = np.ndarray((high - low,), x.dtype, _memory(x, low, high))
    flat = from_numpy(np.array(first), device, copy=True)
    return flat.view(x.shape, strides, -low)


def _memory(x: np.ndarray, low: int, high: int) -> Any:
    """The bytes that a strided array spans, as a buffer."""

    start = x.__array_interface__["data"][0] + low * x.dtype.itemsize
    return np.asarray(HostBuffer(start, (high - low) * x.dtype.itemsize, x, readonly=True))


def differing(got: np.ndarray, want: np.ndarray) -> np.ndarray:
    """Where two arrays of one dtype differ in bits; every NaN equals every NaN, -0 differs from +0."""
    bits = np.dtype(f"u{got.dtype.itemsize}")
    same = np.ascontiguousarray(got).view(bits) == np.ascontiguousarray(want).view(bits)
    if as_dtype(got.dtype).kind == "f":
        same |= np.isnan(got) & np.isnan(want)
    return ~same.reshape(got.shape)


def check(spec: OpSpec, device: Device, operands: tuple[Any, ...], keywords: dict[str, Any]) -> float:
    """Runs one example. Returns the largest |error| / bound met (0 where the answer is exact); raises Disagreement."""
    arrays = [place(x, device) if isinstance(x, np.ndarray) else x for x in operands]
    result = spec.function(*arrays, **keywords)
    got = to_numpy(result)
    for i, (array, x) in enumerate(zip(arrays, operands, strict=True)):
        if isinstance(x, np.ndarray) and differing(np.asarray(to_numpy(array)), x).any():
            raise Disagreement(f"operand {i} was changed by the call")
    want = np.asarray(spec.canonical(*operands, **keywords))
    if result.device is not device:
        raise Disagreement(f"the result is on {result.device}, the operands are on {device}")
    if (got.shape, got.dtype) != (want.shape, want.dtype):
        raise Disagreement(f"got {got.dtype}{got.shape}, expected {want.dtype}{want.shape}")
    dtype = next(as_dtype(x.dtype) for x in reversed(operands) if isinstance(x, np.ndarray))
    if spec.bits(dtype, config.numerics) != "bound":
        _same_bits(got, want)
    return _within_bound(spec, got, operands, keywords)


def _same_bits(got: np.ndarray, want: np.ndarray) -> None:
    where = differing(got, want)
    if where.any():
        at = tuple(int(i[0]) for i in np.nonzero(where)) if where.ndim else ()
        raise Disagreement(
            f"{int(where.sum())} of {where.size} elements differ in bits, first at {at}: "
            f"got {got[at]!r}, canonical {want[at]!r}"
        )


def _within_bound(spec: OpSpec, got: np.ndarray, operands: tuple[Any, ...], keywords: dict[str, Any]) -> float:
    exact = np.asarray(spec.reference(*operands, **keywords))
    if as_dtype(got.dtype).kind != "f":
        return 0.0
    with np.errstate(all="ignore"):
        bound = np.asarray(spec.bound(exact, *operands, **keywords), np.float64)
        error = np.abs(got.astype(exact.dtype) - exact).astype(np.float64)
        judged = np.isfinite(np.asarray(exact, np.float64)) & np.isfinite(bound)
        wrong = judged & ~(error <= bound)
        if wrong.any():
            at = tuple(int(i[0]) for i in np.nonzero(wrong)) if wrong.ndim else ()
            raise Disagreement(
                f"error {error[at]} at {at} exceeds the bound {bound[at]}: got {got[at]!r}, exact {exact[at]!r}"
            )
        ratio = np.where(judged & (bound > 0), error / bound, 0)
    return float(ratio.max(initial=0.0))

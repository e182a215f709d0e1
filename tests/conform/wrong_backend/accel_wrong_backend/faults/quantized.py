"""Products with quantised weights: rule 3, of weights that are rounded once, and the layout of codes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from accel.backends.base import Call
from accel.dtypes import as_dtype
from accel.numerics import KC
from accel.ops import canonical
from accel.ops.parameters import Quantized
from accel.ops.primitive.quantized_matmul import dequantized
from accel.ops.weight_formats import PANEL

from .fault import Run, fault

BOTH = "quantized_matmul float32, quantized_matmul bfloat16"

Weights = Callable[..., np.ndarray]


def _of(weights: Weights, **changes: Any) -> Run:
    """The canonical product, with a change, of weights that are made so."""

    def run(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
        x, *packed = inputs
        if x.size == 0 or out.size == 0:
            right()
            return
        with np.errstate(all="ignore"):
            made = weights(call.params, x.shape[1], *packed)
            total = canonical.accumulate(x.astype(np.float32), made, **changes)
            out[...] = canonical.narrow(total, as_dtype(out.dtype))

    return run


def _swapped(params: Quantized, k: int, codes: np.ndarray, *over: np.ndarray) -> np.ndarray:
    """The high half of a byte is the even step's."""
    turned = codes >> 4 | codes << 4 if params.its.steps == 2 else codes
    return dequantized(params, k, turned, *over)


def _apart(params: Quantized, k: int, codes: np.ndarray, scales: np.ndarray, *over: np.ndarray) -> np.ndarray:
    """Code and zero are scaled each on its own."""
    if params.its.minors != "zeros":
        return dequantized(params, k, codes, scales, *over)
    (zeros,) = over
    nothing = np.zeros_like(zeros)
    low = dequantized(params, k, codes, scales, nothing)
    high = np.moveaxis(np.repeat(zeros * scales, params.group, axis=1), 1, 0).reshape(k, -1)[:, : params.n]
    return low - high


def _beside(params: Quantized, k: int, codes: np.ndarray, *over: np.ndarray) -> np.ndarray:
    """The scales and zeros of the group before."""
    return dequantized(params, k, codes, *(np.roll(each, 1, axis=1) for each in over))


def _scaled_last(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
    """Sums of a group are scaled, rather than weights."""
    x, codes, scales, *over = inputs
    params, k = call.params, x.shape[1]
    if x.size == 0 or out.size == 0 or params.its.minors != "zeros":
        right()
        return
    with np.errstate(all="ignore"):
        whole = dequantized(params, k, codes, np.ones_like(scales), *over)
        total = np.zeros(out.shape, np.float32)
        for i, first in enumerate(range(0, k, params.group)):
            steps = slice(first, first + params.group)
            scale = scales[:, i].reshape(-1)[: params.n]
            total += canonical.accumulate(x[:, steps].astype(np.float32), whole[steps]) * scale
        out[...] = canonical.narrow(total, as_dtype(out.dtype))


def _whole_panels(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
    """The columns of a panel that is not full are left as they were."""
    first = out.shape[1] // PANEL * PANEL
    before = np.array(out[:, first:])
    right()
    out[:, first:] = before


FAULTS = {
    "quantized-chunk-512": fault("chunks of KC steps", BOTH, _of(dequantized, kc=2 * KC)),
    "quantized-unfused": fault("products are fused", BOTH, _of(dequantized, fused=False)),
    "quantized-scaled-last": fault("the weight is rounded, not the group's sum", BOTH, _scaled_last),
    "quantized-apart": fault("a weight is rounded once", "quantized_matmul float32", _of(_apart)),
    "quantized-swapped": fault("the low half is the even step's", "quantized_matmul float32", _of(_swapped)),
    "quantized-group-before": fault("each group has its own scale", "quantized_matmul float16", _of(_beside)),
    "quantized-whole-panels": fault("every column is written", "quantized_matmul float32", _whole_panels),
}

"""Rule 3: the order of k, chunks, fma, widening, bias and activation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from accel.backends.base import Call
from accel.dtypes import BFLOAT16, TABLE, as_dtype
from accel.numerics import KC
from accel.ops import canonical
from accel.scalar.evaluate import evaluate

from .fault import Run, fault, spoil, where

FLOATS = "matmul float32, linear float32"
BOTH = "matmul float32, matmul float64"

Multiply = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _product(multiply: Multiply) -> Run:
    """Products of floats by another algorithm, from operands in the accumulator's dtype; then the epilogue."""

    def run(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
        a, b, *extras = inputs
        if as_dtype(a.dtype).kind != "f" or a.size == 0 or b.size == 0 or out.size > 1 << 16:
            right()
            return
        wide = TABLE[as_dtype(a.dtype).accumulator].numpy
        with np.errstate(all="ignore"):
            accumulator = multiply(a.astype(wide), b.astype(wide))
            epilogue = call.params.epilogue
            out[...] = accumulator if epilogue is None else evaluate(epilogue, accumulator, *extras)

    return run


def _variant(**changes: Any) -> Run:
    return _product(lambda a, b: canonical.accumulate(a, b, **changes))


def _chunks(a: np.ndarray, b: np.ndarray) -> list[np.ndarray]:
    return [canonical.accumulate(a[..., i : i + KC], b[..., i : i + KC, :]) for i in range(0, a.shape[-1], KC)]


def _in_pairs(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    parts = _chunks(a, b)
    while len(parts) > 1:
        parts = [sum(parts[i + 1 : i + 2], parts[i]) for i in range(0, len(parts), 2)]
    return parts[0]


def _last_first(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    first, *rest = reversed(_chunks(a, b))
    return sum(rest, first)


def _split(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Two runs of chunks, shared out, then joined."""
    parts = _chunks(a, b)
    half = (len(parts) + 1) // 2
    left = sum(parts[1:half], parts[0])
    return left if half == len(parts) else left + sum(parts[half + 1 :], parts[half])


def _cut(x: np.ndarray) -> np.ndarray:
    """float32 as TF32 has it."""
    return (x.view(np.uint32) & np.uint32(0xFFFFE000)).view(np.float32) if x.dtype == np.float32 else x


def _shifted(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Descending k."""
    return canonical.accumulate(a[..., ::-1], b[..., ::-1, :])


def _rounding_each(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Partial sums of bfloat16."""
    total = np.zeros((*a.shape[:-1], b.shape[-1]), BFLOAT16.numpy)
    for i in range(a.shape[-1]):
        total = (total.astype(a.dtype) + a[..., :, i, None] * b[..., i, None, :]).astype(BFLOAT16.numpy)
    return total.astype(a.dtype)


def _from_bias(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
    """The accumulator begins with the bias, where a bias is all that the epilogue adds."""
    a, b, *extras = inputs
    epilogue = call.params.epilogue
    if epilogue is None or len(extras) != 1 or len(epilogue.steps) != 1 or a.dtype != np.float32 or a.size == 0:
        right()
        return
    k = a.shape[-1]
    ones, bias = np.ones((*a.shape[:-1], 1), a.dtype), extras[0]
    if k > KC or bias.ndim != 2 or bias.strides[0] or bias.size == 0:
        right()
        return
    out[...] = canonical.accumulate(np.concatenate([ones, a], -1), np.concatenate([bias[:1], b], -2), kc=KC + 1)


def _rounded_before_bias(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
    """16-bit floats: the product is rounded, and then what the epilogue makes of it."""
    a, b, *extras = inputs
    epilogue = call.params.epilogue
    if epilogue is None or a.itemsize != 2 or as_dtype(a.dtype).kind != "f" or a.size == 0 or out.size == 0:
        right()
        return
    accumulator = canonical.matmul(np.array(a), np.array(b)).astype(a.dtype).astype(np.float32)
    out[...] = evaluate(epilogue, accumulator, *extras)


def _saturating(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
    a, b, *_ = inputs
    if out.dtype.kind not in "iu" or call.params.epilogue is not None or a.dtype.itemsize > 2 or out.size > 1 << 16:
        right()
        return
    info = np.iinfo(out.dtype)
    out[...] = np.clip(a.astype(np.int64) @ b.astype(np.int64), info.min, info.max).astype(out.dtype)


def _no_tail(tile: int) -> Run:
    """The rows of an incomplete tile are left as they were."""

    def run(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
        rows = out.shape[-2] // tile * tile
        kept = np.array(out[..., rows:, :])
        right()
        out[..., rows:, :] = kept

    return run


def _grid(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
    """No more than 65535 tiles of 16 rows."""
    kept = np.array(out[..., 65535 * 16 :, :])
    right()
    out[..., 65535 * 16 :, :] = kept


def _zero_is_lost(call: Call, out: np.ndarray) -> None:
    out[out == 0] = -0.0


def _reproducible(call: Call) -> bool:
    return call.settings.numerics == "reproducible"


FAULTS = {
    "chunk-512": fault("chunks of 512", BOTH, _variant(kc=2 * KC)),
    "chunk-128": fault("chunks of 128", "linear float32", _variant(kc=KC // 2)),
    "chunk-none": fault("one chunk, however long", "matmul float32", _variant(kc=1 << 40)),
    "chunk-257": fault("a chunk begins one late", "matmul float32", _variant(kc=KC + 1)),
    "unfused": fault("each product is rounded", "linear float32", _variant(fused=False)),
    "numpy-product": fault("NumPy's own order", "matmul float32", _product(np.matmul)),
    "chunks-in-pairs": fault("chunk results are added in pairs", "matmul float32", _product(_in_pairs)),
    "chunks-last-first": fault("chunk results are added in descending order", "matmul float32", _product(_last_first)),
    "split-k": fault("two shares of chunks are added", "matmul float32", _product(_split)),
    "k-descending": fault("k descends", "matmul float32", _product(_shifted)),
    "float64-inside": fault(
        "float32 accumulates in float64",
        FLOATS,
        _product(lambda a, b: (a.astype(np.float64) @ b.astype(np.float64)).astype(a.dtype)),
    ),
    "tf32": fault(
        "operands read as TF32", "linear float32", _product(lambda a, b: canonical.accumulate(_cut(a), _cut(b)))
    ),
    "chunk-512-of-one-row": fault(
        "batch invariance: another order of a single row",
        FLOATS,
        where(lambda call: call.outputs[0].shape[-2] == 1, _variant(kc=2 * KC)),
    ),
    "chunk-512-of-one-column": fault(
        "batch invariance: another order of a single column",
        FLOATS,
        where(lambda call: call.outputs[0].shape[-1] == 1, _variant(kc=2 * KC)),
    ),
    "chunk-512-of-many-rows": fault(
        "batch invariance: another order from 65 rows on",
        FLOATS,
        where(lambda call: call.outputs[0].shape[-2] > 64, _variant(kc=2 * KC)),
    ),
    "chunk-512-of-batches": fault(
        "batch invariance: another order with batch axes",
        "matmul float32",
        where(lambda call: call.outputs[0].ndim > 2, _variant(kc=2 * KC)),
    ),
    "halves-chunk-512": fault(
        "reproducible: 16-bit products have the canonical order",
        "matmul bfloat16, linear float16",
        where(_reproducible, _variant(kc=2 * KC)),
    ),
    "halves-in-halves": fault("16-bit products accumulate in float32", "matmul bfloat16", _product(_rounding_each)),
    "halves-rounded-twice": fault(
        "reproducible: one rounding, after the epilogue", "linear float16", _rounded_before_bias
    ),
    "from-bias": fault("the accumulator begins with +0", "linear float32", _from_bias),
    "product-saturates": fault("integer products wrap", "matmul int8, matmul uint16", _saturating),
    "product-without-tail": fault("every row is written", "matmul float32, matmul int32, linear float16", _no_tail(16)),
    "product-of-a-grid": fault("more rows of tiles than 16 bits count", "matmul float32, matmul int8", _grid),
    "product-minus-zero": fault("the accumulator begins with +0", "linear float32", spoil(_zero_is_lost)),
}

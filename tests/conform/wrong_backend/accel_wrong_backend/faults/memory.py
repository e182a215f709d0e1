"""The backend's contract: layouts, what is read, what is written, and when."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from accel.backends.base import Call
from accel.scalar.evaluate import evaluate

from .fault import fault, next_up

OPS = "add float32, copy float64, astype int16, equal float32, exp float16"


def at_bytes(x: np.ndarray, offset: int, shape: tuple[int, ...], strides: tuple[int, ...] | None = None) -> np.ndarray:
    """Memory at so many bytes from an array's first element."""
    address = x.__array_interface__["data"][0] + offset
    block = (ctypes.c_char * x.itemsize).from_address(address)
    return np.lib.stride_tricks.as_strided(np.frombuffer(block, x.dtype), shape, strides, writeable=True)


def _with_operands(seen: Callable[[np.ndarray], np.ndarray]) -> Callable[..., None]:
    """Pointwise work on operands that are read in another way."""

    def run(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
        if call.op != "pointwise" or out.size > 1 << 17:
            right()
            return
        out[...] = evaluate(call.params, *(np.broadcast_to(seen(x), out.shape) for x in inputs))

    return run


def _aligned(x: np.ndarray) -> np.ndarray:
    """From the aligned address before."""
    if x.ndim == 0 or x.strides[-1] != x.itemsize:
        return x
    return at_bytes(x, -(x.__array_interface__["data"][0] % 16), x.shape, x.strides)


def _row_major(x: np.ndarray) -> np.ndarray:
    """As if there were no strides: only for memory that spans so much."""
    dense = all(s > 0 for s in x.strides) and x.size == 1 + sum(
        (n - 1) * s // x.itemsize for n, s in zip(x.shape, x.strides, strict=True)
    )
    return at_bytes(x, 0, x.shape, np.empty(x.shape, x.dtype).strides) if dense else x


def _not_reversed(x: np.ndarray) -> np.ndarray:
    low = sum(min(0, (n - 1) * s) for n, s in zip(x.shape, x.strides, strict=True))
    return at_bytes(x, low, x.shape, tuple(map(abs, x.strides))) if low and x.size else x


def _not_stretched(x: np.ndarray) -> np.ndarray:
    """A stretched last axis is walked: only within memory that is the operand's, or its guard."""
    if x.ndim == 0 or x.strides[-1] or not 1 < x.shape[-1] * x.itemsize <= 64:
        return x
    return at_bytes(x, 0, x.shape, (*x.strides[:-1], x.itemsize))


def _kept(part: Callable[[np.ndarray], Any]) -> Callable[..., None]:
    """A part of the result stays as it was."""

    def run(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
        where = part(out)
        before = np.array(out[where])
        right()
        out[where] = before

    return run


def _writes_operand(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
    right()
    for x in inputs:
        if x.size:
            x[(-1,) * x.ndim] = 1 if x.flat[-1] == 0 else 0


def _writes_beside(offset: Callable[[np.ndarray], int]) -> Callable[..., None]:
    def run(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
        right()
        for x in inputs:
            if x.flags.c_contiguous and x.size > 1:
                at_bytes(x, offset(x), (1,))[...] = 0

    return run


_count = itertools.count(1)


def _now_and_then(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
    """A race: one call of eleven has a wrong bit."""
    right()
    if out.size and next(_count) % 11 == 0:
        next_up(out, (0,) * out.ndim)


FAULTS = {
    "assumes-alignment": fault(
        "storage invariance: any address", "add float32, negative float64, add int16", _with_operands(_aligned)
    ),
    "assumes-row-major": fault(
        "storage invariance: permuted axes",
        "add float32, equal int8, where float32, copy float64",
        _with_operands(_row_major),
    ),
    "assumes-ascending": fault("storage invariance: negative strides", OPS, _with_operands(_not_reversed)),
    "assumes-no-zero-stride": fault("storage invariance: stretched axes", OPS, _with_operands(_not_stretched)),
    "last-not-written": fault(
        "every element of a result is written",
        OPS + ", sum float32, matmul int8, softmax float32",
        _kept(lambda out: (-1,) * out.ndim),
    ),
    "nothing-written": fault(
        "every element of a result is written", OPS + ", all bool, isnan float32", _kept(lambda out: ...)
    ),
    "writes-operand": fault(
        "operands are only read", OPS + ", sum float32, matmul float32, softmax float32", _writes_operand
    ),
    "writes-behind-operand": fault(
        "nothing beside an operand is written",
        "add float32, sum int8, matmul float32",
        _writes_beside(lambda x: x.nbytes),
    ),
    "writes-before-operand": fault(
        "nothing beside an operand is written", "add float32, max float64", _writes_beside(lambda x: -x.itemsize)
    ),
    "now-and-then": fault("the same call gives the same bits", OPS + ", sum float32, matmul float32", _now_and_then),
}

"""Rule 1 and casts: contraction, flushing, rounding, library functions, integers; and sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np

from accel.backends.base import Call
from accel.dtypes import BFLOAT16, FLOAT16, TABLE, as_dtype
from accel.ieee import fma32, fma64
from accel.scalar.evaluate import evaluate

from .fault import Run, fault, next_up, spoil, where


def _functions(call: Call) -> tuple[str, ...]:
    return tuple(step.function for step in call.params.steps if step.function != "cast")


def _instead(name: str, compute: Callable[..., np.ndarray]) -> Run:
    """One function by other means, in the dtype that it is computed in."""

    def run(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
        if _functions(call) != (name,):
            right()
            return
        dtype = next(TABLE[step.dtype].numpy for step in call.params.steps if step.function == name)
        with np.errstate(all="ignore"):
            out[...] = compute(*(x.astype(dtype) for x in inputs))

    return run


def _contracted(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
    """A product and the sum that it is a term of are one fma."""
    if len(inputs) == 1 and _functions(call) == ("multiply", "add"):
        (x,) = inputs
        wide = np.float64 if out.dtype == np.float64 else np.float32
        x = x.astype(wide)
        out[...] = (fma64 if wide is np.float64 else fma32)(x, x, x)
    elif len(inputs) == 4 and _functions(call) == ("multiply", "multiply", "subtract"):
        a, b, c, d = (x.astype(np.float64 if out.dtype == np.float64 else np.float32) for x in inputs)
        out[...] = (fma64 if a.dtype == np.float64 else fma32)(a, b, -(c * d))
    else:
        right()


def _flush(x: np.ndarray) -> np.ndarray:
    dtype = as_dtype(x.dtype)
    if dtype.kind != "f":
        return x
    small = np.abs(x.astype(np.float64)) < float(ml_dtypes.finfo(x.dtype).smallest_normal)
    return np.where(small, np.copysign(np.zeros((), x.dtype), x), x)


def _flushed_result(call: Call, out: np.ndarray) -> None:
    out[...] = _flush(out)


def _flushed_operands(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
    out[...] = evaluate(call.params, *(np.broadcast_to(_flush(x), out.shape) for x in inputs))


def _toward_zero(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
    """bfloat16 results lose their low bits."""
    right()
    if out.dtype == BFLOAT16.numpy and _functions(call) in (("add",), ("multiply",)):
        with np.errstate(all="ignore"):
            wide = getattr(np, _functions(call)[0])(*(x.astype(np.float32) for x in inputs))
        cut = (np.ascontiguousarray(wide).view(np.uint32) >> 16).astype(np.uint16).view(BFLOAT16.numpy)
        out[...] = np.where(np.isnan(wide), out, cut.reshape(wide.shape))


def _cast(source: str, target: str, convert: Callable[[np.ndarray], np.ndarray]) -> Run:
    def run(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
        if (call.params.inputs, call.params.output) != ((source,), target) or _functions(call):
            right()
            return
        with np.errstate(all="ignore"):
            out[...] = convert(inputs[0])

    return run


def _saturated(x: np.ndarray, target: str, nan: int = 0) -> np.ndarray:
    info = np.iinfo(target)
    return np.clip(np.nan_to_num(np.rint(x.astype(np.float64)), nan=nan), info.min, info.max).astype(target)


def _truncated(x: np.ndarray) -> np.ndarray:
    """float32 to int8 by way of int64, whose low bits are kept."""
    wide = np.trunc(np.nan_to_num(x.astype(np.float64), nan=0, posinf=0, neginf=0))
    return np.where(np.abs(wide) < 2.0**62, wide, 0).astype(np.int64).astype(np.int8)


def _nan_is_least(x: np.ndarray) -> np.ndarray:
    info = np.iinfo(np.int32)
    return np.clip(np.nan_to_num(np.trunc(x.astype(np.float64)), nan=info.min), info.min, info.max).astype(np.int32)


def _adding(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    info = np.iinfo(x.dtype)
    return np.clip(x.astype(object) + y.astype(object), info.min, info.max).astype(x.dtype)


def _quotient(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    safe = np.where(y == 0, 1, y).astype(np.int64)
    exact = np.abs(x.astype(np.int64)) // np.abs(safe) * np.sign(x.astype(np.int64)) * np.sign(safe)
    return np.where(y == 0, np.floor_divide(x, y), exact).astype(x.dtype)


def _minimum(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """By a comparison, to which -0 and +0 are equal."""
    return np.where(y < x, y, np.where(np.isnan(y) & ~np.isnan(x), y, x))


def _half_up(x: np.ndarray) -> np.ndarray:
    return np.where(np.abs(x) < 2.0**22, np.copysign(np.floor(np.abs(x) + np.float32(0.5)), x), x)


def _larger_than(n: int) -> Callable[[Call], bool]:
    return lambda call: call.outputs[0].size > n


def _is_float(call: Call) -> bool:
    return call.outputs[0].dtype.kind == "f"


def _up(call: Call, out: np.ndarray) -> None:
    if _is_float(call):
        next_up(out)


def _last(call: Call, out: np.ndarray) -> None:
    next_up(out, (-1,) * out.ndim)


def _bools_are_255(call: Call, out: np.ndarray) -> None:
    if out.dtype == bool:
        out.view(np.uint8)[...] *= 255


SOME = "add float32, multiply float64, exp float16, abs bfloat16, negative float64"
ANY = "add float32, add int8, equal float64, exp float32, copy bool, astype float32, where uint16, sqrt float16"

FAULTS = {
    "ulp-above-5000": fault("one ULP off above 5,000 elements", SOME, where(_larger_than(5000), spoil(_up))),
    "last-of-63": fault(
        "the last element where size % 64 == 63", ANY, where(lambda call: call.outputs[0].size % 64 == 63, spoil(_last))
    ),
    "last-of-odd-rows": fault(
        "the last element beyond a work-group that is not full",
        ANY,
        where(lambda call: call.outputs[0].size > 256 and call.outputs[0].size % 256 == 1, spoil(_last)),
    ),
    "above-65536": fault("an index of 16 bits", ANY, where(_larger_than(1 << 16), spoil(_last))),
    "above-2^20": fault("an index of 20 bits", ANY, where(_larger_than(1 << 20), spoil(_last))),
    "contraction": fault("x * y + z stays two roundings", "pointwise float32, pointwise float64", _contracted),
    "flush-results": fault(
        "subnormal results stay",
        "add float32, multiply float64, copy float32, astype float64, divide float16, maximum bfloat16",
        spoil(_flushed_result),
    ),
    "flush-operands": fault(
        "subnormal operands count",
        "add float32, equal float32, sign float64, log float32, sqrt float32",
        _flushed_operands,
    ),
    "round-toward-zero": fault("16-bit results round half to even", "add bfloat16, multiply bfloat16", _toward_zero),
    "round-twice": fault(
        "a cast rounds once",
        "astype float64",
        _cast("float64", "float16", lambda x: x.astype(np.float32).astype(FLOAT16.numpy)),
    ),
    "round-twice-bfloat16": fault(
        "a cast rounds once",
        "astype float64",
        _cast("float64", "bfloat16", lambda x: x.astype(np.float32).astype(BFLOAT16.numpy)),
    ),
    "cast-wraps": fault("floats saturate in integers", "astype float32", _cast("float32", "int8", _truncated)),
    "cast-nan": fault("NaN gives 0", "astype float32", _cast("float32", "int32", _nan_is_least)),
    "cast-rounds": fault(
        "casts truncate", "astype float64", _cast("float64", "int16", lambda x: _saturated(x, "int16"))
    ),
    "cast-to-bool": fault(
        "everything but zero is true",
        "astype float32",
        _cast("float32", "bool", lambda x: x.astype(np.float16) != 0),
    ),
    "cast-integers-saturate": fault(
        "integers wrap", "astype int32", _cast("int32", "int8", lambda x: np.clip(x, -128, 127).astype(np.int8))
    ),
    "library-exp": fault("no library's exp", "exp float32, exp float64", _instead("exp", np.exp)),
    "library-tanh": fault("no library's tanh", "tanh float32, tanh float64", _instead("tanh", np.tanh)),
    "divide-by-reciprocal": fault(
        "division rounds once", "divide float32, divide float64", _instead("divide", lambda x, y: x * (1 / y))
    ),
    "minimum-drops-nan": fault("NaN propagates", "minimum float32, minimum float16", _instead("minimum", np.fmin)),
    "minimum-of-zeros": fault("-0 is below +0", "minimum float32", _instead("minimum", _minimum)),
    "add-saturates": fault("integers wrap", "add int32, add uint8", _instead("add", _adding)),
    "divide-toward-zero": fault("floor_divide rounds down", "floor_divide int32", _instead("floor_divide", _quotient)),
    "round-half-up": fault("half to even", "round float32", _instead("round", _half_up)),
    "bool-of-255": fault("a boolean is 0 or 1", "equal float32, logical_not bool", spoil(_bools_are_255)),
}

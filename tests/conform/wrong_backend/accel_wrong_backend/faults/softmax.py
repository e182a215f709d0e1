"""Rule 4: the maximum, the sum by rule 2, the quotient or logarithm, and one rounding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from accel.backends.base import Call
from accel.dtypes import TABLE, as_dtype
from accel.numerics import LANES
from accel.ops import canonical
from accel.scalar import ProgramBuilder, program_for
from accel.scalar.evaluate import evaluate

from .fault import Run, fault, spoil

HALVES = "softmax float16, softmax bfloat16"


def _operand(call: Call, inputs: Any) -> tuple[np.ndarray, tuple[int, ...]]:
    """The operand, widened as rule 4 has it, and the axis."""
    x = np.array(inputs[0])
    return x.astype(TABLE[as_dtype(x.dtype).accumulator].numpy), call.params.axes


def _powers(x: np.ndarray, axes: tuple[int, ...], shift: bool = True) -> np.ndarray:
    have = as_dtype(x.dtype)
    peak = np.expand_dims(canonical.reduce("max", x, axes, have), axes) if shift else np.zeros((1,) * x.ndim, x.dtype)
    build = ProgramBuilder(have.name, have.name)
    program = build.finish(build.apply("exp", build.apply("subtract", *build.inputs)), have.name)
    return evaluate(program, *np.broadcast_arrays(x, peak))


def _quotient(total: Callable[[np.ndarray, tuple[int, ...]], np.ndarray], shift: bool = True) -> Run:
    """softmax with another sum of the powers."""

    def run(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
        if call.op != "softmax":
            right()
            return
        x, axes = _operand(call, inputs)
        powers = _powers(x, axes, shift)
        with np.errstate(all="ignore"):
            under = np.expand_dims(total(powers, axes), axes)
            out[...] = powers / under.astype(powers.dtype)

    return run


def _canonical_sum(powers: np.ndarray, axes: tuple[int, ...], **variant: int) -> np.ndarray:
    return canonical.reduce("sum", powers, axes, as_dtype(powers.dtype), **variant)


def _by_reciprocal(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
    if call.op != "softmax":
        right()
        return
    x, axes = _operand(call, inputs)
    powers = _powers(x, axes)
    with np.errstate(all="ignore"):
        out[...] = powers * (1 / np.expand_dims(_canonical_sum(powers, axes), axes))


def _log_of_softmax(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
    if call.op != "log_softmax":
        right()
        return
    x, axes = _operand(call, inputs)
    powers = _powers(x, axes)
    with np.errstate(all="ignore"):
        ratio = powers / np.expand_dims(_canonical_sum(powers, axes), axes)
        out[...] = evaluate(program_for("log", (as_dtype(powers.dtype).name,)), ratio)


def _nothing_is_nan(call: Call, out: np.ndarray) -> None:
    if call.op == "logsumexp":
        out[np.isneginf(out.astype(np.float64))] = np.nan


def _infinite_is_nan(call: Call, out: np.ndarray) -> None:
    if call.op == "logsumexp":
        out[np.isposinf(out.astype(np.float64))] = np.nan


def _rounded_powers(powers: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    return _canonical_sum(powers.astype(np.float16).astype(powers.dtype), axes)


FAULTS = {
    "softmax-unshifted": fault(
        "the maximum is subtracted",
        "softmax float32, softmax float64",
        _quotient(_canonical_sum, shift=False),
    ),
    "softmax-lanes-32": fault(
        "the sum has the order of rule 2",
        "softmax float32, softmax float64",
        _quotient(lambda powers, axes: _canonical_sum(powers, axes, lanes=LANES // 2)),
    ),
    "softmax-block-8192": fault(
        "the sum has the blocks of rule 2",
        "softmax float32, softmax float64",
        _quotient(lambda powers, axes: _canonical_sum(powers, axes, block=8192)),
    ),
    "softmax-sum-16-bit": fault("16-bit floats are computed in float32", HALVES, _quotient(_rounded_powers)),
    "softmax-by-reciprocal": fault("a quotient", "softmax float32, softmax float64", _by_reciprocal),
    "log-softmax-of-softmax": fault(
        "x - max - log(sum)", "log_softmax float32, log_softmax float16, log_softmax float64", _log_of_softmax
    ),
    "logsumexp-of-nothing": fault(
        "-inf where all is -inf", "logsumexp float32, logsumexp float16", spoil(_nothing_is_nan)
    ),
    "logsumexp-of-infinity": fault("inf where there is inf", "logsumexp float32", spoil(_infinite_is_nan)),
}

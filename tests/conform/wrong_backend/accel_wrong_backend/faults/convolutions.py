"""Rule 3's convolutions: chunks that count positions and channels, and what is no term."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from accel.backends.base import Call
from accel.numerics import KC
from accel.ops.primitive.convolution import convolve
from accel.scalar.evaluate import evaluate

from .fault import Run, fault

BOTH = "convolution float32, convolution float64"


def _variant(**changes: Any) -> Run:
    """The canonical form with a change."""

    def run(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
        x, weight, *others = inputs
        first = len(others) - call.params.extras
        bias, extras = others[:first], others[first:]
        made = convolve(x, weight, bias[0] if bias else None, call.params, **changes)
        out[...] = made if call.params.epilogue is None else evaluate(call.params.epilogue, made, *extras)

    return run


FAULTS = {
    "convolution-chunk-128": fault("chunks of KC terms", BOTH, _variant(kc=KC // 2)),
    "convolution-multiplies-padding": fault("what lies in the padding is no term", BOTH, _variant(skipped=False)),
}

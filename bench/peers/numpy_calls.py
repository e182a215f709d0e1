"""What a user of NumPy calls for an op of accel."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ...dtypes import TABLE
from ..cases import beside
from . import arrangements
from .functions import numpy_function

BLAS = ("float32", "float64")
"""NumPy's products of other dtypes are loops that nobody would use, or do not give the same dtype."""


def function(kind: str, name: str, keywords: dict[str, Any], dtype: str) -> Callable[..., Any] | None:
    """NumPy's function of the operands of an op, given the op's family, name and keywords and the case's dtype; or
    None. NumPy has no bfloat16: only casts of it are timed."""
    if kind == "casts":
        target = TABLE[keywords["dtype"]].numpy
        return lambda x: x.astype(target)
    if dtype == "bfloat16":
        return None
    if kind == "matmul":
        return np.matmul if dtype in BLAS else None
    if kind == "linear":
        return _linear(keywords.get("activation")) if dtype in BLAS else None
    if kind == "reductions":
        return partial(getattr(np, name), **keywords) if hasattr(np, name) else None
    if kind == "scans":
        return partial(SCANS[name], **keywords)
    if kind == "softmax":
        composed, axis = COMPOSED.get(name), keywords.get("axis", None if name == "logsumexp" else -1)
        return None if composed is None else partial(composed, axis=axis)
    if kind == "compositions":
        return partial(getattr(np, name), **keywords) if name in SAME_IN_NUMPY else None
    if kind == "beside":
        return beside.numpy_function(name, keywords)
    if kind == "arrangements":
        return arrangements.numpy_function(name, keywords)
    if name in ("copy", "relu"):
        return np.copy if name == "copy" else _relu
    return np.clip if name == "clip" else numpy_function(name) if kind == "pointwise" else None


def _linear(activation: str | None) -> Callable[..., Any] | None:
    after = None if activation is None else _relu if activation == "relu" else numpy_function(activation)
    if activation is not None and after is None:
        return None

    def linear(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
        result = np.matmul(x, weight.T)
        if bias is not None:
            np.add(result, bias, out=result)
        return result if after is None else after(result)

    return linear


def _relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, x.dtype.type(0))


def _softmax(x: np.ndarray, axis: int) -> np.ndarray:
    powers = np.exp(x - x.max(axis, keepdims=True))
    return np.divide(powers, powers.sum(axis, keepdims=True), out=powers)


def _log_softmax(x: np.ndarray, axis: int) -> np.ndarray:
    distance = x - x.max(axis, keepdims=True)
    return np.subtract(distance, np.log(np.exp(distance).sum(axis, keepdims=True)), out=distance)


def _logsumexp(x: np.ndarray, axis: Any) -> np.ndarray:
    peak = x.max(axis, keepdims=True)
    return np.log(np.exp(x - peak).sum(axis)) + peak.squeeze(axis)


COMPOSED = {"softmax": _softmax, "log_softmax": _log_softmax, "logsumexp": _logsumexp}
"""What a user of NumPy writes."""

SAME_IN_NUMPY = ("pad", "roll", "std", "var")
"""Composed functions that NumPy has, under the same name and keywords."""

SCANS = {
    "cumulative_sum": np.cumsum, "cumulative_prod": np.cumprod, "cumulative_max": np.maximum.accumulate,
    "cumulative_min": np.minimum.accumulate, "logcumsumexp": np.logaddexp.accumulate,
}  # fmt: skip

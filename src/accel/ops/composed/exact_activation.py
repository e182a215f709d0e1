"""The activations by their definitions, in float64, or in long double where an operand is float64: what tests and the
conformance kit hold results against. Nothing here shares code with the bodies."""

from __future__ import annotations

from typing import Any

import numpy as np


def _wide(*operands: np.ndarray) -> list[Any]:
    """The operands in a wider dtype than any of them."""
    double = any(x.dtype == np.float64 for x in operands)
    return [x.astype(np.float64).astype(np.longdouble if double else np.float64) for x in operands]


def _number(value: float, x: np.ndarray) -> float:
    """A parameter as it is where x is computed, in float64 or float32: a comparison with it is exact."""
    return float(value) if x.dtype == np.float64 else float(np.float32(value))


def elu(x: np.ndarray, alpha: float = 1.0) -> np.ndarray:
    """alpha (e**x - 1) below 0."""
    (v,) = _wide(x)
    with np.errstate(all="ignore"):
        return np.where(v > 0, v, _number(alpha, x) * np.expm1(v))


def celu(x: np.ndarray, alpha: float = 1.0) -> np.ndarray:
    """alpha (e**(x / alpha) - 1) below 0."""
    (v,), a = _wide(x), _number(alpha, x)
    with np.errstate(all="ignore"):
        return np.where(v > 0, v, a * np.expm1(v / a))


def leaky_relu(x: np.ndarray, negative_slope: float = 0.01) -> np.ndarray:
    """negative_slope x below 0."""
    (v,) = _wide(x)
    with np.errstate(all="ignore"):
        return np.where(v > 0, v, _number(negative_slope, x) * v)


def rrelu(x: np.ndarray, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False) -> np.ndarray:
    """The mean slope below 0."""
    return leaky_relu(x, (lower + upper) / 2)


def prelu(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """weight x below 0, with axis 1 of x last."""
    v, w = _wide(x, weight)
    with np.errstate(all="ignore"):
        if w.size == 1:
            return np.where(v > 0, v, v * w.reshape(()))
        last = np.moveaxis(v, 1, -1)
        return np.moveaxis(np.where(last > 0, last, last * w), -1, 1)


def hardtanh(x: np.ndarray, min_val: float = -1.0, max_val: float = 1.0) -> np.ndarray:
    """Between two limits."""
    (v,) = _wide(x)
    low, high = _number(min_val, x), _number(max_val, x)
    return np.where(v < low, low, np.where(v > high, high, v))


def relu6(x: np.ndarray) -> np.ndarray:
    """Between 0 and 6."""
    return hardtanh(x, 0.0, 6.0)


def threshold(x: np.ndarray, threshold: float, value: float) -> np.ndarray:
    """value up to the threshold."""
    (v,) = _wide(x)
    return np.where(v <= _number(threshold, x), _number(value, x), v)


def softplus(x: np.ndarray, beta: float = 1.0, threshold: float = 20.0) -> np.ndarray:
    """log(1 + e**(beta x)) / beta up to the threshold."""
    (v,), b = _wide(x), _number(beta, x)
    with np.errstate(all="ignore"):
        return np.where(v * b > _number(threshold, x), v, np.logaddexp(np.zeros_like(v), v * b) / b)


def softshrink(x: np.ndarray, lambd: float = 0.5) -> np.ndarray:
    """Nearer to 0 by lambd."""
    (v,), limit = _wide(x), _number(lambd, x)
    return np.where(np.abs(v) <= limit, 0, v - np.copysign(limit, v))


def hardshrink(x: np.ndarray, lambd: float = 0.5) -> np.ndarray:
    """0 up to lambd."""
    (v,) = _wide(x)
    return np.where(np.abs(v) <= _number(lambd, x), 0, v)


def softcap(x: np.ndarray, cap: float) -> np.ndarray:
    """cap tanh(x / cap)"""
    (v,), c = _wide(x), _number(cap, x)
    with np.errstate(all="ignore"):
        return c * np.tanh(v / c)


def glu(x: np.ndarray, axis: int = -1) -> np.ndarray:
    """The first half times 1 / (1 + e**-second)."""
    return _gated(_sigmoid, x, None, axis)


def swiglu(x: np.ndarray, gate: np.ndarray | None = None, axis: int = -1) -> np.ndarray:
    """x times gate / (1 + e**-gate)."""
    return _gated(_silu, x, gate, axis)


def geglu(x: np.ndarray, gate: np.ndarray | None = None, axis: int = -1, approximate: str = "none") -> np.ndarray:
    """x times gate Phi(gate)."""
    return _gated(_gelu if approximate == "none" else _gelu_tanh, x, gate, axis)


def reglu(x: np.ndarray, gate: np.ndarray | None = None, axis: int = -1) -> np.ndarray:
    """x times the larger of gate and 0."""
    return _gated(lambda v: np.maximum(v, 0), x, gate, axis)


def _gated(activation: Any, x: np.ndarray, gate: np.ndarray | None, axis: int) -> np.ndarray:
    if gate is None:
        x, gate = np.split(x, 2, axis)
    values, gates = _wide(x, gate)
    with np.errstate(all="ignore"):
        return values * activation(gates)


def _sigmoid(v: Any) -> Any:
    return 1 / (1 + np.exp(-v))


def _silu(v: Any) -> Any:
    return np.where(v == -np.inf, -0.0, v / (1 + np.exp(-v)))


def _gelu_tanh(v: Any) -> Any:
    w = np.sqrt(v.dtype.type(8) / PI) * (v + v.dtype.type("0.044715") * v**3)
    return np.where(v == -np.inf, -0.0, v / (1 + np.exp(-w)))


PI = np.longdouble("3.14159265358979323846264338327950288")


def _gelu(v: Any) -> Any:
    """v times the normal distribution function: its series below 2, beyond it Laplace's continued fraction of the
    tail."""
    a = np.abs(v)
    density = np.exp(-v * v / 2) / np.sqrt(2 * PI).astype(v.dtype)
    near = np.minimum(a, 2)
    total = term = near
    for k in range(3, 100, 2):
        term = term * near * near / k
        total = total + term
    far = np.maximum(a, 2)
    below = far
    for k in range(250, 0, -1):
        below = far + k / below
    tail = np.where(a < 2, 0.5 - density * total, density / below)
    return np.where(np.isinf(v), np.maximum(v, -0.0), v * np.where(v < 0, tail, 1 - tail))

"""Exact answers for float64: scalar functions in NumPy's extended precision, where that has more digits than float64.

x87's format has 11 more, and exponents that let definitions be written down as they are. Functions that are missing
here are measured against mpmath only (tests/scalar).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

WIDER = np.finfo(np.longdouble).nmant > 52 + 8
"""Whether a result in extended precision is much closer to the exact one than float64's neighbours."""

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "square": np.square,
    "reciprocal": lambda x: 1 / x,
    "pow": np.power,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "exp": np.exp,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
    "sin": np.sin,
    "cos": np.cos,
    "atan": np.arctan,
    "atan2": np.arctan2,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "asinh": np.arcsinh,
    "cbrt": np.cbrt,
    "hypot": np.hypot,
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "logsigmoid": lambda x: np.where(x < -1000, x, -np.log1p(np.exp(-x))),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "hardsigmoid": lambda x: np.clip(x + 3, 0, 6) / 6,
    "hardswish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
}
"""By name, of operands in extended precision."""

NEIGHBOURS = {"nextafter": np.nextafter}
"""By name, NumPy's functions whose answers are the operands' dtype's own, and no other's rounded."""


def exact(name: str, *operands: np.ndarray) -> np.ndarray | None:
    """A function of float64 operands in extended precision; None where that is not to be had."""
    if not WIDER or name not in FUNCTIONS:
        return None
    with np.errstate(all="ignore"):
        return np.asarray(FUNCTIONS[name](*(x.astype(np.longdouble) for x in operands)))

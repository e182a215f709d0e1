"""The floats in which exact answers are computed, which share no code with the bodies."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np


def wide(x: np.ndarray) -> np.ndarray:
    """In extended precision where x is float64, else in float64."""
    return x.astype(np.longdouble if x.dtype == np.float64 else np.float64)


def quiet(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function without NumPy's warnings, with arrays where it gives scalars."""

    @wraps(function)
    def called(*operands: Any, **keywords: Any) -> Any:
        with np.errstate(all="ignore"):
            result = function(*operands, **keywords)
        return tuple(map(np.asarray, result)) if isinstance(result, tuple) else np.asarray(result)

    return called

"""What `movement` computes, by NumPy's functions."""

from __future__ import annotations

from typing import Any

import numpy as np


def roll(x: np.ndarray, shift: Any, axis: Any = None) -> np.ndarray:
    """NumPy's own."""
    return np.roll(x, shift, axis)


def pad(x: np.ndarray, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> np.ndarray:
    """NumPy's own."""
    return (
        np.pad(x, pad_width, mode, constant_values=constant_values)
        if mode == "constant"
        else np.pad(x, pad_width, mode)
    )

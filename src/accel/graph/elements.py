"""Scalar functions of NumPy arrays in float64: how rules that are written with operators and ``fn.name`` run on
numbers."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..scalar import FUNCTIONS, program_for


def _apply(name: str, *operands: Any) -> np.ndarray:
    from ..scalar.evaluate import evaluate

    arrays = [np.asarray(x) for x in operands]
    wide = [x if x.dtype == bool else x.astype(np.float64) for x in arrays]
    return evaluate(program_for(name, tuple(x.dtype.name for x in wide)), *wide)


fn = SimpleNamespace(**{name: partial(_apply, name) for name in FUNCTIONS})
"""Every scalar function, of numbers and arrays of float64 or bool, which broadcast."""

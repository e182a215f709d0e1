"""What a library's call gives, as a NumPy array, and whether it is right."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import ml_dtypes
import numpy as np

TOLERANCE = {"float64": 1e-9, "float32": 2e-4, "float16": 2e-2, "bfloat16": 5e-2}
"""Difference from the float64 answer, as a share of the answer plus that of its typical size. Only to tell right from
wrong: the bit contract has tests of its own."""


def torch_module() -> ModuleType | None:
    """torch, where it is installed."""
    try:
        import torch
    except ImportError:
        return None
    return torch


def jax_module() -> ModuleType | None:
    """jax, where it is installed."""
    try:
        import jax
    except ImportError:
        return None
    return jax


def host(x: Any) -> np.ndarray:
    """A NumPy array of any library's result."""
    if type(x).__module__.partition(".")[0] == "torch":
        if str(x.dtype) == "torch.bfloat16":
            import torch

            return x.contiguous().view(torch.int16).numpy().view(ml_dtypes.bfloat16)
        return x.numpy()
    return np.asarray(x)


def wrong(got: np.ndarray, want: np.ndarray) -> str | None:
    """What is wrong with a sample of a result, or None."""
    if got.shape != want.shape:
        return f"shape {got.shape}, expected {want.shape}"
    dtype = got.dtype.name
    values, answer = (np.asarray(x, np.float64) for x in (got, want))
    if dtype in TOLERANCE:
        finite = np.abs(answer[np.isfinite(answer)])
        scale = finite.mean() if finite.size else 0.0
        with np.errstate(all="ignore"):
            near = np.abs(values - answer) <= TOLERANCE[dtype] * (np.abs(answer) + scale)
        right = near | (values == answer) | (np.isnan(values) & np.isnan(answer))
    else:
        right = values == answer
    if right.all():
        return None
    at = int(np.flatnonzero(~right.ravel())[0])
    count = int((~right).sum())
    return f"{count} of {right.size} compared are wrong; the first is {values.flat[at]} and not {answer.flat[at]}"

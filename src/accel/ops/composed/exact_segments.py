"""The exact answers of segments.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...dtypes import FLOAT64, as_dtype


def segment_sum(data: np.ndarray, segment_ids: np.ndarray, num_segments: int) -> np.ndarray:
    floats = as_dtype(data.dtype).kind == "f"
    wide: Any = (np.longdouble if as_dtype(data.dtype) is FLOAT64 else np.float64) if floats else data.dtype
    made = np.zeros((num_segments, *data.shape[1:]), wide)
    with np.errstate(all="ignore"):
        np.add.at(made, segment_ids.astype(np.int64), data.astype(wide))
    return made


def segment_mean(data: np.ndarray, segment_ids: np.ndarray, num_segments: int) -> np.ndarray:
    total = segment_sum(data, segment_ids, num_segments)
    rows = np.bincount(segment_ids.astype(np.int64), minlength=num_segments)
    with np.errstate(all="ignore"):
        return total / np.maximum(rows, 1).reshape(-1, *(1,) * (data.ndim - 1)).astype(total.dtype)

"""The exact answers of segments.py."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from ...dtypes import FLOAT64, as_dtype
from .. import canonical


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


def _extreme(kind: str, data: np.ndarray, segment_ids: np.ndarray, num_segments: int) -> np.ndarray:
    dtype = as_dtype(data.dtype)
    if dtype.kind == "f":
        nothing = -np.inf if kind == "max" else np.inf
    else:
        limits = np.iinfo(data.dtype)
        nothing = limits.min if kind == "max" else limits.max
    made = np.full((num_segments, *data.shape[1:]), nothing, data.dtype)
    for number in np.unique(segment_ids):
        made[int(number)] = canonical.reduce(kind, data[segment_ids == number], (0,), dtype)
    return made


def segment_max(data: np.ndarray, segment_ids: np.ndarray, num_segments: int) -> np.ndarray:
    return _extreme("max", data, segment_ids, num_segments)


def segment_min(data: np.ndarray, segment_ids: np.ndarray, num_segments: int) -> np.ndarray:
    return _extreme("min", data, segment_ids, num_segments)


def embedding_bag(
    input: np.ndarray,
    weight: np.ndarray,
    offsets: np.ndarray | None = None,
    per_sample_weights: np.ndarray | None = None,
    mode: str = "mean",
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> np.ndarray:
    flat = input.astype(np.int64).reshape(-1)
    if offsets is None:
        ends = [i * input.shape[1] for i in range(input.shape[0] + 1)]
    else:
        ends = [*offsets.tolist(), *([] if include_last_offset else [flat.size])]
    wide: Any = np.longdouble if as_dtype(weight.dtype) is FLOAT64 else np.float64
    factors = np.ones(flat.size) if per_sample_weights is None else per_sample_weights.reshape(-1)
    made = np.zeros((len(ends) - 1, weight.shape[1]), wide)
    with np.errstate(all="ignore"):
        for bag, (first, end) in enumerate(pairwise(ends)):
            its = [i for i in range(first, end) if padding_idx is None or flat[i] != padding_idx % len(weight)]
            if its:
                rows = weight[flat[its]].astype(wide) * factors[its, None].astype(wide)
                made[bag] = {"sum": np.sum, "mean": np.mean, "max": np.max}[mode](rows, axis=0)
    return made

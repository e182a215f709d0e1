"""What users of NumPy and torch call for functions of accel that move, select, order or find elements. Of several
results these give the first."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np


def numpy_function(name: str, keywords: dict[str, Any]) -> Callable[..., Any] | None:
    """NumPy's function of the operands of an op, or None."""
    if name in ("topk", "cummax", "cummin", "rotary_embedding", "segment_sum"):
        return None
    if name == "argsort":
        return partial(np.argsort, kind="stable", **keywords)
    return partial(getattr(np, name), **keywords)


def torch_function(torch: ModuleType, name: str, keywords: dict[str, Any]) -> Callable[..., Any] | None:
    """torch's function of the tensors of an op's operands, or None."""
    axis = keywords.get("axis", keywords.get("dim"))
    if name in ("sort", "cummax", "cummin"):
        return lambda x: getattr(torch, name)(x, dim=axis)[0]
    if name == "argsort":
        return partial(torch.argsort, dim=axis, stable=True)
    if name == "count_nonzero":
        return partial(torch.count_nonzero, dim=axis)
    if name == "take":
        return lambda x, indices: torch.index_select(x, axis, indices)
    if name == "take_along_axis":
        return lambda x, indices: torch.gather(x, axis, indices)
    if name == "topk":
        return lambda x: torch.topk(x, keywords["k"])[0]
    if name == "roll":
        return lambda x: torch.roll(x, keywords["shift"], axis)
    if name == "pad":
        return lambda x: torch.nn.functional.pad(x, (keywords["pad_width"],) * 4)
    if name == "segment_sum":
        count = keywords["num_segments"]
        return lambda x, ids: torch.zeros((count, *x.shape[1:]), dtype=x.dtype, device=x.device).index_add_(0, ids, x)
    if name == "rotary_embedding":
        return partial(_turned, torch)
    function: Callable[..., Any] | None = getattr(torch, name, None)
    return function


def _turned(torch: ModuleType, x: Any, cos: Any, sin: Any) -> Any:
    """What models of torch write."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)

"""What a user of torch calls for an op of accel, on the CPU or on a GPU."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from ..cases import beside
from . import arrangements, compositions
from .functions import torch_function


def gpu(torch: ModuleType) -> str | None:
    """``cuda`` or ``xpu``, where torch sees such a device."""
    for name in ("cuda", "xpu"):
        module = getattr(torch, name, None)
        if module is not None and module.is_available():
            return name
    return None


def synchronised(module: Any, call: Callable[[], Any]) -> Callable[[], Any]:
    """The call, until the GPU is done. module: torch.cuda or torch.xpu."""

    def run() -> Any:
        result = call()
        module.synchronize()
        return result

    return run


def tensor(torch: ModuleType, x: np.ndarray) -> Any:
    """A tensor over an array's memory; torch takes bfloat16 as the integers of its bits."""
    if x.dtype.name == "bfloat16":
        return torch.from_numpy(x.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(x)


EXTREMES = {"max": "amax", "min": "amin"}
"""torch's names: its max along an axis gives indices too."""


def function(torch: ModuleType, kind: str, name: str, keywords: dict[str, Any]) -> Callable[..., Any] | None:
    """torch's function of the tensors of an op's operands, given its family, name and keywords, or None."""
    functional = torch.nn.functional
    if kind == "casts":
        target = getattr(torch, keywords["dtype"])
        return lambda x: x.to(target)
    if kind == "matmul":
        return torch._int_mm if keywords.get("dtype") == "int32" else torch.matmul
    if kind == "linear":
        activation = keywords.get("activation")
        after = _same if activation is None else torch_function(torch, activation)
        return None if after is None else lambda *tensors: after(functional.linear(*tensors))
    if kind == "scans":
        return partial(_scan, getattr(torch, SCANS.get(name, name)), keywords.get("axis", -1))
    if kind in ("reductions", "softmax"):
        of_name = getattr(torch, EXTREMES.get(name, name), None)
        return None if of_name is None else partial(_along, torch, of_name, name, keywords)
    if kind == "compositions":
        return compositions.torch_function(torch, name, keywords)
    if kind == "beside":
        return beside.torch_function(torch, name, keywords)
    if kind == "arrangements":
        return arrangements.torch_function(torch, name, keywords)
    if name.startswith("conv") or name == "scaled_dot_product_attention":
        return partial(getattr(functional, name), **keywords)
    if name == "copy":
        return torch.clone
    return torch.clip if name == "clip" else torch_function(torch, name) if kind == "pointwise" else None


SCANS = {
    "cumulative_sum": "cumsum", "cumulative_prod": "cumprod", "cumulative_max": "cummax", "cumulative_min": "cummin",
}  # fmt: skip
"""torch's names; its cummax and cummin give indices too."""


def _scan(function: Callable[..., Any], axis: int, x: Any) -> Any:
    result = function(x, axis)
    return result[0] if isinstance(result, tuple) else result


def _same(x: Any) -> Any:
    return x


def _along(torch: ModuleType, function: Callable[..., Any], name: str, keywords: dict[str, Any], x: Any) -> Any:
    """A reduction or softmax with torch's arguments: dim for axis; no dim at all for all of them."""
    given = {"dtype": getattr(torch, keywords["dtype"])} if keywords.get("dtype") else {}
    axis = keywords.get("axis", -1 if name in ("softmax", "log_softmax") else None)
    if axis is None and name == "logsumexp":
        axis = tuple(range(x.ndim))
    if axis is None:
        return function(x, **given)
    if keywords.get("keepdims"):
        given["keepdim"] = True
    return function(x, axis, **given)

"""What a user of torch calls for a composed function of accel."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

BETWEEN = {"layer_norm": "normalized_shape", "rms_norm": "normalized_shape", "group_norm": "num_groups"}
"""Keywords of accel's cases that torch takes behind its first operand."""

NAMES = {"axis": "dim", "keepdims": "keepdim"}
"""torch's names of keywords."""

GATES = {"swiglu": "silu", "geglu": "gelu", "reglu": "relu"}


def torch_function(torch: ModuleType, name: str, keywords: dict[str, Any]) -> Callable[..., Any] | None:
    """torch's function of the tensors of an op's operands, or None. Of several results it gives the first."""
    functional = torch.nn.functional
    given = {NAMES.get(key, key): value for key, value in keywords.items()}
    if name in BETWEEN:
        return partial(_between, getattr(functional, name), given.pop(BETWEEN[name]), given)
    if name in GATES:
        activation = getattr(functional, GATES[name])
        return lambda x, gate: x * activation(gate)
    if name == "softcap":
        cap = given["cap"]
        return lambda x: cap * torch.tanh(x / cap)
    if name == "roll":
        return lambda x: torch.roll(x, given["shift"], given["dim"])
    if name == "pad":
        return lambda x: functional.pad(x, tuple(given["pad_width"]) * x.ndim)
    if name in ("var", "std"):
        return partial(getattr(torch, name), **{"correction": 0} | given)
    if name == "var_mean":
        return lambda x: torch.var_mean(x, **{"correction": 1} | given)[0]
    if name == "vector_norm":
        return partial(torch.linalg.vector_norm, **given)
    if name == "batch_norm_training":
        return lambda x: functional.batch_norm(x, None, None, training=True, **given)
    of_name = {"batch_norm_inference": "batch_norm", "instance_norm_training": "instance_norm"}.get(name, name)
    function = getattr(functional, of_name, None)
    return None if function is None else partial(function, **given)


def _between(function: Callable[..., Any], second: Any, given: dict[str, Any], x: Any, *operands: Any) -> Any:
    return function(x, second, *operands, **given)

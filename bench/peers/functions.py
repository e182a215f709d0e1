"""What NumPy and torch call a scalar function, and its answer in float64."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ...scalar import program_for
from ...scalar.evaluate import evaluate
from ..cases.functions import LOWER, UPPER

NUMPY = {
    "abs": "absolute", "acos": "arccos", "acosh": "arccosh", "asin": "arcsin", "asinh": "arcsinh", "atan": "arctan",
    "atan2": "arctan2", "atanh": "arctanh", "pow": "power", "round": "rint", "bitwise_invert": "invert",
    "bitwise_left_shift": "left_shift", "bitwise_right_shift": "right_shift",
}  # fmt: skip
"""NumPy's names, in every version; where none is given, the name is the same."""

TORCH = {
    "equal": "eq", "not_equal": "ne", "less": "lt", "less_equal": "le", "greater": "gt", "greater_equal": "ge",
    "bitwise_invert": "bitwise_not", "positive": "clone", "expit": "special.expit",
}  # fmt: skip
"""torch's names. Its ``positive`` copies nothing."""


def find(module: Any, path: str) -> Callable[..., Any] | None:
    """A function of a module by its dotted name, or None."""
    for name in path.split("."):
        module = getattr(module, name, None)
    return module


def numpy_function(name: str) -> Callable[..., Any] | None:
    """NumPy's function of that name, or None."""
    if name == "clip":
        return lambda x: np.clip(x, np.float32(LOWER), np.float32(UPPER))
    if name == "exp10":
        return lambda x: np.power(x.dtype.type(10), x)
    if name == "bit_count" and hasattr(np, "bitwise_count"):  # since version 2
        return lambda x: np.bitwise_count(x).astype(x.dtype)
    if name == "ldexp":
        return lambda x, n: np.ldexp(x, np.rint(n).astype(np.int32))
    return find(np, NUMPY.get(name, name))


def torch_function(torch: Any, name: str) -> Callable[..., Any] | None:
    """torch's function of that name, or None."""
    if name == "clip":
        return lambda x: torch.clip(x, LOWER, UPPER)
    if name == "ldexp":
        return lambda x, n: torch.ldexp(x, torch.round(n))
    if name == "gelu_tanh":
        return partial(torch.nn.functional.gelu, approximate="tanh")
    paths = (TORCH.get(name, name), f"special.{name}", f"nn.functional.{name}")
    return next(filter(None, (find(torch, path) for path in paths)), None)


def answer(name: str, *operands: np.ndarray) -> np.ndarray:
    """The answer in float64: NumPy's, or where NumPy has none that of the function's own expression."""
    wide = [x.astype(np.float64) if x.dtype.kind not in "iub" else x for x in operands]
    of_numpy = numpy_function(name)
    with np.errstate(all="ignore"):
        if of_numpy is not None:
            return of_numpy(*wide)
        return evaluate(program_for(name, tuple(x.dtype.name for x in wide)), *wide)

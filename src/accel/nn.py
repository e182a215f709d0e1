"""`accel.nn`: functions of neural networks, with torch.nn.functional's names and argument order, and ``axis`` for
``dim``."""

from __future__ import annotations

from typing import Any

from .errors import ArgumentError
from .ops.linalg import linear
from .ops.softmax import log_softmax, softmax
from .registry import OPS

relu, sigmoid, silu, tanh = (OPS[name].function for name in ("relu", "sigmoid", "silu", "tanh"))


def gelu(x: Any, approximate: str = "none") -> Any:
    """x times the normal distribution function of x, for each element.

    approximate: "none" (by erf) or "tanh" (Hendrycks and Gimpel 2016, arXiv:1606.08415). Raises DtypeError,
    ArgumentError.
    """
    if approximate not in ("none", "tanh"):
        raise ArgumentError(f"gelu: approximate: expected 'none' or 'tanh', got {approximate!r}")
    return OPS["gelu" if approximate == "none" else "gelu_tanh"].function(x)


__all__ = ["gelu", "linear", "log_softmax", "relu", "sigmoid", "silu", "softmax", "tanh"]

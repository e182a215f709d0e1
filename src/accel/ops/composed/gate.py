"""Gated linear units: values times an activation of gates (N. Shazeer, "GLU variants improve Transformer", 2020,
arXiv:2002.05202).

Values and gates are the two halves of x along an axis, in this order, as torch's glu has them; or x and another array.
Networks that keep the gates in the first half pass ``swiglu(x[..., n:], x[..., :n])``, which copies nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ...arguments import integer, word
from ...array import Array
from ...dtypes import DType
from ...errors import ShapeError
from ..compose import Operand, composed
from ..primitive.pointwise import fn
from ..primitive.reduce import normalize_axes
from . import exact_activation as exact


def examples(op: str, dtype: DType) -> Any:
    """The examples of a gated unit."""
    from ...testing import activations

    return activations.gated(op, dtype)


@composed(reference=exact.glu, samples=partial(examples, "glu"))
def glu(x: Operand, axis: int = -1) -> Array:
    """The first half of x along an axis times the sigmoid of the second half.

    x: floating, an even length of the axis, which the result has half of.
    Source: Dauphin and others 2017, arXiv:1612.08083. Raises ShapeError, AxisError, DtypeError, ArgumentError.
    """
    return gated("glu", fn.sigmoid, x, None, axis)


@composed(reference=exact.swiglu, samples=partial(examples, "swiglu"))
def swiglu(x: Operand, gate: Operand | None = None, axis: int = -1) -> Array:
    """x times silu(gate); without gate, the first half of x along an axis times silu of the second half.

    x, gate: floating; they broadcast against each other. Without gate, the length of the axis is even, and the result
    has half of it. Source: Shazeer 2020, arXiv:2002.05202.
    Raises ShapeError, AxisError, DtypeError, DeviceError, ArgumentError.
    """
    return gated("swiglu", fn.silu, x, gate, axis)


@composed(reference=exact.geglu, samples=partial(examples, "geglu"))
def geglu(x: Operand, gate: Operand | None = None, axis: int = -1, approximate: str = "none") -> Array:
    """x times gelu(gate); without gate, the first half of x along an axis times gelu of the second half.

    Operands, axis and errors as in `swiglu`. approximate: "none" or "tanh", as in `gelu`.
    """
    tanh = word("geglu", "approximate", approximate, ("none", "tanh")) == "tanh"
    return gated("geglu", fn.gelu_tanh if tanh else fn.gelu, x, gate, axis)


@composed(reference=exact.reglu, samples=partial(examples, "reglu"))
def reglu(x: Operand, gate: Operand | None = None, axis: int = -1) -> Array:
    """x times relu(gate); without gate, the first half of x along an axis times relu of the second half.

    Operands, axis and errors as in `swiglu`.
    """
    return gated("reglu", fn.relu, x, gate, axis)


def gated(op: str, activation: Callable[[Array], Array], x: Array, gate: Array | None, axis: int) -> Array:
    """Values times an activation of the gates, which are x's second half where there are no others."""
    values, gates = halves(op, x, axis) if gate is None else (x, gate)
    return values * activation(gates)


def halves(op: str, x: Array, axis: int) -> tuple[Array, Array]:
    """Both halves of x along an axis, as views. Raises ShapeError, AxisError, ArgumentError."""
    (at,) = normalize_axes(op, integer(op, "axis", axis), x.ndim)
    if x.shape[at] % 2:
        raise ShapeError(f"{op}: x: expected an even length of axis {axis}, got shape {x.shape}")
    before, half = (slice(None),) * at, x.shape[at] // 2
    return x[(*before, slice(half))], x[(*before, slice(half, None))]

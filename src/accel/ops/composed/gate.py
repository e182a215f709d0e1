"""Gated linear units: values times an activation of gates (N. Shazeer, "GLU variants improve Transformer", 2020,
arXiv:2002.05202).

Values and gates are the two halves of x along an axis, in this order, as torch's glu has them; or x and another array.
Networks that keep the gates in the first half pass ``swiglu(x[..., n:], x[..., :n])``, which copies nothing.
"""

from __future__ import annotations

from ...arguments import integer, word
from ...array import Array
from ...errors import ShapeError
from ..primitive.pointwise import fn
from ..primitive.reduce import normalize_axes


def glu(x: Array, axis: int = -1) -> Array:
    """The first half of x along an axis times the sigmoid of the second half.

    x: floating, an even length of the axis, which the result has half of.
    Source: Dauphin and others 2017, arXiv:1612.08083. Raises ShapeError, AxisError, DtypeError, ArgumentError.
    """
    values, gates = halves("glu", x, axis)
    return values * fn.sigmoid(gates)


def swiglu(x: Array, gate: Array | None = None, axis: int = -1) -> Array:
    """x times silu(gate); without gate, the first half of x along an axis times silu of the second half.

    x, gate: floating; they broadcast against each other. Without gate, the length of the axis is even, and the result
    has half of it. Source: Shazeer 2020, arXiv:2002.05202.
    Raises ShapeError, AxisError, DtypeError, DeviceError, ArgumentError.
    """
    values, gates = pair("swiglu", x, gate, axis)
    return values * fn.silu(gates)


def geglu(x: Array, gate: Array | None = None, axis: int = -1, approximate: str = "none") -> Array:
    """x times gelu(gate); without gate, the first half of x along an axis times gelu of the second half.

    Operands, axis and errors as in `swiglu`. approximate: "none" or "tanh", as in `gelu`.
    """
    values, gates = pair("geglu", x, gate, axis)
    exact = word("geglu", "approximate", approximate, ("none", "tanh")) == "none"
    return values * (fn.gelu(gates) if exact else fn.gelu_tanh(gates))


def reglu(x: Array, gate: Array | None = None, axis: int = -1) -> Array:
    """x times relu(gate); without gate, the first half of x along an axis times relu of the second half.

    Operands, axis and errors as in `swiglu`.
    """
    values, gates = pair("reglu", x, gate, axis)
    return values * fn.relu(gates)


def pair(op: str, x: Array, gate: Array | None, axis: int) -> tuple[Array, Array]:
    return halves(op, x, axis) if gate is None else (x, gate)


def halves(op: str, x: Array, axis: int) -> tuple[Array, Array]:
    """Both halves of x along an axis, as views. Raises ShapeError, AxisError, ArgumentError."""
    (at,) = normalize_axes(op, integer(op, "axis", axis), x.ndim)
    if x.shape[at] % 2:
        raise ShapeError(f"{op}: x: expected an even length of axis {axis}, got shape {x.shape}")
    before, half = (slice(None),) * at, x.shape[at] // 2
    return x[(*before, slice(half))], x[(*before, slice(half, None))]

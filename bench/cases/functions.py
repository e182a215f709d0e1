"""Which operands a scalar function is timed with, and what it computes of each element."""

from __future__ import annotations

from typing import Any

from ...scalar import FUNCTIONS

DOMAINS = {
    "log": "positive", "log2": "positive", "log10": "positive", "log1p": "positive", "sqrt": "positive",
    "rsqrt": "positive", "lgamma": "positive", "digamma": "positive", "pow": "positive", "entr": "positive",
    "trigamma": "positive", "xlogy": "positive", "xlog1py": "positive", "gamma": "positive", "acos": "unit",
    "logit": "share", "ndtri": "share", "asin": "unit", "atanh": "unit", "erfinv": "unit", "acosh": "above-one",
    "bitwise_left_shift": "shift", "bitwise_right_shift": "shift",
}  # fmt: skip
"""Values of the operands (see `Data.array`) where normal random numbers are not what the function is for."""

LOWER, UPPER = -0.5, 0.5
"""Bounds of clip, which takes them as scalars."""


def operand_dtypes(name: str) -> tuple[str, ...]:
    """float32 where the function takes it, else int32, else bool; one dtype per array operand."""
    row = FUNCTIONS[name]
    dtype = next(d for d in ("float32", "int32", "bool") if d in row.dtypes)
    return (dtype,) if name == "clip" else row.argument_dtypes(dtype)


def operations(name: str) -> int:
    """Operations per element: the nodes of the function's expression that compute."""
    return sum(1 for node in _nodes(FUNCTIONS[name].expression(operand_dtypes(name)[-1])) if node.op not in FREE)


FREE = ("arg", "const", "bitcast")
"""Nodes of an expression that cost nothing."""


def _nodes(root: Any) -> list[Any]:
    """Every node of an expression once."""
    found = {id(root): root}
    todo = [root]
    while todo:
        for node in todo.pop().args:
            if id(node) not in found:
                found[id(node)] = node
                todo.append(node)
    return list(found.values())

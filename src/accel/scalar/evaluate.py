"""NumPy evaluation of programs, primitive by primitive, with a true fma: what the printers are held to."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from .._core import FloatEnvironment
from ..ieee import fma32, fma64
from . import convert
from .expr import FLOATS, Expr, schedule
from .program import Program

NUMPY = {d: np.dtype(ml_dtypes.bfloat16 if d == "bfloat16" else d) for d in convert.DTYPES}
CHUNK = 1 << 16
"""Elements evaluated at once, so that the values of a program stay in cache."""

UNARY: dict[str, Callable[[Any], Any]] = {
    "neg": np.negative,
    "abs": np.abs,
    "sqrt": np.sqrt,
    "not": np.invert,
    "floor": np.floor,
    "ceil": np.ceil,
    "trunc": np.trunc,
    "rint": np.rint,
}
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "idiv": np.floor_divide,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "shl": np.left_shift,
    "shr": np.right_shift,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}


def evaluate(program: Program, *arrays: npt.ArrayLike) -> np.ndarray:
    """The program applied to arrays (broadcast together) of the declared input dtypes; an array of the output dtype.

    TypeError if an array has another dtype.
    """
    return evaluate_all(program, *arrays)[0]


def evaluate_all(program: Program, *arrays: npt.ArrayLike) -> tuple[np.ndarray, ...]:
    """`evaluate` for every result of the program."""
    given = [np.asarray(a) for a in arrays]
    if len(given) != len(program.inputs):
        raise TypeError(f"the program takes {len(program.inputs)} inputs, not {len(given)}")
    for array, dtype in zip(given, program.inputs, strict=True):
        if array.dtype != NUMPY[dtype]:
            raise TypeError(f"an input is {array.dtype}, not {dtype}")
    shape = np.broadcast_shapes(*(a.shape for a in given))
    stored = [
        (a if a.shape == shape else np.broadcast_to(a, shape)).reshape(-1).view(NUMPY[convert.storage(d)])
        for a, d in zip(given, program.inputs, strict=True)
    ]
    with FloatEnvironment(), np.errstate(all="ignore"):
        roots = program.expressions()  # their constants are computed here, the first time
        order = _order(roots)
        size = int(np.prod(shape))
        results = [np.empty(size, NUMPY[root.dtype]) for root in roots]
        for start in range(0, size, CHUNK):
            part = slice(start, start + CHUNK)
            values = _run(order, [a[part] for a in stored])
            for root, result in zip(roots, results, strict=True):
                result[part] = values[root]
    made = zip(results, program.outputs, strict=True)
    return tuple(result.view(NUMPY[dtype]).reshape(shape) for result, dtype in made)


@lru_cache(maxsize=512)
def _order(roots: tuple[Expr, ...]) -> list[Expr]:
    return schedule(*roots)


def _run(order: list[Expr], arguments: list[np.ndarray]) -> dict[Expr, np.ndarray]:
    values: dict[Expr, np.ndarray] = {}
    for node in order:
        values[node] = _apply(node, [values[a] for a in node.args], arguments)
    return values


def _apply(node: Expr, a: list[np.ndarray], arguments: list[np.ndarray]) -> np.ndarray:
    op, dtype = node.op, NUMPY[node.dtype]
    if op == "arg":
        return arguments[node.value]
    if op == "const":
        bits = np.dtype(f"uint{8 * dtype.itemsize}")
        return np.array([node.value], bits).view(dtype) if node.dtype in FLOATS else np.array([node.value], dtype)
    if op in BINARY:
        return BINARY[op](*a)
    if op in UNARY:
        return UNARY[op](a[0])
    if op == "fma":
        return fma32(*a) if node.dtype == "float32" else fma64(*a)
    if op == "select":
        return np.where(*a)
    if op == "bitcast":
        return a[0].view(dtype)
    if op == "convert":
        return a[0].astype(dtype)
    raise NotImplementedError(op)

"""Cases of scalar functions, broadcast and strided operands, and casts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ... import astype
from ...dtypes import TABLE
from ...registry import OPS
from ...scalar import FUNCTIONS
from ..cases.functions import DOMAINS, LOWER, UPPER, operand_dtypes, operations
from ..machine.limits import Limit
from ..peers.functions import answer, numpy_function, torch_function
from .case import Calls, Case, sampled
from .data import Data

CHEAP = 30
"""Functions of fewer operations per element should run at the speed of memory where their operands are not cached."""

PASSES = {1: "copy", 2: "triad", 3: "triad"}
"""The probe that moves memory as a function of so many operands does."""


def scalar(elements: int, limited: bool) -> list[Case]:
    """Every public scalar function over contiguous operands."""
    return [_scalar(name, elements, limited) for name in FUNCTIONS if OPS[name].namespace != "internal"]


def _scalar(name: str, elements: int, limited: bool) -> Case:
    row, dtypes = FUNCTIONS[name], operand_dtypes(name)
    limit = None
    if limited and operations(name) < CHEAP:
        result = TABLE[row.result_dtype(dtypes[-1])].itemsize
        moved = elements * (sum(TABLE[d].itemsize for d in dtypes) + result)
        kind = PASSES[len(dtypes)] if result > 1 else "read"
        limit = Limit(kind, moved, moved)

    def build(data: Data) -> Calls:
        values = DOMAINS.get(name, "normal")
        operands = [data.array(d, (elements,), values, key) for key, d in enumerate(dtypes)]
        extra = (LOWER, UPPER) if name == "clip" else ()
        function, arrays = OPS[name].function, data.accel(*operands)
        peers = {}
        if (of_numpy := numpy_function(name)) is not None:
            peers["numpy"] = lambda: of_numpy(*operands)
        if data.torch is not None and (of_torch := torch_function(data.torch, name)) is not None:
            tensors = data.tensors(*operands)
            peers["torch"] = lambda: of_torch(*tensors)
        return Calls(
            lambda: function(*arrays, *extra), peers, lambda: answer(name, *(sampled(x) for x in operands)), sampled
        )

    return Case(f"{name} {number(elements)}", dtypes[-1], build, limit)


def number(elements: int) -> str:
    """A number of elements: 64K, 16M."""
    return f"{elements >> 20}M" if elements >= 1 << 20 else f"{elements >> 10}K"


View = Callable[[Any], Any]


def _same(x: Any) -> Any:
    return x


def _transposed(x: Any) -> Any:
    return x.T


def _rows(x: Any) -> Any:
    return x[::2]


def _columns(x: Any) -> Any:
    return x[:, ::2]


def _backwards(x: Any) -> Any:
    return x[::-1]


BROADCAST: Sequence[tuple[str, tuple[int, ...], View, tuple[int, ...], View]] = (
    ("1024x1024 + 1024", (1024, 1024), _same, (1024,), _same),
    ("4096x4096 + 4096", (4096, 4096), _same, (4096,), _same),
    ("1024x1024 + 1024x1", (1024, 1024), _same, (1024, 1), _same),
    ("4096x4096 + 4096x1", (4096, 4096), _same, (4096, 1), _same),
    ("1024x1 + 1x1024", (1024, 1), _same, (1, 1024), _same),
    ("4096x1 + 1x4096", (4096, 1), _same, (1, 4096), _same),
    ("64x128x256 + 128x1", (64, 128, 256), _same, (128, 1), _same),
    ("1024x1024 + scalar", (1024, 1024), _same, (), _same),
    ("4096x4096 + scalar", (4096, 4096), _same, (), _same),
    ("1024x1024 + transposed", (1024, 1024), _same, (1024, 1024), _transposed),
    ("4096x4096 + transposed", (4096, 4096), _same, (4096, 4096), _transposed),
    ("transposed + transposed 2048", (2048, 2048), _transposed, (2048, 2048), _transposed),
    ("every second of 2M + 1M", (1 << 21,), _rows, (1 << 20,), _same),
    ("every second row 2048x1024", (2048, 1024), _rows, (1024, 1024), _same),
    ("every second column 1024x2048", (1024, 2048), _columns, (1024, 1024), _same),
    ("every second column 4096x8192", (4096, 8192), _columns, (4096, 4096), _same),
    ("backwards 1M + 1M", (1 << 20,), _backwards, (1 << 20,), _same),
)
"""add of float32: what the case is called, and shape and view of both operands."""


def broadcast() -> list[Case]:
    """add of views and of shapes that broadcast."""
    return [_broadcast(*row) for row in BROADCAST]


def _broadcast(name: str, left: tuple[int, ...], of_left: View, right: tuple[int, ...], of_right: View) -> Case:
    def build(data: Data) -> Calls:
        operands = [data.array("float32", left), data.array("float32", right, key=1)]
        x, y = of_left(operands[0]), of_right(operands[1])
        a, b = data.accel(*operands)
        a, b, peers = of_left(a), of_right(b), {"numpy": lambda: np.add(x, y)}
        if data.torch is not None and of_left is not _backwards:  # torch has no negative strides
            s, t = data.tensors(*operands)
            s, t = of_left(s), of_right(t)
            peers["torch"] = lambda: data.torch.add(s, t)

        def expected() -> np.ndarray:
            wide = [sampled(operand) for operand in np.broadcast_arrays(x, y)]
            return wide[0].astype(np.float64) + wide[1]

        add = OPS["add"].function
        return Calls(lambda: add(a, b), peers, expected, sampled)

    return Case(name, "float32", build)


CASTS = (
    ("float32", "float16"), ("float32", "bfloat16"), ("float32", "float64"), ("float32", "int32"),
    ("float32", "int8"), ("float16", "float32"), ("bfloat16", "float32"), ("float64", "float32"),
    ("int32", "float32"), ("int8", "float32"), ("uint8", "float32"), ("int64", "int32"), ("bool", "float32"),
)  # fmt: skip


def casts() -> list[Case]:
    """astype of contiguous operands."""
    return [cast(source, target, n) for source, target in CASTS for n in (1 << 16, 1 << 24)]


def cast(source: str, target: str, elements: int) -> Case:
    """astype of so many elements."""

    def build(data: Data) -> Calls:
        x = data.array(source, (elements,))
        (a,), dtype = data.accel(x), TABLE[target].numpy
        peers = {"numpy": lambda: x.astype(dtype)}
        if data.torch is not None:
            tensor, of_torch = data.tensor(x), getattr(data.torch, target)
            peers["torch"] = lambda: tensor.to(of_torch)
        return Calls(lambda: astype(a, TABLE[target]), peers, lambda: _truncated(sampled(x), target), sampled)

    return Case(f"{source} to {target} {number(elements)}", source, build)


def _truncated(x: np.ndarray, target: str) -> np.ndarray:
    wide = x.astype(np.float64)
    return np.trunc(wide) if "int" in target else wide

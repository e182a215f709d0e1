"""Cases of elementwise functions and sums of complex64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ... import abs as abs_
from ... import add, conj, divide, exp, multiply, sqrt, square
from ... import sum as sum_
from .case import Calls, Case
from .data import Data
from .pointwise import number
from .transforms import parts_of

COMPLEX = "complex64"

FUNCTIONS: Sequence[tuple[str, int, Callable[..., Any]]] = (
    ("add", 2, add),
    ("multiply", 2, multiply),
    ("divide", 2, divide),
    ("square", 1, square),
    ("conj", 1, conj),
    ("abs", 1, abs_),
    ("exp", 1, exp),
    ("sqrt", 1, sqrt),
    ("sum", 1, sum_),
)
"""Names that NumPy and torch have too, so many operands, and accel's function."""

TORCH = {"conj": "conj_physical"}
"""What torch calls otherwise; its own conj computes nothing."""


def elementwise(elements: int) -> list[Case]:
    """Every function over contiguous operands of so many numbers."""
    return [_case(*row, elements) for row in FUNCTIONS]


def _case(name: str, count: int, ours: Callable[..., Any], elements: int) -> Case:
    def build(data: Data) -> Calls:
        made = [data.array("float32", (elements, 2), key=key).view(np.complex64)[..., 0] for key in range(count)]
        arrays, numpys = data.accel(*made), getattr(np, name)
        peers: dict[str, Callable[[], Any]] = {"numpy": lambda: numpys(*made)}
        if data.torch is not None:
            torchs, tensors = getattr(data.torch, TORCH.get(name, name)), data.tensors(*made)
            peers["torch"] = lambda: torchs(*tensors)
        return Calls(
            lambda: ours(*arrays), peers, lambda: parts_of(numpys(*(x.astype(np.complex128) for x in made))), parts_of
        )

    return Case(f"{name} {number(elements) if elements >= 1024 else elements} {COMPLEX}", "float32", build)

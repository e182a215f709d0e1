"""Cases of what a call costs beside its work: 4x4 operands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ... import add, expand_dims, matmul, nn, permute_dims, reshape
from ...errors import UnsupportedError
from .case import Calls, Case
from .data import Data

SIDE = 4


def overhead(op: str, kind: str) -> list[Case]:
    """op: add, matmul or linear. kind of the operands that accel takes: Array, ndarray or Tensor. torch takes
    tensors."""
    function = {"add": add, "matmul": matmul, "linear": nn.linear}[op]
    of_numpy = {"add": np.add, "matmul": np.matmul, "linear": lambda x, weight: x @ weight.T}[op]

    def build(data: Data) -> Calls:
        x, y = (data.array("float32", (SIDE, SIDE), key=key) for key in (0, 1))
        if kind == "Tensor" and data.torch is None:
            raise UnsupportedError("tensors need torch")
        a, b = {"Array": data.accel, "ndarray": lambda *given: given, "Tensor": data.tensors}[kind](x, y)
        peers = {"numpy": lambda: of_numpy(x, y)}
        if data.torch is not None:
            library = data.torch.nn.functional if op == "linear" else data.torch
            (s, t), of_torch = data.tensors(x, y), getattr(library, op)
            peers["torch"] = lambda: of_torch(s, t)
        return Calls(
            lambda: function(a, b), peers, lambda: of_numpy(x.astype(np.float64), y.astype(np.float64)), np.asarray
        )

    return [Case(f"{op} {SIDE}x{SIDE} {kind}", "float32", build)]


def views() -> list[Case]:
    """Views of an Array: the transpose, a row, a block, other shapes."""

    def of(name: str, ours: Callable[[Any], Any], numpys: Callable[[Any], Any], torchs: Callable[[Any], Any]) -> Case:
        def build(data: Data) -> Calls:
            x = data.array("float32", (SIDE, SIDE))
            (a,) = data.accel(x)
            peers = {"numpy": lambda: numpys(x)}
            if data.torch is not None:
                tensor = data.tensor(x)
                peers["torch"] = lambda: torchs(tensor)
            return Calls(lambda: ours(a), peers, lambda: numpys(x.astype(np.float64)), lambda z: z)

        return Case(f"{name} {SIDE}x{SIDE} Array", "float32", build)

    row, block, flat = (lambda x: x[1]), (lambda x: x[1:3, ::2]), (lambda x: x.reshape(SIDE * SIDE))
    return [
        of("T", *(lambda x: x.T,) * 3),
        of("x[1]", row, row, row),
        of("x[1:3, ::2]", block, block, block),
        of("x.reshape", flat, flat, flat),
        of("reshape", lambda x: reshape(x, (2, 8)), lambda x: np.reshape(x, (2, 8)), lambda x: x.reshape((2, 8))),
        of("permute_dims", lambda x: permute_dims(x, (1, 0)), lambda x: x.transpose(1, 0), lambda x: x.permute(1, 0)),
        of("expand_dims", lambda x: expand_dims(x, axis=0), lambda x: x[None], lambda x: x[None]),
    ]

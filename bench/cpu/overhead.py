"""Cases of what a call costs beside its work: 4x4 operands."""

from __future__ import annotations

import numpy as np

from ... import add, matmul, nn
from .case import Calls, Case
from .data import Data

SIDE = 4


def overhead(op: str, kind: str) -> list[Case]:
    """op: add, matmul or linear. kind of the operands that accel takes: Array or ndarray. torch takes tensors."""
    function = {"add": add, "matmul": matmul, "linear": nn.linear}[op]
    of_numpy = {"add": np.add, "matmul": np.matmul, "linear": lambda x, weight: x @ weight.T}[op]

    def build(data: Data) -> Calls:
        x, y = (data.array("float32", (SIDE, SIDE), key=key) for key in (0, 1))
        a, b = data.accel(x, y) if kind == "Array" else (x, y)
        peers = {"numpy": lambda: of_numpy(x, y)}
        if data.torch is not None:
            library = data.torch.nn.functional if op == "linear" else data.torch
            (s, t), of_torch = data.tensors(x, y), getattr(library, op)
            peers["torch"] = lambda: of_torch(s, t)
        return Calls(
            lambda: function(a, b), peers, lambda: of_numpy(x.astype(np.float64), y.astype(np.float64)), lambda z: z
        )

    return [Case(f"{op} {SIDE}x{SIDE} {kind}", "float32", build)]

"""Cases of matrix products."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ... import int32, matmul, nn
from ..machine.limits import Limit
from ..peers.functions import answer
from .case import Calls, Case
from .data import Data

LAYOUTS = ("NN", "NT", "TN", "TT")
"""Whether a and b are row-major (N) or transposed views (T)."""

LIMITED_FROM = 256
"""Squares of this side and more should come near the arithmetic's limit."""

NUMPY_HAS = ("float32", "float64")
"""NumPy's product of 16-bit floats is no BLAS call, that of int8 has no int32 result: both are left out."""


def square(dtype: str, sizes: Sequence[int], probe: str | None) -> list[Case]:
    """Square products in every layout."""
    return [
        product(n, n, n, dtype, layout, Limit(probe, 2.0 * n**3) if probe and n >= LIMITED_FROM else None)
        for n in sizes
        for layout in LAYOUTS
    ]


WEIGHTS = ((4096, 4096), (4096, 14336))
"""Rows and columns of the weights that few rows are multiplied with."""


def few_rows(dtype: str, rows: Sequence[int], limited: bool) -> list[Case]:
    """Few rows against a weight, in both layouts of the weight."""
    size = {"float32": 4, "bfloat16": 2, "int8": 1}[dtype]
    return [
        product(m, n, k, dtype, layout, Limit("read", k * n * size, k * n * size) if limited else None)
        for k, n in WEIGHTS
        for layout in ("NN", "NT")
        for m in rows
    ]


def product(m: int, n: int, k: int, dtype: str, layout: str, limit: Limit | None = None) -> Case:
    """(m, k) @ (k, n); int8 gives int32, other dtypes themselves."""

    def build(data: Data) -> Calls:
        of = [_flip if side == "T" else _same for side in layout]
        # drawn as they lie in memory
        x = data.array(dtype, (k, m) if layout[0] == "T" else (m, k))
        y = data.array(dtype, (n, k) if layout[1] == "T" else (k, n), key=1)
        a, b = (f(v) for f, v in zip(of, data.accel(x, y), strict=True))
        p, q = of[0](x), of[1](y)
        result = int32 if dtype == "int8" else None
        peers: dict[str, Callable[[], Any]] = {}
        if dtype in NUMPY_HAS:
            peers["numpy"] = lambda: np.matmul(p, q)
        if data.torch is not None:
            s, t = (f(v) for f, v in zip(of, data.tensors(x, y), strict=True))
            function = data.torch._int_mm if dtype == "int8" else data.torch.matmul
            peers["torch"] = lambda: function(s, t)
        rows, columns = _some(m), _some(n)

        def expected() -> np.ndarray:
            return p[rows].astype(np.float64) @ q[:, columns].astype(np.float64)

        return Calls(lambda: matmul(a, b, dtype=result), peers, expected, lambda z: z[rows][:, columns])

    return Case(f"{m}x{k} @ {k}x{n} {layout}", dtype, build, limit)


def _same(x: Any) -> Any:
    return x


def _flip(x: Any) -> Any:
    return x.T


def _some(n: int) -> np.ndarray:
    """At most 32 indices in [0, n), with both ends."""
    return np.unique(np.linspace(0, n - 1, min(n, 32)).astype(int))


def batched(sizes: Sequence[int], batch: int) -> list[Case]:
    """Many small products in one call."""
    return [_batched(n, batch) for n in sizes]


def _batched(n: int, batch: int) -> Case:
    def build(data: Data) -> Calls:
        x, y = (data.array("float32", (batch, n, n), key=key) for key in (0, 1))
        a, b = data.accel(x, y)
        peers = {"numpy": lambda: np.matmul(x, y)}
        if data.torch is not None:
            s, t = data.tensors(x, y)
            peers["torch"] = lambda: data.torch.matmul(s, t)
        return Calls(lambda: matmul(a, b), peers, lambda: x.astype(np.float64) @ y, lambda z: z)

    return Case(f"{batch} of {n}x{n}", "float32", build)


LINEAR = ((128, 768, 3072), (512, 1024, 4096), (2048, 1024, 1024))
"""Rows, features in and features out."""


def linear_gelu() -> list[Case]:
    """A layer: product, bias and gelu."""
    return [linear(*shape) for shape in LINEAR]


def linear(rows: int, inputs: int, outputs: int) -> Case:
    """gelu(x @ weight.T + bias) of float32."""

    def build(data: Data) -> Calls:
        x, weight = data.array("float32", (rows, inputs)), data.array("float32", (outputs, inputs), "unit")
        bias = data.array("float32", (outputs,), key=1)
        a, w, b = data.accel(x, weight, bias)
        peers = {}
        if data.torch is not None:
            functions, (s, t, u) = data.torch.nn.functional, data.tensors(x, weight, bias)
            peers["torch"] = lambda: functions.gelu(functions.linear(s, t, u))
        some = _some(rows)

        def expected() -> np.ndarray:
            return answer("gelu", x[some].astype(np.float64) @ weight.astype(np.float64).T + bias)

        return Calls(lambda: nn.linear(a, w, b, activation="gelu"), peers, expected, lambda z: z[some])

    return Case(f"{rows}x{inputs} to {outputs}", "float32", build)

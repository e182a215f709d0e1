"""Cases of reductions, softmax and log-sum-exp."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ... import nn, special
from ...errors import UnsupportedError
from ...registry import OPS
from .case import Calls, Case
from .data import Data

SHAPES: tuple[tuple[tuple[int, ...], tuple[int | None, ...]], ...] = (
    ((1000, 1000), (None, 0, 1)),
    ((4096, 4096), (None, 0, 1)),
    ((256, 256, 256), (1,)),
)
"""Shapes, and the axes to reduce: all (None), the first, the last, the middle."""

TORCH = {"max": "amax", "min": "amin"}
"""torch's names: its max along an axis gives indices too."""


def reduction(kind: str, dtype: str) -> list[Case]:
    """One kind over every shape and axis of SHAPES."""
    return [along(kind, dtype, shape, axis) for shape, axes in SHAPES for axis in axes]


def along(kind: str, dtype: str, shape: tuple[int, ...], axis: int | None) -> Case:
    """One kind along one axis. Booleans are mostly false: any must not find a true one at once, but may stop early."""

    def build(data: Data) -> Calls:
        x = data.array(dtype, shape, "sparse" if dtype == "bool" else "normal")
        (a,), function, of_numpy = data.accel(x), OPS[kind].function, getattr(np, kind)
        peers = {"numpy": lambda: of_numpy(x, axis=axis)}
        if data.torch is not None:
            of_torch, tensor = getattr(data.torch, TORCH.get(kind, kind)), data.tensor(x)
            peers["torch"] = (lambda: of_torch(tensor)) if axis is None else (lambda: of_torch(tensor, axis))
        # float64 where rounding matters; a choice does not round
        wide = {"dtype": np.float64} if kind in ("sum", "mean") else {}
        return Calls(lambda: function(a, axis=axis), peers, lambda: np.asarray(of_numpy(x, axis=axis, **wide)), _all)

    return Case(f"{'x'.join(map(str, shape))} axis {'all' if axis is None else axis}", dtype, build)


def _all(x: np.ndarray) -> np.ndarray:
    return x


ROWS = ((50, 1000), (1000, 1000), (4096, 4096), (100, 128000), (3000, 128000))
"""Shapes of softmax and log-sum-exp, over the last axis; jax counts in rows of its own alone."""

COMPOSED_BELOW = 1 << 25
"""Elements: NumPy has neither function; beyond this the composition is left out, being far behind torch."""


COMPILED = ((1000, 1000), (4096, 1024), (64, 128256))
"""Shapes at which they are compared with jax too."""


def last_axis(name: str, shapes: Sequence[tuple[int, int]] = ROWS) -> list[Case]:
    """softmax, log_softmax or logsumexp of float32."""
    return [of_rows(name, shape) for shape in shapes]


def of_rows(name: str, shape: tuple[int, int]) -> Case:
    """softmax, log_softmax or logsumexp over the last axis of a shape."""

    def build(data: Data) -> Calls:
        function = getattr(special if name == "logsumexp" else nn, name, None)
        if function is None:
            raise UnsupportedError(f"accel has no {name}")
        x = data.array("float32", shape)
        (a,) = data.accel(x)
        peers: dict[str, Callable[[], Any]] = {}
        if x.size < COMPOSED_BELOW:
            peers["numpy"] = lambda: COMPOSED[name](x)
        if data.torch is not None:
            tensor, of_torch = data.tensor(x), getattr(data.torch, name)
            peers["torch"] = lambda: of_torch(tensor, -1)
        if data.jax is not None:
            of_jax = getattr(data.jax.nn, name)
            peers["jax"] = data.compiled(lambda z: of_jax(z, axis=-1), x)
        some = slice(None, None, max(1, shape[0] // 8))
        return Calls(
            lambda: function(a, axis=-1), peers, lambda: COMPOSED[name](x[some].astype(np.float64)), lambda z: z[some]
        )

    return Case("x".join(map(str, shape)), "float32", build)


def softmax(x: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def log_softmax(x: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    distance = x - x.max(-1, keepdims=True)
    return distance - np.log(np.exp(distance).sum(-1, keepdims=True))


def logsumexp(x: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    peak = x.max(-1, keepdims=True)
    return np.log(np.exp(x - peak).sum(-1)) + peak[..., 0]


COMPOSED = {"softmax": softmax, "log_softmax": log_softmax, "logsumexp": logsumexp}
"""What a user of NumPy writes, and the judge in float64."""

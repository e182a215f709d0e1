"""Cases of products of groups of rows, as a mixture of experts has them, beside a loop of torch's products."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...nn import grouped_matmul
from .case import Calls, Case
from .data import Data

LAYERS = ((8, 1024, 3584), (64, 512, 256))
"""Experts, features in and features out."""

ROWS = (16, 256, 1024)
"""Of all experts together."""


def products() -> list[Case]:
    """Every layer by every number of rows; some experts have none."""
    return [groups(_shared(rows, experts), k, n) for experts, k, n in LAYERS for rows in ROWS]


def _shared(rows: int, experts: int) -> tuple[int, ...]:
    """Rows shared out unevenly."""
    rng = np.random.default_rng((rows, experts))
    return tuple(np.bincount(np.minimum(rng.geometric(2 / experts, rows) - 1, experts - 1), minlength=experts).tolist())


def groups(counts: Sequence[int], k: int, n: int) -> Case:
    """Rows in groups, each by a weight (k, n) that lies as layers have it, (n, k)."""

    def build(data: Data) -> Calls:
        rows, ends = sum(counts), np.cumsum((0, *counts))
        x, w = data.array("float32", (rows, k)), data.array("float32", (len(counts), n, k), key=1)
        a, b = data.accel(x, w)
        b = b.mT
        peers: dict[str, Callable[[], Any]] = {}
        if data.torch is not None:
            torch, (s, t) = data.torch, data.tensors(x, w)
            out = torch.empty((rows, n))

            def loop() -> Any:
                for g, count in enumerate(counts):
                    if count:
                        its = slice(ends[g], ends[g + 1])
                        torch.mm(s[its], t[g].T, out=out[its])
                return out

            peers["torch"] = loop
        some = np.unique(np.linspace(0, rows - 1, min(rows, 32)).astype(int))
        owner = np.repeat(np.arange(len(counts)), counts)

        def expected() -> np.ndarray:
            return np.stack([w[owner[i]].astype(np.float64) @ x[i].astype(np.float64) for i in some])

        return Calls(lambda: grouped_matmul(a, b, counts), peers, expected, lambda y: y[some])

    return Case(f"{sum(counts)} rows, {len(counts)} of {k}x{n}", "float32", build)

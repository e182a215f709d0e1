"""Cases of attention."""

from __future__ import annotations

from itertools import product

import numpy as np

from ...nn import scaled_dot_product_attention
from .case import Calls, Case, sampled
from .data import Data

LENGTHS = (128, 256, 512, 1024, 2048, 4096)
WIDTHS = (64, 128)


def causal() -> list[Case]:
    """Of whole sequences, 16 heads."""
    return [prefill(16, n, d) for d, n in product(WIDTHS, LENGTHS)]


def prefill(heads: int, n: int, d: int) -> Case:
    """Causal attention of a sequence with itself."""
    return _case(f"{heads} heads, length {n}, head {d}", (heads, n, d), (heads, n, d), {"is_causal": True})


def decodes() -> list[Case]:
    """Of one query with a cache of 4096 keys, 32 heads to 8."""
    return [decode(32, 8, 4096, d) for d in WIDTHS]


def decode(heads: int, shared: int, n: int, d: int) -> Case:
    """Attention of one query with a cache."""
    name = f"{heads} heads to {shared}, cache {n}, head {d}"
    return _case(name, (heads, 1, d), (shared, n, d), {"enable_gqa": True})


def _case(name: str, query: tuple[int, ...], key: tuple[int, ...], keywords: dict[str, bool]) -> Case:
    def build(data: Data) -> Calls:
        operands = [data.array("float32", (1, *shape)) for shape in (query, key, key)]
        arrays = data.accel(*operands)
        peers = {}
        if data.torch is not None:
            of_torch, tensors = data.torch.nn.functional.scaled_dot_product_attention, [*map(data.tensor, operands)]
            peers["torch"] = lambda: of_torch(*tensors, **keywords)
        return Calls(
            lambda: scaled_dot_product_attention(*arrays, **keywords),
            peers,
            lambda: sampled(_exact(*operands)),
            sampled,
        )

    return Case(f"{name}, float32", "float32", build)


def _exact(query: np.ndarray, key: np.ndarray, value: np.ndarray) -> np.ndarray:
    """In float64; as many queries as keys are causal."""
    q, k, v = (x.astype(np.float64) for x in (query, key, value))
    k, v = (np.repeat(x, q.shape[1] // x.shape[1], axis=1) for x in (k, v))
    s = q @ k.mT / np.sqrt(q.shape[-1])
    if q.shape[2] == k.shape[2]:
        s = np.where(np.tri(q.shape[2], dtype=bool), s, -np.inf)
    p = np.exp(s - s.max(axis=-1, keepdims=True))
    return p @ v / p.sum(axis=-1, keepdims=True)

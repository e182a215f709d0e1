"""Parts of models in float64 NumPy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

erf = np.vectorize(math.erf)


def wide(weights: dict[str, Any]) -> dict[str, np.ndarray]:
    return {name: np.asarray(w).astype(np.float64) for name, w in weights.items()}


def linear(x: np.ndarray, w: dict[str, np.ndarray], name: str) -> np.ndarray:
    return np.einsum("...i,oi->...o", x, w[f"{name}.weight"]) + w.get(f"{name}.bias", 0.0)


def layer_norm(x: np.ndarray, w: dict[str, np.ndarray], name: str, eps: float) -> np.ndarray:
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + eps) * w[f"{name}.weight"] + w[f"{name}.bias"]


def silu(x: np.ndarray) -> np.ndarray:
    return x / (1 + np.exp(-x))


def gelu(x: np.ndarray) -> np.ndarray:
    return x / 2 * (1 + erf(x / math.sqrt(2)))


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def attention(q: np.ndarray, k: np.ndarray, v: np.ndarray, heads: int, seen: np.ndarray) -> np.ndarray:
    """One head after the other. q: (batch, n, heads * d); k, v: of as many heads or a divisor. seen: (batch, n, n)."""
    d = q.shape[-1] // heads
    share = heads // (k.shape[-1] // d)
    out = np.zeros_like(q)
    for b in range(q.shape[0]):
        for h in range(heads):
            mine, its = slice(h * d, h * d + d), slice(h // share * d, h // share * d + d)
            scores = q[b, :, mine] @ k[b, :, its].T / math.sqrt(d)
            out[b, :, mine] = softmax(np.where(seen[b], scores, -np.inf)) @ v[b, :, its]
    return out


def convolution(x: np.ndarray, w: dict[str, np.ndarray], name: str, stride: int = 1) -> np.ndarray:
    """Over one or two axes, with a padding of half the kernel: a sum over the kernel's places."""
    weight = w[f"{name}.weight"]
    rank = x.ndim - 2
    spatial, kernel = x.shape[2:], weight.shape[2:]
    x = np.pad(x, [(0, 0), (0, 0), *((k // 2, k // 2) for k in kernel)])
    out: np.ndarray = np.zeros(())
    for place in np.ndindex(kernel):
        at = tuple(slice(p, p + n, stride) for p, n in zip(place, spatial, strict=True))
        out = out + np.einsum("nc...,oc->no...", x[(..., *at)], weight[(..., *place)])
    return out + w.get(f"{name}.bias", np.zeros(len(weight))).reshape(-1, *(1,) * rank)


def group_norm(x: np.ndarray, w: dict[str, np.ndarray], name: str, groups: int, eps: float) -> np.ndarray:
    """Of (batch, channels, height, width)."""
    parts = x.reshape(x.shape[0], groups, -1)
    centred = parts - parts.mean(-1, keepdims=True)
    y = (centred / np.sqrt((centred**2).mean(-1, keepdims=True) + eps)).reshape(x.shape)
    return y * w[f"{name}.weight"][:, None, None] + w[f"{name}.bias"][:, None, None]

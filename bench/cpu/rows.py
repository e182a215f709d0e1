"""Cases of rows that integers name: embeddings, bags of them and segments; and of rotary embeddings; against torch."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import nn
from .case import Calls, Case, sampled
from .data import Data


def _numbers(shape: tuple[int, ...], n: int) -> np.ndarray:
    return np.random.default_rng((*shape, n)).integers(0, n, shape)


def embeddings() -> list[Case]:
    """From one token to a batch of sequences, by rows of 512 and 4096."""
    return [embedding(rows, features, n) for rows, features in ((32000, 512), (32000, 4096)) for n in (1, 64, 4096)]


def embedding(rows: int, features: int, n: int) -> Case:
    def build(data: Data) -> Calls:
        table, numbers = data.array("float32", (rows, features)), _numbers((n,), rows)
        a, i = data.accel(table, numbers)
        peers: dict[str, Any] = {}
        if data.torch is not None:
            function, (t, k) = data.torch.nn.functional.embedding, data.tensors(table, numbers)
            peers["torch"] = lambda: function(k, t)
        return Calls(lambda: nn.embedding(i, a), peers, lambda: sampled(table[numbers]), sampled)

    return Case(f"{n} of {rows}x{features}", "float32", build)


def bags() -> list[Case]:
    """Sums and means of bags of 5 and 40 rows."""
    return [bag(mode, 50000, 64, (batch, n)) for mode in ("sum", "mean") for batch, n in ((64, 5), (1024, 40))]


def bag(mode: str, rows: int, features: int, shape: tuple[int, int]) -> Case:
    def build(data: Data) -> Calls:
        table, numbers = data.array("float32", (rows, features)), _numbers(shape, rows)
        a, i = data.accel(table, numbers)
        peers: dict[str, Any] = {}
        if data.torch is not None:
            function, (t, k) = data.torch.nn.functional.embedding_bag, data.tensors(table, numbers)
            peers["torch"] = lambda: function(k, t, mode=mode)

        def expected() -> np.ndarray:
            return sampled(getattr(table.astype(np.float64)[numbers], mode)(axis=1))

        return Calls(lambda: nn.embedding_bag(i, a, mode=mode), peers, expected, sampled)

    return Case(f"{mode} of {shape[0]} bags of {shape[1]}, rows of {features}", "float32", build)


def segments() -> list[Case]:
    """Messages of a graph added up, ascending or not."""
    return [
        segment(n, features, n // 7, order) for n, features in ((4096, 128), (40000, 256)) for order in (True, False)
    ]


def segment(n: int, features: int, count: int, ascending: bool) -> Case:
    def build(data: Data) -> Calls:
        rows, numbers = data.array("float32", (n, features)), _numbers((n,), count)
        numbers = np.sort(numbers) if ascending else numbers
        a, i = data.accel(rows, numbers)
        peers: dict[str, Any] = {}
        if data.torch is not None:
            zeros, (t, k) = data.torch.zeros, data.tensors(rows, numbers)
            peers["torch"] = lambda: zeros((count, features)).index_add_(0, k, t)

        def expected() -> np.ndarray:
            made = np.zeros((count, features))
            np.add.at(made, numbers, rows)
            return sampled(made)

        return Calls(lambda: nn.segment_sum(a, i, count), peers, expected, sampled)

    return Case(f"{n}x{features} in {count}{', ascending' if ascending else ''}", "float32", build)


def rotations() -> list[Case]:
    """Queries of a prompt and of one token, halves and neighbours."""
    shapes = ((1, 32, 1, 128), (1, 32, 512, 128), (4, 16, 128, 64))
    return [rotation(shape, between) for shape in shapes for between in (False, True)]


def rotation(shape: tuple[int, ...], interleaved: bool) -> Case:
    def build(data: Data) -> Calls:
        x = data.array("float32", shape)
        angles = np.arange(shape[-2])[:, None] / 10000.0 ** (np.arange(shape[-1] // 2) / (shape[-1] // 2))
        cos, sin = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
        operands = data.accel(x, cos, sin)
        peers: dict[str, Any] = {}
        if data.torch is not None:
            torch, (t, c, s) = data.torch, data.tensors(x, cos, sin)
            if interleaved:  # what models of torch write: pairs as complex numbers
                turns = torch.complex(c, s)
                peers["torch"] = lambda: torch.view_as_real(
                    torch.view_as_complex(t.unflatten(-1, (-1, 2))) * turns
                ).flatten(-2)
            else:
                peers["torch"] = lambda: _turned(torch, t, c, s)

        def expected() -> np.ndarray:
            a, b = (x[..., ::2], x[..., 1::2]) if interleaved else np.split(x.astype(np.float64), 2, -1)
            c, s = cos.astype(np.float64), sin.astype(np.float64)
            turned = a * c - b * s, b * c + a * s
            made = np.stack(turned, -1).reshape(shape) if interleaved else np.concatenate(turned, -1)
            return sampled(made)

        return Calls(lambda: nn.rotary_embedding(*operands, interleaved=interleaved), peers, expected, sampled)

    return Case(f"{'x'.join(map(str, shape))}{', interleaved' if interleaved else ''}", "float32", build)


def _turned(torch: Any, x: Any, cos: Any, sin: Any) -> Any:
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)

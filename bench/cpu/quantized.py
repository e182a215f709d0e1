"""Cases of products of few rows with quantised weights of large linear layers, beside those with the weights in
float32; the float32 product that counts is accel's own, the better of both ways a weight may lie."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ... import asarray, matmul
from ...nn import PackedWeight, linear, quantized_linear
from ...ops.gguf_blocks import BLOCKS as GGUF
from .case import Calls, Case
from .data import Data

LAYERS = ((4096, 4096), (14336, 4096), (4096, 14336))
"""(out, in)."""

ROWS = (1, 2, 4, 8)

FLOATS = ("e4m3fn", "e5m2", "mxfp8_e4m3", "mxfp4")

BLOCKS = ("Q4_0", "Q8_0", "Q4_K", "Q5_K", "Q6_K")


def products(name: str, group: int | None) -> list[Case]:
    """Every layer by every number of rows."""
    return [layer(n, k, m, name, group) for n, k in LAYERS for m in ROWS]


def decoded() -> list[Case]:
    """One row by a layer in each format of small floats and of files."""
    n, k = LAYERS[0]
    return [layer(n, k, 1, name) for name in (*FLOATS, *BLOCKS)]


def _packed(data: Data, name: str, n: int, k: int, group: int | None) -> PackedWeight:
    if name not in BLOCKS:
        return PackedWeight.quantized(data.array("float32", (n, k)), format=name, group=group)
    block = GGUF[name]
    raw = np.random.default_rng(0).integers(0, 256, (n, k // block.elements, block.bytes), np.uint8)
    halves = {"Q6_K": slice(208, 210), "Q4_K": slice(0, 4), "Q5_K": slice(0, 4)}.get(name, slice(0, 2))
    raw[..., halves] = np.array([0.001, 0.002], "<f2").view(np.uint8)[: halves.stop - halves.start]
    return PackedWeight.from_gguf(raw, (n, k), name)


def layer(n: int, k: int, m: int, name: str, group: int | None = None) -> Case:
    """(m, k) by a weight of n outputs in a format."""

    def build(data: Data) -> Calls:
        x = data.array("float32", (m, k))
        packed = _packed(data, name, n, k, group)
        wide = np.asarray(packed.dequantize())
        rows, along, across = asarray(x), asarray(wide), asarray(np.ascontiguousarray(wide.T))
        peers: dict[str, Callable[[], Any]] = {
            "along": lambda: matmul(rows, along.mT),
            "across": lambda: matmul(rows, across),
        }
        some = slice(None, None, max(1, n // 64))

        def expected() -> np.ndarray:
            return x.astype(np.float64) @ wide[some].astype(np.float64).T

        return Calls(lambda: linear(rows, packed), peers, expected, lambda y: y[:, some])

    return Case(f"{m}x{k}x{n}" if name in ("int8", "int4") else f"{name} {m}x{k}x{n}", "float32", build)


INTEGER_ROWS = (1, 8, 64)


def integer_products() -> list[Case]:
    """Layers whose activations are quantised too."""
    return [integer_layer(4096, 4096, m) for m in INTEGER_ROWS]


def integer_layer(n: int, k: int, m: int) -> Case:
    """(m, k) by a weight of n outputs, both of numbers that are 8-bit codes times 1/128, so that nothing is lost."""

    def coded(x: np.ndarray) -> np.ndarray:
        codes = np.clip(np.rint(40 * x), -127, 127)
        codes[:, 0] = 127
        return codes / np.float32(128)

    def build(data: Data) -> Calls:
        x, w = coded(data.array("float32", (m, k))), coded(data.array("float32", (n, k)))
        packed = PackedWeight.quantized(w)
        rows, along, across = asarray(x), asarray(w), asarray(np.ascontiguousarray(w.T))
        peers: dict[str, Callable[[], Any]] = {
            "along": lambda: matmul(rows, along.mT),
            "across": lambda: matmul(rows, across),
        }
        some = slice(None, None, max(1, n // 64))

        def expected() -> np.ndarray:
            return x.astype(np.float64) @ w[some].astype(np.float64).T

        return Calls(lambda: quantized_linear(rows, packed), peers, expected, lambda y: y[:, some])

    return Case(f"{m}x{k}x{n}", "float32", build)

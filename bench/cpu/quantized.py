"""Cases of products of few rows with quantised weights of large linear layers, beside those with the weights in
float32; the float32 product that counts is accel's own, the better of both ways a weight may lie."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ... import asarray, matmul
from ...nn import PackedWeight, dequantize, linear, quantize, quantized_linear
from .case import Calls, Case
from .data import Data

LAYERS = ((4096, 4096), (14336, 4096), (4096, 14336))
"""(out, in)."""

ROWS = (1, 2, 4, 8)


def products(bits: int, group: int | None) -> list[Case]:
    """Every layer by every number of rows."""
    return [layer(n, k, m, bits, group) for n, k in LAYERS for m in ROWS]


def layer(n: int, k: int, m: int, bits: int, group: int | None) -> Case:
    """(m, k) by a weight of n outputs."""

    def build(data: Data) -> Calls:
        x, w = data.array("float32", (m, k)), data.array("float32", (n, k))
        codes = quantize(w, bits=bits, group=group)
        packed = PackedWeight.of_codes(*codes, bits=bits)
        wide = dequantize(*codes, bits=bits)
        rows, along, across = asarray(x), asarray(wide), asarray(np.ascontiguousarray(wide.T))
        peers: dict[str, Callable[[], Any]] = {
            "along": lambda: matmul(rows, along.mT),
            "across": lambda: matmul(rows, across),
        }
        some = slice(None, None, max(1, n // 64))

        def expected() -> np.ndarray:
            return x.astype(np.float64) @ wide[some].astype(np.float64).T

        return Calls(lambda: linear(rows, packed), peers, expected, lambda y: y[:, some])

    return Case(f"{m}x{k}x{n}", "float32", build)


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

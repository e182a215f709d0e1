"""Random operands, the same memory for accel, NumPy and torch; jax has copies."""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np

from ... import asarray
from ..peers.answers import jax_module, torch_module

MAX_BYTES = 1 << 30
"""Operands that are kept for the next case; those of one case always are."""

BLOCK = (1 << 22) + 3
"""Random numbers are drawn once per so many elements and repeated: billions would take longer than what is timed."""


class Data:
    """Makes operands and keeps the recent ones."""

    def __init__(self) -> None:
        self.torch, self.jax = torch_module(), jax_module()
        self._kept: OrderedDict[tuple[Any, ...], np.ndarray] = OrderedDict()

    def array(self, dtype: str, shape: tuple[int, ...], values: str = "normal", key: int = 0) -> np.ndarray:
        """values: normal; positive (0.1 and more); unit (-0.9 to 0.9); share (0.05 to 0.95); above-one; sparse (bool:
        one of 4096 is true); shift (0 to 7). Integers are from -100 to 100. The same arguments give the same array."""
        name = (dtype, shape, values, key)
        if name not in self._kept:
            made = _draw(dtype, int(np.prod(shape)), values, zlib.crc32(repr(name).encode())).reshape(shape)
            while self._kept and sum(x.nbytes for x in self._kept.values()) + made.nbytes > MAX_BYTES:
                self._kept.popitem(last=False)
            self._kept[name] = made
        self._kept.move_to_end(name)
        return self._kept[name]

    def accel(self, *arrays: np.ndarray) -> list[Any]:
        return [asarray(x) for x in arrays]

    def tensors(self, *arrays: np.ndarray) -> list[Any]:
        """torch tensors over the same memory."""
        return [self.tensor(x) for x in arrays]

    def tensor(self, x: np.ndarray) -> Any:
        if x.dtype == ml_dtypes.bfloat16:
            return self.torch.from_numpy(x.view(np.int16)).view(self.torch.bfloat16)
        return self.torch.from_numpy(x)

    def compiled(self, function: Callable[..., Any], *arrays: np.ndarray) -> Callable[[], Any]:
        """A call of jax.jit's function that returns when the result is there."""
        jitted, operands = self.jax.jit(function), [self.jax.numpy.asarray(x) for x in arrays]
        return lambda: jitted(*operands).block_until_ready()


def _draw(dtype: str, size: int, values: str, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    few = min(size, BLOCK)
    if dtype == "bool":
        drawn = random.random(few, np.float32) < (1 / 4096 if values == "sparse" else 0.5)
    elif "int" in dtype:
        low, high = (0, 8) if values == "shift" else (0 if dtype[0] == "u" else -100, 101)
        drawn = random.integers(low, high, few).astype(dtype)
    else:
        if values == "unit":
            drawn = random.random(few, np.float32) * np.float32(1.8) - np.float32(0.9)
        elif values == "share":
            drawn = random.random(few, np.float32) * np.float32(0.9) + np.float32(0.05)
        else:
            drawn = random.standard_normal(few, np.float32)
        if values in ("positive", "above-one"):
            drawn = np.abs(drawn) + np.float32(0.1 if values == "positive" else 1.01)
        drawn = drawn.astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    return np.resize(drawn, size)

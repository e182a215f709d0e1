"""Cases of assignment to elements that positions and masks select."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import asarray
from .case import Calls, Case, sampled
from .data import Data


def assignments() -> list[Case]:
    """Single elements, rows, and those of a mask, of 64K and 4M values."""
    return [
        *(_case(f"{n} elements", dtype, (n,), False) for dtype in ("float32", "int64") for n in (1 << 16, 1 << 22)),
        *(_case(f"{rows} rows of 256", "float32", (rows, 256), False) for rows in (256, 1 << 14)),
        *(_case(f"half of {2 * n} elements", "float32", (2 * n,), True) for n in (1 << 16, 1 << 22)),
    ]


def _case(name: str, dtype: str, shape: tuple[int, ...], mask: bool) -> Case:
    """As many values as there are elements, to places drawn by chance, or to every other element on average."""

    def build(data: Data) -> Calls:
        rng = np.random.default_rng(shape)
        x = data.array(dtype, shape)
        key = rng.integers(0, 2, shape).astype(bool) if mask else rng.integers(0, shape[0], shape[0])
        values = data.array(dtype, shape, key=1)[: int(key.sum())] if mask else data.array(dtype, shape, key=1)

        def assigned(target: Any, its_key: Any, its_values: Any) -> Any:
            target[its_key] = its_values
            return target

        own = x.copy(), key, values
        ours = (asarray(x, copy=True), *data.accel(key, values))
        peers = {"numpy": lambda: assigned(*own)}
        if data.torch is not None:
            theirs = data.tensor(x).clone(), data.tensor(key), data.tensor(values)
            peers["torch"] = lambda: assigned(*theirs)
        return Calls(lambda: assigned(*ours), peers, lambda: sampled(assigned(x.copy(), key, values)), sampled)

    return Case(f"{name}, {dtype}", dtype, build)

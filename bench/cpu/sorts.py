"""Cases of sorting: long vectors, and many short rows."""

from __future__ import annotations

import numpy as np

from ... import argsort, sort
from .case import Calls, Case, sampled
from .data import Data

SHAPES = ((1 << 16,), (1 << 22,))
ROWS = ((1 << 13, 8), (1 << 12, 16), (1 << 11, 32), (1 << 10, 64), (64, 1024))


def values() -> list[Case]:
    """Of vectors of 64K and 4M elements, and of their columns."""
    return [
        *(case(dtype, shape, False) for dtype in ("float32", "float64", "int32", "int64") for shape in SHAPES),
        case("float32", (1024, 64), False, axis=0),
    ]


def indices() -> list[Case]:
    """Of the same, stable."""
    return [*(case(dtype, shape, True) for dtype in ("float32", "float64", "int64") for shape in SHAPES)]


def rows() -> list[Case]:
    """64K elements in rows of 8 to 1024."""
    return [case("float32", shape, of_indices) for of_indices in (False, True) for shape in ROWS]


def case(dtype: str, shape: tuple[int, ...], of_indices: bool, axis: int = -1) -> Case:
    """Along one axis. NumPy's and torch's indices are stable, as accel's."""

    def build(data: Data) -> Calls:
        x = data.array(dtype, shape)
        (a,) = data.accel(x)
        if of_indices:
            ours, peers = lambda: argsort(a, axis=axis), {"numpy": lambda: np.argsort(x, axis=axis, kind="stable")}
        else:
            ours, peers = lambda: sort(a, axis=axis), {"numpy": lambda: np.sort(x, axis=axis)}
        if data.torch is not None:
            torch, tensor = data.torch, data.tensor(x)
            if of_indices:
                peers["torch"] = lambda: torch.argsort(tensor, dim=axis, stable=True)
            else:
                peers["torch"] = lambda: torch.sort(tensor, dim=axis)[0]
        return Calls(ours, peers, lambda: sampled(peers["numpy"]()), sampled)

    what = "argsort" if of_indices else "sort"
    return Case(f"{what} of {'x'.join(map(str, shape))} along axis {axis % len(shape)}, {dtype}", dtype, build)

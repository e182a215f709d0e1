"""Cases of elements that positions select."""

from __future__ import annotations

import numpy as np

from ... import take, take_along_axis
from .case import Calls, Case, sampled
from .data import Data


def takes() -> list[Case]:
    """Single elements, rows, columns, and other elements of each row, of 64K and 4M in the result."""
    return [
        *(elements(dtype, n) for dtype in ("float32", "int64") for n in (1 << 16, 1 << 22)),
        *(along(shape, count, axis) for shape, count in (((4096, 256), 256), ((4096, 1024), 4096)) for axis in (0, 1)),
        *(each_row(shape) for shape in ((256, 256), (2048, 2048))),
    ]


def _positions(count: int | tuple[int, ...], n: int) -> np.ndarray:
    return np.random.default_rng(n).integers(0, n, count)


def elements(dtype: str, n: int) -> Case:
    """As many elements of a vector as it has."""
    return _case(f"{n} elements", dtype, (n,), n, 0)


def along(shape: tuple[int, int], count: int, axis: int) -> Case:
    """Rows, or columns, of a matrix of float32."""
    return _case(f"{'x'.join(map(str, shape))} axis {axis} at {count}", "float32", shape, count, axis)


def _case(name: str, dtype: str, shape: tuple[int, ...], count: int, axis: int) -> Case:
    def build(data: Data) -> Calls:
        x, i = data.array(dtype, shape), _positions(count, shape[axis])
        a, b = data.accel(x, i)
        peers = {"numpy": lambda: np.take(x, i, axis)}
        if data.torch is not None:
            select, tensor, index = data.torch.index_select, data.tensor(x), data.tensor(i)
            peers["torch"] = lambda: select(tensor, axis, index)
        return Calls(lambda: take(a, b, axis=axis), peers, lambda: sampled(np.take(x, i, axis)), sampled)

    return Case(f"{name}, {dtype}", dtype, build)


def each_row(shape: tuple[int, int]) -> Case:
    """take_along_axis of a square of float32, along its rows."""

    def build(data: Data) -> Calls:
        x, i = data.array("float32", shape), _positions(shape, shape[1])
        a, b = data.accel(x, i)
        peers = {"numpy": lambda: np.take_along_axis(x, i, 1)}
        if data.torch is not None:
            gather, tensor, index = data.torch.gather, data.tensor(x), data.tensor(i)
            peers["torch"] = lambda: gather(tensor, 1, index)
        return Calls(
            lambda: take_along_axis(a, b, axis=1), peers, lambda: sampled(np.take_along_axis(x, i, 1)), sampled
        )

    return Case(f"{'x'.join(map(str, shape))} along axis 1", "float32", build)

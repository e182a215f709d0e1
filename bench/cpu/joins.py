"""Cases of arrays put side by side, moved and padded, of 64K and 4M float32 in the result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ... import concat, copy, flip, pad, roll
from .case import Calls, Case, sampled
from .data import Data

SIDES = (256, 2048)


def concats() -> list[Case]:
    """Two and eight parts along one axis, and along each axis of a square."""
    return [
        *(parted(f"{n} in {count}", (n // count,), count, 0) for n in (1 << 16, 1 << 22) for count in (2, 8)),
        *(parted(f"{n}x{n} axis {axis} in 4", _quarter(n, axis), 4, axis) for n in SIDES for axis in (0, 1)),
    ]


def rolls() -> list[Case]:
    """Vectors, and squares along each axis."""
    return [
        *(rolled((n,), n // 3, 0) for n in (1 << 16, 1 << 22)),
        *(rolled((n, n), n // 3, axis) for n in SIDES for axis in (0, 1)),
    ]


def flips() -> list[Case]:
    """Copies of vectors and squares in reverse order along each axis."""
    return [
        *(flipped((n,), 0) for n in (1 << 16, 1 << 22)),
        *(flipped((n, n), axis) for n in SIDES for axis in (0, 1)),
    ]


def pads() -> list[Case]:
    """One and eight elements around a vector and a square, zeros or mirrored."""
    return [
        *(padded((n,), 8, mode) for n in (1 << 16, 1 << 22) for mode in ("constant", "reflect")),
        *(padded((n, n), by, mode) for n in SIDES for by, mode in ((1, "constant"), (8, "constant"), (1, "reflect"))),
    ]


def _quarter(n: int, axis: int) -> tuple[int, ...]:
    return (n // 4, n) if axis == 0 else (n, n // 4)


def parted(name: str, shape: tuple[int, ...], count: int, axis: int) -> Case:
    """Parts of one shape along an axis."""

    def build(data: Data) -> Calls:
        parts = [data.array("float32", shape) for _ in range(count)]
        arrays = data.accel(*parts)
        peers: dict[str, Callable[[], Any]] = {"numpy": lambda: np.concatenate(parts, axis)}
        if data.torch is not None:
            cat, tensors = data.torch.cat, [data.tensor(x) for x in parts]
            peers["torch"] = lambda: cat(tensors, axis)
        return Calls(lambda: concat(arrays, axis=axis), peers, lambda: sampled(np.concatenate(parts, axis)), sampled)

    return Case(name, "float32", build)


def _case(
    name: str,
    shape: tuple[int, ...],
    ours: Callable[[Any], Any],
    numpys: Callable[[np.ndarray], np.ndarray],
    torchs: Callable[[Any, Any], Any],
) -> Case:
    def build(data: Data) -> Calls:
        x = data.array("float32", shape)
        (a,) = data.accel(x)
        peers: dict[str, Callable[[], Any]] = {"numpy": lambda: numpys(x)}
        if data.torch is not None:
            torch, tensor = data.torch, data.tensor(x)
            peers["torch"] = lambda: torchs(torch, tensor)
        return Calls(lambda: ours(a), peers, lambda: sampled(numpys(x)), sampled)

    return Case(f"{'x'.join(map(str, shape))} {name}", "float32", build)


def rolled(shape: tuple[int, ...], by: int, axis: int) -> Case:
    """A roll along an axis."""
    return _case(
        f"axis {axis}",
        shape,
        lambda a: roll(a, by, axis=axis),
        lambda x: np.roll(x, by, axis),
        lambda torch, x: torch.roll(x, by, axis),
    )


def flipped(shape: tuple[int, ...], axis: int) -> Case:
    """A reversed copy: accel's and NumPy's flip are views."""
    return _case(
        f"axis {axis}",
        shape,
        lambda a: copy(flip(a, axis=axis)),
        lambda x: np.flip(x, axis).copy(),
        lambda torch, x: torch.flip(x, (axis,)),
    )


def padded(shape: tuple[int, ...], by: int, mode: str) -> Case:
    """So many elements before and behind, along every axis."""
    widths = [by] * (2 * len(shape))

    def torchs(torch: Any, x: Any) -> Any:
        if mode == "constant":
            return torch.nn.functional.pad(x, widths)
        return torch.nn.functional.pad(x[None], widths, mode=mode)[0]  # torch mirrors the last axes of batches only

    return _case(f"by {by} {mode}", shape, lambda a: pad(a, by, mode), lambda x: np.pad(x, by, mode), torchs)

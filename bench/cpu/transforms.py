"""Cases of Fourier transforms of complex64 and float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ... import fft
from .case import Calls, Case, sampled
from .data import Data


def parts_of(x: np.ndarray) -> np.ndarray:
    """A sample of real and imaginary parts; of real numbers these."""
    some = sampled(x)
    if some.dtype.kind != "c":
        return some
    return np.stack([some.real, some.imag])


def transforms() -> list[Case]:
    """Of 2^10 to 2^20 elements, and of a square."""
    return [*(vector(1 << bits) for bits in (10, 13, 16, 18, 20)), square(1024)]


def vector(n: int) -> Case:
    """One vector of complex numbers."""
    return _case("fft", (n,), lambda x: fft.fft(x), np.fft.fft, lambda torch: torch.fft.fft)


def square(n: int) -> Case:
    """Both axes of a square of complex numbers."""
    return _case("fftn", (n, n), lambda x: fft.fftn(x), np.fft.fftn, lambda torch: torch.fft.fftn)


def _case(
    name: str,
    shape: tuple[int, ...],
    ours: Callable[[Any], Any],
    numpys: Callable[[np.ndarray], np.ndarray],
    torchs: Callable[[Any], Callable[[Any], Any]],
) -> Case:
    def build(data: Data) -> Calls:
        x = data.array("float32", (*shape, 2)).view(np.complex64)[..., 0]
        (a,) = data.accel(x)
        peers: dict[str, Callable[[], Any]] = {"numpy": lambda: numpys(x)}
        if data.torch is not None:
            of_torch, tensor = torchs(data.torch), data.torch.from_numpy(x)
            peers["torch"] = lambda: of_torch(tensor)
        return Calls(lambda: ours(a), peers, lambda: parts_of(numpys(x.astype(np.complex128))), parts_of)

    return Case(f"{name} {'x'.join(map(str, shape))}", "float32", build)

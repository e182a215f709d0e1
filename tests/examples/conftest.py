"""Where the examples run: tiny models on one device of each kind, and the bits that all of them must give."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import accel

sys.path += [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

OTHERS = {
    "baseline": ("cpu", {"cpu_isa": "baseline"}),
    "intel": ("opencl:intel", {}),
    "pocl": ("opencl:pocl", {}),
    "interpreter": ("triton:interpreter", {}),
}
"""What the CPU's best instruction set is compared with: a device, and settings."""


@pytest.fixture(params=OTHERS)
def same_bits(request: pytest.FixtureRequest) -> Callable[..., list[np.ndarray]]:
    """Runs a function of a device on the CPU and on another device, in reproducible mode, and compares the bytes of its
    results. Returns the CPU's. Skips with the reason where the other device is not to be had."""
    name, settings = OTHERS[request.param]
    try:
        other = accel.device(name)
    except accel.AccelError as error:
        pytest.skip(f"{request.param}: {error}")

    def results(
        function: Callable[..., tuple[accel.Array, ...]], device: accel.Device, **given: str
    ) -> list[np.ndarray]:
        with accel.config(numerics="reproducible", fallback="error", **given):
            return [np.asarray(x) for x in function(device)]

    def run(function: Callable[..., tuple[accel.Array, ...]]) -> list[np.ndarray]:
        want, got = results(function, accel.device("cpu")), results(function, other, **settings)
        assert [x.tobytes() for x in got] == [x.tobytes() for x in want], f"{request.param} differs from the CPU"
        return want

    return run


@pytest.fixture
def near() -> Callable[..., None]:
    """Asserts that an array is within 1e-4, relative in the Euclidean norm, of what float64 gives, and that a second
    float64 result, of a model with one thing wrong, is not."""

    def distance(got: object, want: np.ndarray) -> float:
        return float(np.linalg.norm(np.asarray(got, np.float64) - want) / np.linalg.norm(want))

    def check(got: object, want: np.ndarray, wrong: np.ndarray) -> None:
        assert np.asarray(got).shape == want.shape
        assert distance(got, want) < 1e-4
        assert distance(got, wrong) > 1e-3, "the control: a wrong model is seen"

    return check


@pytest.fixture
def torch() -> Iterator[Any]:
    """torch on one thread: two that wait for each other on a busy machine take a hundred times as long."""
    torch = pytest.importorskip("torch", reason="torch is not installed: it is in the extra torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield torch
    torch.set_num_threads(before)

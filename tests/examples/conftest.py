"""Where the examples run: one device of each kind, tiny models, the bits that all of them must give."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import accel

sys.path += [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

DEVICES = ("cpu", "opencl:intel", "opencl:pocl", "triton:interpreter")


@pytest.fixture
def same_bits() -> Callable[[Callable[[accel.Device], tuple[accel.Array, ...]]], list[np.ndarray]]:
    """Runs a function of a device on all that there are, in reproducible mode, and compares the bytes of its results.

    Returns the CPU's. Skips where the CPU would be compared with nothing.
    """

    def run(function: Callable[[accel.Device], tuple[accel.Array, ...]]) -> list[np.ndarray]:
        results = {}
        for name in DEVICES:
            try:
                device = accel.device(name)
            except accel.AccelError:
                continue
            with accel.config(numerics="reproducible", fallback="error"):
                results[name] = [np.asarray(x) for x in function(device)]
        if len(results) == 1:
            pytest.skip("no second device: the extras opencl-cpu and triton bring some")
        want = results["cpu"]
        with accel.config(numerics="reproducible", cpu_isa="baseline"):
            results["cpu, baseline"] = [np.asarray(x) for x in function(accel.device("cpu"))]
        for name, got in results.items():
            assert [x.tobytes() for x in got] == [x.tobytes() for x in want], f"{name} differs from cpu"
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

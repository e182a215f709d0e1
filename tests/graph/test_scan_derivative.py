"""Derivatives of scans against torch's and against exact ones: zeros, ties, axes, dtypes, large numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tracing import traced

import accel
from accel.conversion import from_numpy, to_numpy
from accel.graph.derivative import backward, forward

RNG = np.random.default_rng(9)
THEIRS = {
    "cumulative_sum": "cumsum",
    "cumulative_prod": "cumprod",
    "cumulative_max": "cummax",
    "cumulative_min": "cummin",
    "logcumsumexp": "logcumsumexp",
}


def gradient(name: str, x: np.ndarray, g: np.ndarray, **given: Any) -> np.ndarray:
    cpu = accel.device("cpu")
    array, cotangent = (from_numpy(v, cpu, copy=True) for v in (x, g))
    graph = traced(lambda v: getattr(accel, name)(v, **given), array)
    (found,) = backward(graph, forward(graph, [array]), [cotangent])
    assert found.dtype is array.dtype and found.shape == array.shape
    return to_numpy(found)


def of_torch(name: str, x: np.ndarray, g: np.ndarray, axis: int) -> np.ndarray:
    torch = pytest.importorskip("torch", reason="torch is not installed: it is in the extra torch")
    wide = torch.tensor(x.astype(np.float64), requires_grad=True)
    made = getattr(torch, THEIRS[name])(wide, dim=axis)
    (made if isinstance(made, torch.Tensor) else made[0]).backward(torch.tensor(g.astype(np.float64)))
    return wide.grad.numpy()


def operand(kind: str, shape: tuple[int, ...]) -> np.ndarray:
    x = RNG.standard_normal(shape)
    if kind == "ties":
        x = np.round(x)
    if kind == "zeros":
        x = np.where(RNG.uniform(size=shape) < 0.15, 0.0, x)
    if kind == "large":
        x = x * 300 + 900
    return x


@pytest.mark.parametrize("name", THEIRS)
@pytest.mark.parametrize("kind", ["plain", "ties", "zeros"])
@pytest.mark.parametrize(("shape", "axis"), [((7,), 0), ((5, 33), 1), ((33, 4), 0), ((2, 17, 3), -2), ((3, 1), 1)])
def test_against_torch(name, kind, shape, axis):
    x, g = operand(kind, shape), RNG.standard_normal(shape)
    want = of_torch(name, x, g, axis)
    got = gradient(name, x, g, axis=axis)
    np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-11)
    assert np.count_nonzero(want) and not np.allclose(got + 1e-6, want, rtol=1e-9, atol=1e-11), "a difference is seen"


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("name", THEIRS)
def test_dtypes(name, dtype):
    """16-bit floats by float32, rounded once."""
    kind = accel.dtypes.as_dtype(dtype)
    x, g = (RNG.standard_normal((3, 20)).astype(kind.numpy) for _ in range(2))
    want = of_torch(name, x, g, 1)
    got = gradient(name, x, g, axis=1).astype(np.float64)
    slack = 2.0**-20 if dtype == "float32" else float(accel.finfo(kind).eps) / 2
    assert (np.abs(got - want) <= slack * np.abs(want) + 2.0**-18 * np.abs(want).max()).all()


def test_a_zero_and_none_behind_another():
    """Before the first zero, at it, between two and behind both, by the definition."""
    x, g = np.array([2.0, 3.0, 0.0, 5.0, 0.0, 7.0]), np.array([1.0, 10.0, 100.0, 1e3, 1e4, 1e5])
    want = [sum(g[j] * np.prod(np.delete(x[: j + 1], i)) for j in range(i, 6)) for i in range(6)]
    assert gradient("cumulative_prod", x, g).tolist() == want
    assert want[2] == 600 + 1e3 * 30
    assert want[3:] == [0, 0, 0]


def test_large_numbers():
    """exp of them overflows; a sum of weights does not."""
    x, g = operand("large", (4, 50)), RNG.standard_normal((4, 50))
    got = gradient("logcumsumexp", x, g, axis=1)
    later = np.triu(np.ones((50, 50), bool))
    weights = np.exp(np.where(later, x[:, :, None] - np.logaddexp.accumulate(x, axis=1)[:, None], -np.inf))
    np.testing.assert_allclose(got, (weights * g[:, None]).sum(-1), rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(got, of_torch("logcumsumexp", x, g, 1), rtol=1e-9, atol=1e-10)


def test_the_last_of_equal_elements_gets_the_cotangent_and_nan_its_own():
    x, g = np.array([1.0, 3.0, 3.0, 2.0, 3.0, np.nan, 5.0, np.nan]), 2.0 ** np.arange(8)
    assert gradient("cumulative_max", x, g).tolist() == [1, 2, 4 + 8, 0, 16, 32 + 64, 0, 128]
    assert gradient("cumulative_max", x, g).tolist() == of_torch("cumulative_max", x, g, 0).tolist()
    assert gradient("cumulative_min", x, g).tolist() == of_torch("cumulative_min", x, g, 0).tolist()


def test_the_initial_element_and_nothing():
    x, g = np.array([2.0, 3.0]), np.array([9.0, 1.0, 10.0])
    assert gradient("cumulative_prod", x, g, include_initial=True).tolist() == [31, 20]
    assert gradient("cumulative_sum", x, g, include_initial=True).tolist() == [11, 10]
    for name in THEIRS:
        assert gradient(name, np.ones((2, 0)), np.ones((2, 0)), axis=1).shape == (2, 0)

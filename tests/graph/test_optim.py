"""accel.optim against torch.optim in float64, step by step; and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel import optim

torch = pytest.importorskip("torch", reason="torch is not installed: it is in the extra torch")

PAIRS = {
    "sgd": (optim.SGD(0.1), lambda p: torch.optim.SGD(p, 0.1)),
    "momentum": (optim.SGD(0.1, 0.9, 0.01), lambda p: torch.optim.SGD(p, 0.1, 0.9, weight_decay=0.01)),
    "nesterov": (optim.SGD(0.1, 0.9, nesterov=True), lambda p: torch.optim.SGD(p, 0.1, 0.9, nesterov=True)),
    "adam": (optim.Adam(), lambda p: torch.optim.Adam(p)),
    "adam decay": (optim.Adam(0.01, (0.8, 0.9), 1e-3, 0.1), lambda p: torch.optim.Adam(p, 0.01, (0.8, 0.9), 1e-3, 0.1)),
    "adamw": (optim.AdamW(0.02), lambda p: torch.optim.AdamW(p, 0.02)),
}


@pytest.mark.parametrize("pair", PAIRS)
@given(shapes=st.lists(st.lists(st.integers(0, 4), max_size=2), min_size=1, max_size=3), seed=st.integers(0, 99))
def test_torchs_steps(pair, shapes, seed):
    ours, theirs = PAIRS[pair]
    rng = np.random.default_rng(seed)
    parameters = {"layers": [rng.standard_normal(shape) for shape in shapes]}
    tensors = [torch.tensor(x, requires_grad=True) for x in parameters["layers"]]
    optimizer, state = theirs(tensors), ours.init(parameters)
    for number in range(3):
        gradient = {"layers": [np.asarray(rng.standard_normal(x.shape)) for x in parameters["layers"]]}
        for tensor, g in zip(tensors, gradient["layers"], strict=True):
            tensor.grad = torch.tensor(g)
        optimizer.step()
        parameters, state = ours.update(parameters, gradient, state)
        for x, tensor in zip(parameters["layers"], tensors, strict=True):
            np.testing.assert_allclose(x, tensor.detach().numpy(), 1e-12, 1e-12)
        assert state["step"] == number + 1
        if seed == 0 and parameters["layers"][0].size:
            assert (parameters["layers"][0] != tensors[0].detach().numpy() + 1e-9).all(), "the control"


def test_lion():
    p, g = np.array([1.0, -2.0, 3.0]), np.array([0.5, 0.0, -4.0])
    lion = optim.Lion(0.1, (0.9, 0.99), 0.5)
    after, state = lion.update(p, g, lion.init(p))
    np.testing.assert_allclose(after, p * (1 - 0.05) - 0.1 * np.sign(g))
    np.testing.assert_allclose(state["mean"], 0.01 * g)
    after, _ = lion.update(after, -g, state)
    np.testing.assert_allclose(after, (p * 0.95 - 0.1 * np.sign(g)) * 0.95 + 0.1 * np.sign(g))


def test_a_schedule_is_an_argument():
    p, g = np.ones(3), np.ones(3)
    sgd = optim.SGD(0.5)
    for rate in (0.1, 0.3):
        assert sgd.update(p, g, sgd.init(p), np.float64(rate))[0].tolist() == [1 - rate] * 3


def test_bits_and_16_bit_parameters():
    """The same bits on every device; moments of 16-bit parameters are float32."""
    found = []
    for device in ("cpu", "opencl:intel", "opencl:pocl", "triton:interpreter"):
        p = accel.asarray(np.linspace(-1, 1, 50), dtype=accel.bfloat16, device=device)
        w = accel.asarray(np.linspace(-1, 1, 50, dtype=np.float32), device=device)
        adam = optim.AdamW(0.1)
        state = adam.init((p, w))
        assert state["mean"][0].dtype == accel.float32
        parameters = (p, w)
        for _ in range(3):
            parameters, state = adam.update(parameters, (p, w), state)
        found.append([np.asarray(accel.astype(x, accel.float32)).tobytes() for x in (*parameters, *state["square"])])
    assert all(each == found[0] for each in found)


@given(st.floats(0.01, 10), st.integers(0, 99))
def test_clipping(max_norm, seed):
    rng = np.random.default_rng(seed)
    g = [rng.standard_normal(3), rng.standard_normal((2, 2))]
    tensors = [torch.zeros(x.shape, dtype=torch.float64, requires_grad=True) for x in g]
    for tensor, x in zip(tensors, g, strict=True):
        tensor.grad = torch.tensor(x)
    want = torch.nn.utils.clip_grad_norm_(tensors, max_norm)
    clipped, norm = optim.clip_by_global_norm(g, max_norm)
    np.testing.assert_allclose(norm, want, 1e-12)
    for x, tensor in zip(clipped, tensors, strict=True):
        np.testing.assert_allclose(x, tensor.grad, 1e-12)


P = np.ones((2, 3))


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: optim.SGD(-1.0), accel.ArgumentError, "SGD: learning_rate: expected a number from 0"),
        (lambda: optim.SGD(1.0, 1.5), accel.ArgumentError, "SGD: momentum"),
        (lambda: optim.Adam(betas=(0.9,)), accel.ArgumentError, "Adam: betas: expected two numbers"),
        (lambda: optim.AdamW(betas=0.9), accel.ArgumentError, "AdamW: betas"),
        (lambda: optim.Lion("fast"), accel.ArgumentError, "Lion: learning_rate: .* got 'fast'"),
        (
            lambda: optim.SGD().init(np.arange(3)),
            accel.DtypeError,
            "SGD.init: expected floating arrays, got one of int64",
        ),
        (lambda: optim.SGD().init({}), accel.ArgumentError, "at least one array"),
        (
            lambda: optim.SGD().update(P, P[0], optim.SGD().init(P)),
            accel.ShapeError,
            r"gradient: expected shape \(2, 3\)",
        ),
        (
            lambda: optim.SGD().update(P, [P], optim.SGD().init(P)),
            accel.ArgumentError,
            "gradient: expected the structure",
        ),
        (lambda: optim.Adam().update(P, P, optim.SGD().init(P)), accel.ArgumentError, "state: expected what Adam.init"),
        (lambda: optim.SGD().update(P, P, optim.SGD().init(P[0])), accel.ShapeError, r"state\['momentum'\]"),
        (lambda: optim.SGD().update(P, P, optim.SGD().init(P), P), accel.ShapeError, "learning_rate"),
        (lambda: optim.clip_by_global_norm(P, -1), accel.ArgumentError, "max_norm: expected a number from 0, got -1"),
    ],
)
def test_bad_input(call, error, match):
    with pytest.raises(error, match=match):
        call()

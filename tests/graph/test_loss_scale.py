"""accel.optim.LossScale against torch.amp.GradScaler, step by step; and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel import optim

torch = pytest.importorskip("torch", reason="torch is not installed: it is in the extra torch")

SCALING = optim.LossScale()
OK, BAD = np.array(True), np.array(False)


@given(
    st.lists(st.sampled_from([1.0, -3.0, np.inf, -np.inf, np.nan, 1e-42]), min_size=1, max_size=12),
    st.sampled_from([1.0, 65536.0, 3.0, 2.0**126]),
    st.sampled_from([(2.0, 0.5), (4.0, 0.25)]),
    st.integers(1, 3),
)
def test_the_rules_are_torchs(values, init_scale, factors, interval):
    """The scales, and which steps are skipped, whatever is not finite; up to where the scale would be infinite."""
    scaling = optim.LossScale(init_scale, *factors, interval)
    theirs = torch.amp.GradScaler("cpu", init_scale, *factors, interval)
    tensor = torch.zeros(2, requires_grad=True)
    optimizer, ours = torch.optim.SGD([tensor], 1.0), optim.SGD(1.0)
    p = {"w": np.zeros(2, np.float32), "idle": np.zeros((0, 3), np.float32)}
    state, scale = ours.init(p), scaling.init(p)
    for value in values:
        g = np.array([0.25, value], np.float32)
        tensor.grad = torch.from_numpy(g.copy())
        theirs.scale(torch.ones(()))  # makes its state
        theirs.unscale_(optimizer)
        theirs.step(optimizer)
        theirs.update()
        gradient, finite = scaling.unscale({"w": g, "idle": p["idle"]}, scale)
        assert finite == np.isfinite(g).all()
        np.testing.assert_array_equal(gradient["w"], tensor.grad.numpy())
        before = p["w"], state["step"]
        after = ours.update(p, gradient, state)
        (p, state), scale = scaling.update(scale, finite, after, (p, state))
        assert scale["scale"] == theirs.get_scale() and scale["steps"] == theirs._get_growth_tracker()
        assert (p["w"] == tensor.detach().numpy()).all()
        if not finite:
            assert p["w"].tobytes() == before[0].tobytes() and state["step"] == before[1]


def test_what_float16_loses_is_kept():
    """Gradients of float16 that are 0 without a scale: by plain calls, and in a compiled step of which nothing is read
    back; the first scales are too large. The gradient is float32, which an optimizer of float16 takes."""
    x = np.array([[1.5, 2.5]], np.float16)
    w = np.array([1.0, 2.0], np.float16)
    small = 2.0**-26

    def loss(w, x):
        return accel.sum(accel.astype(x @ w, accel.float32)) * small

    assert (accel.grad(loss)(w, x) == 0).all(), "the control"
    scaling, sgd = optim.LossScale(2.0**45, growth_interval=3), optim.SGD(2.0**20)

    def moved(w, gradient, state, scale):
        gradient, finite = scaling.unscale(gradient, scale)
        (w, state), scale = scaling.update(scale, finite, sgd.update(w, gradient, state), (w, state))
        return gradient, finite, w, state, scale

    def step(w, state, scale, x):
        value, gradient = accel.value_and_grad(lambda w: scaling.scale(loss(w, x), scale))(w)
        return value, *moved(w, gradient, state, scale)

    def apart(w, state, scale, x):
        value, gradient = accel.value_and_grad(lambda w, scale, x: scaling.scale(loss(w, x), scale))(w, scale, x)
        return value, *moved(w, gradient, state, scale)

    curves = []
    for run in (accel.fuse(step), apart):
        its, state, scale, curve = w, sgd.init(w), scaling.init(w), []
        for _ in range(16):
            _, gradient, finite, its, state, scale = run(its, state, scale, x)
            curve.append((bool(finite), float(scale["scale"]), float(state["step"]), its.tolist()))
            assert gradient.dtype == np.float32
            assert not finite or (gradient == x[0].astype(np.float32) * small).all()
        curves.append(curve)
        assert its.dtype == np.float16 and its[0] < w[0]
        assert [c[0] for c in curve[:2]] == [False, False] and curve[0][3] == w.tolist() and curve[0][2] == 0
        assert sum(c[0] for c in curve) == curve[-1][2]
    assert curves[0] == curves[1]


def test_the_bits_are_the_same_on_every_device():
    """NaN, whose sign is outside the contract, is not among these."""
    found = []
    for device in ("cpu", "opencl:intel", "opencl:pocl", "triton:interpreter"):
        scaling, lion = optim.LossScale(3.0, 1.7, 0.3, 2), optim.Lion(0.1)
        p = [
            accel.asarray(np.linspace(-1, 1, 8), dtype=dtype, device=device) for dtype in (accel.float16, accel.float32)
        ]
        state, scale, seen = lion.init(p), scaling.init(p), []
        for factor in (1.0, 1e9, 0.5, 0.7):
            g = [x * factor for x in p]
            gradient, finite = scaling.unscale(g, scale)
            (p, state), scale = scaling.update(scale, finite, lion.update(p, gradient, state), (p, state))
            seen += [np.asarray(x).tobytes() for x in (*gradient, finite, *p, *scale.values())]
        found.append(seen)
    assert all(each == found[0] for each in found)
    assert len(set(found[0][5::7])) > 1, "the scale changes"


def test_tensors_stay_tensors():
    w = torch.ones(3, dtype=torch.bfloat16)
    scale = SCALING.init([w])
    gradient, finite = SCALING.unscale([w], scale)
    assert gradient[0].dtype is torch.float32 and finite.dtype is torch.bool and SCALING.scale(w[0], scale) == 65536
    (kept, count), scale = SCALING.update(
        scale, torch.tensor(False), ([w * 2], torch.tensor(4)), ([w], torch.tensor(3))
    )
    assert (kept[0] == 1).all() and count == 3 and scale["scale"] == 32768 and scale["steps"].dtype is torch.int32


P = np.ones((2, 3), np.float32)
S = SCALING.init(P)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: optim.LossScale(0.0), accel.ArgumentError, "LossScale: init_scale: expected a float32 number above 0"),
        (lambda: optim.LossScale(1e39), accel.ArgumentError, "init_scale: .* got 1e"),
        (lambda: optim.LossScale(growth_factor=1.0), accel.ArgumentError, "growth_factor: .* above 1, got 1.0"),
        (lambda: optim.LossScale(backoff_factor=1.0), accel.ArgumentError, "backoff_factor: .* below 1, got 1.0"),
        (lambda: optim.LossScale(backoff_factor="2"), accel.ArgumentError, "backoff_factor: expected .* got '2'"),
        (lambda: optim.LossScale(growth_interval=0), accel.ArgumentError, "growth_interval: expected a whole number"),
        (lambda: optim.LossScale(growth_interval=2.0), accel.ArgumentError, "growth_interval: .* got 2.0"),
        (lambda: SCALING.init(np.arange(3)), accel.DtypeError, "LossScale.init: expected floating arrays"),
        (lambda: SCALING.scale(np.arange(3), S), accel.DtypeError, "LossScale.scale: expected floating arrays"),
        (lambda: SCALING.unscale([P, np.arange(2)], S), accel.DtypeError, "LossScale.unscale: expected floating"),
        (lambda: SCALING.unscale(P, P), accel.ArgumentError, "unscale: state: expected what LossScale.init gives"),
        (lambda: SCALING.scale(P, {**S, "steps": P}), accel.ArgumentError, r"state\['steps'\]: .* of int32"),
        (lambda: SCALING.scale(P, {**S, "scale": P}), accel.ArgumentError, r"state\['scale'\]: .* of float32"),
        (
            lambda: SCALING.update(S, True, P, P),
            accel.ArgumentError,
            "finite: expected a bool array without axes, got T",
        ),
        (lambda: SCALING.update(S, P > 0, P, P), accel.ArgumentError, "finite: expected a bool array without axes"),
        (lambda: SCALING.update(S, OK, [P], P), accel.ArgumentError, "after: expected the structure"),
        (lambda: SCALING.update(S, OK, P[0], P), accel.ShapeError, r"after: expected shape \(2, 3\), got \(3,\)"),
        (
            lambda: SCALING.update(S, BAD, np.arange(2), np.ones(2, int) > 0),
            accel.DtypeError,
            "after: expected dtype bool",
        ),
    ],
)
def test_bad_input(call, error, match):
    with pytest.raises(error, match=match):
        call()

"""examples/train.py: its curve has the same bits everywhere, is torch's, and goes down."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner

import accel
from examples import train
from examples.weights import seeded


@pytest.mark.parametrize(
    "same_bits", ["baseline", "intel", "pocl", pytest.param("interpreter", marks=pytest.mark.slow)], indirect=True
)
def test_the_curve_has_the_same_bits(same_bits, monkeypatch):
    tiny = {"first": (2, 1, 3, 3), "second": (3, 2, 3, 3), "head": (10, 3 * 4)}
    monkeypatch.setattr(
        train,
        "SHAPES",
        {f"{n}.{k}": s if k == "weight" else s[:1] for n, s in tiny.items() for k in ("weight", "bias")},
    )

    def run(device, seed=0):
        weights, curve = train.train(2, 3, seed, device)
        return curve, *weights.values()

    curve, *_ = same_bits(run)
    assert np.asarray(run(accel.device("cpu"), seed=1)[0]).tobytes() != curve.tobytes(), "another seed is seen"
    for threads in (1, 2):
        with accel.config(num_threads=threads):
            assert np.asarray(run(accel.device("cpu"))[0]).tobytes() == curve.tobytes(), threads


def test_torch_trains_as_well(torch, near):
    f = torch.nn.functional

    def theirs(rate):
        w = {
            name: torch.tensor(np.asarray(x, np.float64), requires_grad=True)
            for name, x in seeded(train.SHAPES, 0, "cpu").items()
        }
        optimizer, curve = torch.optim.AdamW(w.values(), rate), []
        for images, labels in train.batches(4, 16, 1, "cpu"):
            x = torch.tensor(np.asarray(images, np.float64))
            for name in ("first", "second"):
                x = f.max_pool2d(f.relu(f.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], padding=1)), 2)
            value = f.cross_entropy(
                x.flatten(1) @ w["head.weight"].T + w["head.bias"], torch.tensor(np.asarray(labels))
            )
            optimizer.zero_grad()
            value.backward()
            torch.nn.utils.clip_grad_norm_(w.values(), 1.0)
            optimizer.step()
            curve.append(float(value.detach()))
        return np.array(curve)

    near(train.train(4, 16, 0, "cpu")[1], theirs(0.01), theirs(0.02))


def test_the_command():
    result = CliRunner().invoke(train.main, ["--device", "cpu", "--steps", "40"])
    assert result.exit_code == 0, result.output
    assert float(result.output.split(" %")[0].split()[-1]) > 80, result.output
    losses = [float(line.split()[3]) for line in result.output.splitlines() if line.startswith("step")]
    assert losses[-1] < 0.2 * losses[0] and "SHA-256" in result.output, result.output


def test_half_trains_as_well():
    """In float16 with scaled gradients, whose first scale is too large for the loss; and an infinite image is passed
    over: nothing changes but the scale."""
    init, step = train.in_half(train.loss)
    weights = seeded(train.SHAPES, 0, "cpu")
    state, curve, scales = init(weights), [], []
    for images, labels in train.batches(40, 64, 1, "cpu"):
        value, weights, state = step(weights, state, accel.astype(images, accel.float16), labels)
        curve.append(float(value))
        scales.append(float(state["scale"]["scale"]))
    assert np.mean(curve[-5:]) < 0.3 * curve[0]
    assert min(scales) > 1024 and 35 <= float(state["optimizer"]["step"]) <= 40
    _, after, passed = step(weights, state, accel.astype(images * np.inf, accel.float16), labels)
    assert all(np.asarray(after[name]).tobytes() == np.asarray(w).tobytes() for name, w in weights.items())
    assert passed["optimizer"]["step"] == state["optimizer"]["step"] and passed["scale"]["scale"] == scales[-1] / 2

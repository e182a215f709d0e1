"""examples/train_text.py: its curve has the same bits everywhere, is torch's, and goes down."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner

import accel
from accel.demo import decoder
from examples import train_text
from examples.weights import seeded

TINY = decoder.Config(len(train_text.LETTERS), 8, 12, 1, 2, 1)


SLOW = [("pocl", False), ("interpreter", False), ("baseline", True), ("intel", True), ("interpreter", True)]
"""What compiles for long."""


@pytest.mark.parametrize(
    ("same_bits", "half"),
    [("baseline", False), ("intel", False), *(pytest.param(*each, marks=pytest.mark.slow) for each in SLOW)],
    indirect=["same_bits"],
)
def test_the_curve_has_the_same_bits(same_bits, monkeypatch, half):
    monkeypatch.setattr(train_text, "CONFIG", TINY)

    def run(device, seed=0):
        weights, curve = train_text.train(2, 2, 5, seed, device, half)
        return curve, *weights.values()

    curve, *_ = same_bits(run)
    with accel.config(numerics="reproducible"):
        assert np.asarray(run(accel.device("cpu"), seed=1)[0]).tobytes() != curve.tobytes(), "another seed is seen"
        for threads in (1, 2):
            with accel.config(num_threads=threads):
                assert np.asarray(run(accel.device("cpu"))[0]).tobytes() == curve.tobytes(), threads


def test_torch_trains_as_well(torch, near, monkeypatch):
    from examples.train_speed import TorchText

    monkeypatch.setattr(train_text, "CONFIG", TINY)

    def theirs(rate):
        weights = seeded(decoder.shapes(TINY), 0, "cpu")
        model = TorchText(TINY, {name: torch.tensor(np.asarray(x, np.float64)) for name, x in weights.items()}, rate)
        batches = train_text.batches(4, 3, 9, 1, "cpu")
        return np.array([float(model.step(*(torch.from_dlpack(x) for x in batch))) for batch in batches])

    near(train_text.train(4, 3, 9, 0, "cpu")[1], theirs(0.01), theirs(0.02))


@pytest.mark.parametrize("half", [[], ["--half"]])
def test_the_command(half):
    result = CliRunner().invoke(train_text.main, ["--device", "cpu", "--steps", "20", "--size", "4", *half])
    assert result.exit_code == 0, result.output
    losses = [float(line.split()[3]) for line in result.output.splitlines() if line.startswith("step")]
    assert losses[0] > 4.5 and losses[-1] < 3.5, result.output
    assert "SHA-256" in result.output and "\nYou may " in result.output

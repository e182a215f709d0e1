"""examples/train_speed.py: both libraries train the same network, and its table has a row for each."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner

from accel.demo import decoder
from examples import train_speed, train_text


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(train_text, "CONFIG", decoder.Config(len(train_text.LETTERS), 8, 12, 1, 2, 1))


def test_the_table():
    result = CliRunner().invoke(train_speed.main, ["--seconds", "0"])
    assert result.exit_code == 0, result.output
    assert len([line for line in result.output.splitlines() if re.search(r"\d\.\d\d \|", line)]) == 2, result.output


def test_another_loss_is_seen(monkeypatch):
    monkeypatch.setattr(
        train_speed.TorchDigits, "loss", lambda self, x, labels: self.weights["head.bias"].sum() + x.mean()
    )
    result = CliRunner().invoke(train_speed.main, ["--seconds", "0"])
    assert isinstance(result.exception, AssertionError) and "close" in str(result.exception)

"""examples/speed.py: its models in torch compute what the examples compute, and its table has a row for each."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner

import accel
from accel.demo import decoder
from examples import bert, speed, vit


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(speed, "DECODER", decoder.Config(64, 64, 128, 2, 4, 2))
    monkeypatch.setattr(speed, "BERT", bert.Config(32, 16, 32, 2, 2, 128))
    monkeypatch.setattr(speed, "VIT", vit.Config(16, 32, 2, 2, 32, 16, 3, 5))


def test_the_table():
    result = CliRunner().invoke(speed.main, ["--seconds", "0"])
    assert result.exit_code == 0, result.output
    rows = [line for line in result.output.splitlines() if re.search(r"\d\.\d\d \|", line)]
    assert len(rows) == 9, result.output


@pytest.mark.parametrize("rows", [lambda: speed.decoders(8, None), lambda: speed.berts(2, 8), lambda: speed.vits(2)])
def test_another_result_is_seen(rows):
    for row in rows():
        with pytest.raises(AssertionError, match="close"):
            speed.measured(row._replace(accel=lambda row=row: row.accel() + accel.asarray(0.1, device="cpu")), 0)

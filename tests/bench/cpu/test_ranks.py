"""The row-parallel layer beside torch's: what is printed, and that other results would be seen."""

import os
import re
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch import distributed  # noqa: E402

from accel.bench.cpu import ranks  # noqa: E402

pytestmark = pytest.mark.skipif(not distributed.is_gloo_available(), reason="this torch has no gloo")
ROW = r"^3 x 40 x 5(, with gradients)? +accel +[\d.]+  torch +[\d.]+  ratio +[\d.]+$"


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """On one rank, which is this process."""
    threads = torch.get_num_threads()
    monkeypatch.setattr(ranks, "CASES", ((3, 40, 5),))

    def run():
        ranks._process(0, 1, 0.001, str(tmp_path / "store"))
        return capsys.readouterr().out.splitlines()

    yield run
    if distributed.is_initialized():
        distributed.destroy_process_group()
    torch.set_num_threads(threads)


def test_a_row_for_each_pass(run):
    forward, backward = run()
    assert re.match(ROW, forward) and re.match(ROW, backward) and "with gradients" in backward


def test_results_that_are_apart_end_it(run, monkeypatch):
    from accel.torch import distributed as parallel

    right = parallel.row_parallel_linear
    monkeypatch.setattr(parallel, "row_parallel_linear", lambda *given, **named: right(*given, **named) * 1.01)
    with pytest.raises(SystemExit, match=r"3 x 40 x 5: results are 0\.01 of their norm apart"):
        run()


@pytest.mark.slow
def test_on_two_processes():
    command = [sys.executable, "-m", "accel.bench.cpu.ranks", "--seconds", "0.01"]
    ran = subprocess.run(
        command, capture_output=True, encoding="utf-8", timeout=300, env={**os.environ, "ACCEL_DEVICE": "cpu"}
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert ran.stdout.startswith("2 processes") and len(ran.stdout.splitlines()) == 1 + 2 * len(ranks.CASES)

"""`accel tune`: choices that crash, hang or give other bits, runs that end early and go on, bad arguments."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tuned_calls import asked, forget

import accel
from accel import tuning
from accel.bench.tune.cases import chosen
from accel.bench.tune.run import Run
from accel.cli import run as command_line

FIXTURES = Path(__file__).parents[1] / "fixtures"
AT, OTHER = (1, 1, 1), (0, 2, 2)


@pytest.fixture
def run(folder, intel, monkeypatch):
    """Runs the faulty process on one product, in the test's cache folder."""
    monkeypatch.setenv("ACCEL_CACHE_DIR", str(folder))
    monkeypatch.setenv("PYTHONPATH", str(FIXTURES))
    monkeypatch.setattr("accel.bench.tune.run.SECONDS", 0.01)

    def call(fault="", on_step=lambda its, choice: None):
        """on_step(the run, the choice that is measured next)"""
        monkeypatch.setenv("TUNING_FAULT", fault)
        cases = chosen(["matmul"], shapes=[(48, 48), (48, 48)])

        def step(text, left):
            on_step(its, tuple(map(int, text.rpartition(" ")[2].split(","))))

        its = Run("opencl:intel", cases, None, step, timeout=500.0, module="tuning_faults")
        return its.go()

    return call


def only_row(outcome):
    (row,) = tuning.of_the_user(outcome.identity)
    assert row == next(iter(outcome.rows.values())), "what is kept is what was found"
    return row


def test_the_fastest_is_kept_and_used(run, intel):
    found = run("fast")
    row = only_row(found)
    assert (row.choice, row.done, row.failed) == (AT, True, {}) and row.ratios[AT] < 0.9
    assert set(row.ratios) == {(1, 2, 2), AT, (0, 2, 2)}
    assert (found.calls, found.done, found.defects) == (1, 1, [])
    forget()
    kernel, call = asked(intel, 48, 48, 48)
    assert tuning.found(kernel, call) == (AT, "measured on this device, these shapes")


@pytest.mark.slow
def test_a_slow_one_is_not_used(run):
    row = only_row(run("slow"))
    assert row.choice != AT and row.ratios[AT] > 2


def test_what_crashes_or_gives_other_bits_is_marked_and_the_rest_is_measured(run, capsys):
    """Neither is used; other bits are a defect, which the exit code tells."""
    from accel.cli.tune import show

    found = run("crash bits")
    row = only_row(found)
    assert row.failed[OTHER].startswith("DifferentBits: other bits than with packed=1 rows=4 vectors=2")
    assert "signal 6 (SIGABRT)" in row.failed[AT] and set(row.failed) == {AT, OTHER}
    assert set(row.ratios) == {(1, 2, 2)} and row.done and row.choice not in row.failed
    assert any("SIGABRT" in note and "1,1,1" in note for note in found.notes)
    (defect,) = found.defects
    assert "opencl.matmul" in defect and "0,2,2" in defect
    assert show(found, None, False) == 1
    assert "DEFECT" in capsys.readouterr().out
    found.defects.clear()
    assert show(found, None, False) == 0


@pytest.mark.slow
def test_what_hangs_is_marked(run):
    def impatient(its, choice):
        its.timeout = 2.0 if choice == AT else 500.0

    row = only_row(run("hang", impatient))
    assert "out of time" in row.failed[AT] and row.done and set(row.ratios) == {(1, 2, 2), OTHER}


def test_a_process_that_cannot_start_is_an_error(run):
    with pytest.raises(accel.AccelError, match="ends before it measures"):
        run("start")


def test_an_interrupted_run_goes_on(run):
    """Ctrl-C after the second choice: what was measured is kept, and not measured again."""
    steps = []

    def interrupted(its, choice):
        steps.append(choice)
        if len(steps) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run("", interrupted)
    identity = accel.device("opencl:intel").identity()
    (row,) = tuning.of_the_user(identity)
    assert list(row.ratios) == [(1, 2, 2)] and not row.done and row.choice == row.default
    steps = []
    found = run("", lambda its, choice: steps.append(choice))
    assert only_row(found).done and (found.calls, found.done) == (1, 1)
    assert steps[:3] == [(1, 4, 2), AT, (0, 2, 2)], "the computed choice is always there to compare with"


@pytest.mark.slow
def test_what_is_done_is_not_measured_again(run):
    run("fast")
    steps = []
    again = run("fast", lambda its, choice: steps.append(choice))
    assert (again.calls, again.done, steps) == (1, 1, [])


@pytest.mark.slow
def test_the_time_ends_a_run(run):

    def late(its, choice):
        its.end = time.monotonic() + 1 if choice == AT else None

    found = run("hang", late)
    assert found.out_of_time and found.done == 0
    assert not only_row(found).done and AT not in only_row(found).failed


WRONG = {
    "device": (["--device", "opencl:nobody"], "opencl:nobody"),
    "no device": ([], "Missing option '--device'"),
    "minutes": (["--device", "cpu", "--minutes", "0"], "0 is not in the range x>0"),
    "negative minutes": (["--device", "cpu", "--minutes", "-1"], "is not in the range x>0"),
    "op": (["--device", "cpu", "--op", "matmull"], "op: unknown 'matmull'"),
    "model": (["--device", "cpu", "--model", "gpt"], "model: unknown 'gpt'"),
    "file": (["--device", "cpu", "--model", "nowhere.toml"], "--model nowhere.toml: "),
    "dtype": (["--device", "cpu", "--op", "matmul", "--shape", "4x4,4x4", "--dtype", "float99"], "float99"),
    "shape without op": (["--device", "cpu", "--shape", "4x4"], "--shape: expected one --op"),
    "shape": (["--device", "cpu", "--op", "matmul", "--shape", "4xx"], "4xx"),
    "folder": (["--device", "cpu", "--export", "/nowhere/file"], "there is no folder /nowhere"),
    "nothing tunable": (["--device", "cpu", "--op", "matmul", "--shape", "4x4,4x4"], "cpu has nothing to tune"),
    "op without tiles": (["--device", "opencl:intel", "--op", "exp", "--shape", "4x4"], "no call of these cases has"),
}


@pytest.mark.parametrize("what", WRONG)
def test_bad_arguments(what, folder, intel, capsys, monkeypatch):
    monkeypatch.setenv("ACCEL_CACHE_DIR", str(folder))
    arguments, words = WRONG[what]
    assert command_line(["tune", *arguments]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.slow
def test_the_command(folder, intel, tmp_path):
    """In a process of its own, with a table to ship; a signal ends it with what was measured kept."""
    environment = {**os.environ, "ACCEL_CACHE_DIR": str(folder), "PYTHONPATH": str(FIXTURES)}
    file = tmp_path / "table.json"
    line = [sys.executable, "-P", "-m", "accel", "tune", "--device", "opencl:intel", "--op", "matmul"]
    line += ["--shape", "16x16,16x16", "--dtype", "int32", "--export", str(file)]
    done = subprocess.run(line, env=environment, capture_output=True, encoding="utf-8", timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 of 1 calls are measured on opencl:" in done.stdout
    assert json.loads(file.read_bytes())["architecture"] == intel.architecture
    line += ["--again"]
    with subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        end = time.monotonic() + 300
        while all(row.done for row in tuning.of_the_user(intel.identity())) and time.monotonic() < end:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert b"interrupted; 0 of 1 calls are measured" in out

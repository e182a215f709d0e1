"""The seconds of a first call that compilers took."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time

import pytest
from faults import case

import accel
from accel.backends import compiling
from accel.bench.measure import trial

OPTIONS = trial.Options(seed=0, budget=0.02, max_noise=0.9, baselines=False)


def compile_s(device) -> float | None:
    record = trial.measure(case("right"), device, OPTIONS, lambda message: None)
    assert record["status"] == "PASS"
    return record["compile_s"]


def test_the_clock_counts_what_is_within_and_only_that():
    before = compiling.seconds()
    with pytest.raises(ValueError, match="syntax"), compiling.compiling():
        time.sleep(0.02)
        raise ValueError("syntax")
    time.sleep(0.02)
    assert 0.02 <= compiling.seconds() - before < 0.039


def test_nothing_is_compiled_on_the_cpu():
    assert compile_s(accel.device("cpu")) == 0


def test_a_backend_that_does_not_say_is_not_said_to_compile_nothing(faulty_device, monkeypatch):
    monkeypatch.setattr(compiling, "_total", 0.0)
    assert compile_s(faulty_device) is None


def test_a_program_is_compiled_once(tmp_path):
    """In a process of its own, whose cache is empty."""
    found = [d for d in accel.devices() if d.backend == "opencl"]
    if not found:
        pytest.skip("there is no OpenCL device: the extra opencl-cpu brings one")
    code = f"""
        import accel
        from accel.bench.measure import trial
        from accel.bench.cases.workload import select
        (case,) = select("quick", ["add"], [], ["float32"], "64K add")
        options = trial.Options(seed=0, budget=0.02, max_noise=0.9, baselines=False)
        for _ in range(2):
            record = trial.measure(case, accel.device("{found[0]}"), options, lambda message: None)
            print(record["status"], record["compile_s"], record["first_call_s"])
        """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=os.environ | {"ACCEL_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )
    (first, compiled, took), (again, nothing, _) = (line.split() for line in run.stdout.splitlines())
    assert first == again == "PASS"
    assert 0 < float(compiled) < float(took)
    assert float(nothing) == 0

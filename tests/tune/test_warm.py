"""`accel warm`: what it compiles is there for a later process, and a case that fails costs only itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import accel
from accel.bench.tune import warm
from accel.bench.tune.cases import chosen
from accel.cli import run as command_line

FIXTURES = Path(__file__).parents[1] / "fixtures"

MODEL = """
name = "tiny"
title = "Tiny"
dtypes = ["float32", "int32"]
source = "none"
phases.one = { rows = 24 }
layers = [
  { name = "up", op = "matmul", operands = [["rows", 40], [40, 72]], count = 1 },
  { name = "norm", op = "softmax", operands = [["rows", 72]], dtypes = ["float32"], count = 1, keywords.axis = -1 },
]
"""

CALLS = """
import numpy, accel
from accel.backends import opencl_program
built = []
real = opencl_program._load
def load(context, device, binary, options):
    found = real(context, device, binary, options)
    built.append(found is not None)
    return found
opencl_program._load = load
compiled, keep = [], opencl_program.cache_folder.keep
def kept(folder, files, exact=False):
    compiled.append(folder)
    return keep(folder, files, exact)
opencl_program.cache_folder.keep = kept
x, y = (accel.asarray(numpy.ones(shape, numpy.float32), device="opencl:intel") for shape in ((24, 40), (40, 72)))
numpy.asarray(accel.nn.softmax(accel.matmul(x, y), axis=-1))
print(len(built), all(built), compiled.count("opencl"))
"""


def test_a_later_process_compiles_nothing(folder, intel, tmp_path, capsys, monkeypatch):
    """A process that makes the calls finds every program in the cache; the control, a fresh cache, finds none."""
    file = tmp_path / "tiny.toml"
    file.write_text(MODEL, encoding="utf-8")
    monkeypatch.setenv("ACCEL_CACHE_DIR", str(folder))
    assert command_line(["warm", "--device", "opencl:intel", "--model", str(file), "--jobs", "2"]) == 0
    assert "3 of 3 cases are compiled for opencl:intel" in capsys.readouterr().out

    def calls(cache):
        environment = {**os.environ, "ACCEL_CACHE_DIR": str(cache)}
        command = [sys.executable, "-c", CALLS]
        done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    loaded, good, compiled = calls(folder)
    assert int(loaded) >= 2 and (good, compiled) == ("True", "0")
    assert int(calls(tmp_path / "other")[2]) == int(loaded)


@pytest.mark.parametrize("fault", ["crash", pytest.param("refuse", marks=pytest.mark.slow)])
def test_a_case_that_fails_costs_itself_only(folder, intel, monkeypatch, fault):
    monkeypatch.setenv("ACCEL_CACHE_DIR", str(folder))
    monkeypatch.setenv("PYTHONPATH", str(FIXTURES))
    monkeypatch.setenv("WARM_FAULT", fault)
    cases = [case for dtype in ("float32", "int32", "int8") for case in chosen(["add"], [], [(4, 4), (4, 4)], [dtype])]
    steps = []
    found = warm.run({"do": "warm", "device": "opencl:intel"}, cases, 1, steps.append, module="warming_faults")
    (name,) = found.failed
    assert "int32" in name and ("SIGABRT" if fault == "crash" else "CompileError: refused") in found.failed[name]
    assert set(found.compiled) == {case.id for case in cases} - {name} and len(steps) == 3


def test_an_unknown_device_is_an_error(folder):
    with pytest.raises(accel.AccelError, match="opencl:nobody"):
        warm.run({"do": "warm", "device": "opencl:nobody"}, chosen(["add"], [], [(4,), (4,)]), 1, print)


@pytest.mark.slow
def test_ctrl_c_ends_the_processes(folder, intel, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(FIXTURES))
    monkeypatch.setenv("WARM_FAULT", "hang")

    def interrupted(name):
        raise KeyboardInterrupt

    cases = [case for dtype in ("float32", "int32") for case in chosen(["add"], [], [(4, 4), (4, 4)], [dtype])]
    with pytest.raises(KeyboardInterrupt):
        warm.run({"do": "warm", "device": "opencl:intel"}, cases, 1, interrupted, module="warming_faults")

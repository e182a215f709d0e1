"""`make gpu`, by .ci/gpu: each part runs whatever the others do, none beyond its share, and the folder is whole."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tarfile
import time
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

import accel

SCRIPT = Path(__file__).parents[2] / ".ci" / "gpu"
pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="only in a source folder: .ci/gpu is not installed")


@pytest.fixture
def gpu(monkeypatch) -> ModuleType:
    """The script as a module."""
    loader = SourceFileLoader("ci_gpu", str(SCRIPT))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("ci_gpu", loader))
    monkeypatch.setitem(sys.modules, "ci_gpu", module)
    loader.exec_module(module)
    monkeypatch.setattr(module, "GRACE", 2.0)
    return module


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


STUBBORN = (
    "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('here', flush=True); time.sleep(60)"
)
MOTHER = (
    "import subprocess, sys, time; "
    f"print(subprocess.Popen([sys.executable, '-c', {STUBBORN!r}]).pid, flush=True); time.sleep(60)"
)


@pytest.mark.parametrize(
    ("code", "ended", "most"),
    [
        ("print('said')", "ok", 5.0),
        ("import sys; sys.exit(3)", "FAILED, exit code 3", 5.0),
        ("import os; os.abort()", "FAILED, exit code -6", 5.0),
        ("import time; time.sleep(60)", "STOPPED after 1 s", 5.0),
        (STUBBORN, "STOPPED after 1 s", 8.0),
    ],
)
def test_a_part_ends(gpu, code, ended, most, tmp_path):
    found, took = gpu.run(gpu.Part("part", 1, python(code), "said.log"), tmp_path, 5.0 if ended[0] != "S" else 1.0)
    assert found == ended
    assert took < most
    assert ("said" in (tmp_path / "said.log").read_text(encoding="utf-8")) == ("said" in code)


def test_what_a_part_started_ends_with_it(gpu, tmp_path):
    gpu.run(gpu.Part("part", 1, python(MOTHER), "pid.log"), tmp_path, 1.5)
    child = int((tmp_path / "pid.log").read_text(encoding="utf-8").split()[0])
    for _ in range(20):
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return
        if "Z" in Path(f"/proc/{child}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[:1]:
            return  # ended, and nobody has asked for its exit code
        time.sleep(0.1)
    pytest.fail("a process of a part that was stopped still runs")


def test_it_goes_on_where_a_part_fails(gpu, monkeypatch, tmp_path, capsys):
    parts = [
        gpu.Part("slow", 1, python("import time; time.sleep(60)"), "slow.log"),
        gpu.Part("measured", 1, python("raise SystemExit(4)"), "bench.log", "cpu"),
        gpu.Part("last", 1, python("print('the last')"), "last.log"),
    ]
    monkeypatch.setattr(gpu, "devices", lambda: ["cpu"])
    monkeypatch.setattr(gpu, "on_gpus", lambda gpus, folder: parts)
    folder = tmp_path / "report"
    monkeypatch.setattr(sys, "argv", ["gpu", "--folder", str(folder), "--seconds", "8"])
    assert gpu.main() == 1
    rows = {row["part"]: row for row in json.loads((folder / "summary.json").read_text(encoding="utf-8"))["parts"]}
    assert list(rows) == ["slow", "measured", "finish cpu", "report cpu", "last"]
    assert rows["slow"]["ended"].startswith("STOPPED")
    assert 1 <= rows["slow"]["seconds"] < 6
    assert rows["measured"]["ended"] == "FAILED, exit code 4"
    assert rows["last"]["ended"] == "ok"
    assert (folder / "last.log").read_text(encoding="utf-8") == "the last\n"
    with tarfile.open(f"{folder}.tar.gz") as archive:
        assert "report/summary.json" in archive.getnames()
    assert "1 of 5 parts ended well; not: slow, measured, finish cpu, report cpu" in capsys.readouterr().out


def test_names_are_taken_out(gpu, monkeypatch, tmp_path):
    monkeypatch.setattr(gpu.Path, "home", lambda: Path("/home/ada"))
    (tmp_path / "tests.xml").write_text(
        '<suite errors="0" hostname="ada-pc" tests="1">/home/ada/accel</suite>', encoding="utf-8"
    )
    gpu.without_names(tmp_path)
    assert (tmp_path / "tests.xml").read_text(encoding="utf-8") == '<suite errors="0" tests="1">~/accel</suite>'


def test_every_part_of_a_gpu_fits(gpu, tmp_path):
    """The shares, of which more than one GPU takes its own, and that every command line is one."""
    parts = gpu.on_gpus(["triton:0", "opencl:0"], tmp_path)
    assert [part.name for part in parts if part.measured] == ["bench triton:0", "bench opencl:0"]
    assert len({part.output for part in parts}) == len(parts)
    assert any(part.command[3:6] == ["pytest", "-m", "gpu"] for part in parts)
    for part in {part.command[4]: part for part in parts}.values():
        if "pytest" not in part.command:
            told = subprocess.run([*part.command, "--help"], capture_output=True, encoding="utf-8", timeout=60)
            assert told.returncode == 0 and told.stdout.startswith("Usage: "), told.stderr


@pytest.mark.skipif(any(device.kind == "gpu" for device in accel.devices()), reason="there is a GPU: make gpu uses it")
def test_without_a_gpu_it_says_so_and_runs_on_the_interpreter(tmp_path):
    pytest.importorskip("triton")
    folder = tmp_path / "report"
    command = [sys.executable, str(SCRIPT), "--folder", str(folder), "--seconds", "90"]
    command += ["--only", "conform triton:interpreter"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("No GPU is found on this machine")
    report = json.loads((folder / "conform-triton-interpreter.json").read_text(encoding="utf-8"))
    assert report["passed"] and report["device"] == "triton:interpreter"
    assert {row["op"] for row in report["rows"]} >= {"add", "sum"}

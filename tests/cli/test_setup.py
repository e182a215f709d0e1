"""What `make` says on a machine that lacks something, by .ci/venv."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

SCRIPT = Path(__file__).parents[2] / ".ci" / "venv"
pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="only in a checkout: .ci/venv is not installed")


def venv(folder: Path, python: str, *environment: str) -> subprocess.CompletedProcess:
    command = ["env", *environment, "bash", str(SCRIPT), str(folder), python]
    return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120)


def pretender(folder: Path, body: str) -> str:
    """A command that stands for a Python in which something is missing."""
    path = folder / "python"
    path.write_text(f"#!/bin/bash\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_it_makes_an_environment(tmp_path):
    done = venv(tmp_path / "made", sys.executable)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "made" / "build-env").exists()
    pip = subprocess.run(
        [tmp_path / "made" / "bin" / "python", "-m", "pip", "--version"], capture_output=True, encoding="utf-8"
    )
    assert pip.stdout.startswith("pip ")


def test_no_python(tmp_path):
    done = venv(tmp_path / "made", "python-that-is-not-there")
    assert done.returncode == 1
    assert "sudo apt-get install python3, or make PYTHON=/path/to/python3" in done.stderr


def test_an_old_python(tmp_path):
    python = pretender(tmp_path, 'if [ "$1" = --version ]; then echo Python 3.9.2; else exit 1; fi')
    done = venv(tmp_path / "made", python)
    assert done.returncode == 1
    assert "Python 3.9.2 is too old, 3.11 to 3.13 are needed" in done.stderr


def test_no_compiler(tmp_path):
    done = venv(tmp_path / "made", sys.executable, "CXX=compiler-that-is-not-there")
    assert done.returncode == 1
    assert "sudo apt-get install g++" in done.stderr
    assert not (tmp_path / "made").exists()


def test_no_ensurepip_and_no_way_around(tmp_path):
    """Neither ensurepip nor virtualenv nor apt-get: the one command is printed, and nothing is left behind."""
    body = f'case "$*" in *ensurepip*|*virtualenv*) exit 1;; *) exec {sys.executable} "$@";; esac'
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "rm", "mktemp", "g++"):
        (tools / name).symlink_to(shutil.which(name))
    done = venv(tmp_path / "made", pretender(tmp_path, body), f"PATH={tools}")
    assert done.returncode == 1
    assert "has no ensurepip: sudo apt-get install python3-venv" in done.stderr
    assert "-m pip install --user virtualenv" in done.stderr
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("target", ["demo", "test", "gpu"])
def test_make_installs_what_it_built_and_says_where(target, tmp_path):
    make = shutil.which("make")
    if make is None:
        pytest.skip("needs make, which is not installed")
    folder = tmp_path / "made"
    command = [make, "-n", target, f"VENV={folder}"]
    done = subprocess.run(command, cwd=SCRIPT.parents[1], capture_output=True, encoding="utf-8", timeout=60)
    assert done.returncode == 0, done.stderr
    installs = [line for line in done.stdout.replace("\\\n", "").splitlines() if " pip install " in line]
    assert any(line.endswith(f"{folder}/wheel/*.whl") for line in installs)
    assert any(f"--requirement {folder}/done/requirements-" in line for line in installs), "extras are of this tree"
    assert not any("accel" in line.replace(str(folder), "") for line in installs), (
        "no index is asked for a name of ours"
    )
    assert "minutes" in done.stdout
    assert f". {folder}/bin/activate" in done.stdout


EXTRAS = ["demo,opencl-cpu", "opencl,opencl-cpu,torch,demo,bench,test,docs", "dev", "all"]


@pytest.mark.parametrize("extras", EXTRAS)
def test_requirements_of_extras_are_the_distributions(extras):
    script = SCRIPT.parent / "requirements"
    done = subprocess.run([sys.executable, script, extras], capture_output=True, encoding="utf-8", timeout=60)
    assert done.returncode == 0, done.stderr
    found = set(map(Requirement, done.stdout.splitlines()))
    name = "accel-ops"
    assert found and name not in {each.name for each in found}, "no index is asked for a name of ours"
    distribution, asked, seen = list(map(Requirement, requires(name))), set(extras.split(",")), set()
    while asked != seen:
        seen = set(asked)
        for each in distribution:
            if each.name == name and any(each.marker.evaluate({"extra": extra}) for extra in seen):
                asked |= each.extras
    wanted = {
        each.name
        for each in distribution
        if each.name != name and each.marker and any(each.marker.evaluate({"extra": extra}) for extra in asked)
    }
    assert {each.name for each in found if each.marker is None or each.marker.evaluate()} == wanted

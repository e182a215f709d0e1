"""Wheels: which are built, by whom with which permissions, and that one installs from a folder and computes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.yml"))
FOLDER = Path(sys.prefix) / "wheel"
"""Where `make` leaves the wheel that it installs."""

pytestmark = pytest.mark.skipif(not WORKFLOWS, reason="only in a source tree")


def workflow(name: str) -> dict:
    return yaml.safe_load((ROOT / f".github/workflows/{name}.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_read_and_its_actions_are_of_a_major_version(path):
    text = path.read_text(encoding="utf-8")
    read = yaml.safe_load(text)
    assert read["permissions"] == {"contents": "read"}
    used = re.findall(r"uses: (\S+)", text)
    assert used
    for action in used:
        assert re.search(r"@v\d+$|@release/v\d+$|^\./", action), action
    assert "secrets." not in text, "trusted publishing needs none"
    for name, job in read["jobs"].items():
        assert "timeout-minutes" in job or name in ("publish", "build"), name


def test_only_what_publishes_may_more():
    allowed = {
        (path.stem, name): job["permissions"]
        for path in WORKFLOWS
        for name, job in workflow(path.stem)["jobs"].items()
        if "permissions" in job
    }
    assert allowed == {
        ("docs", "publish"): {"pages": "write", "id-token": "write"},
        ("release", "publish"): {"id-token": "write"},
    }


def test_each_platform_has_wheels_of_each_python():
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["cibuildwheel"]
    assert table["build"] == ["cp311-*", "cp312-*", "cp313-*", "cp314-*", "cp314t-*"]
    assert table["environment"]["ACCEL_BUILD_ISA"] == "all"
    assert table["environment"].items() <= table["macos"]["environment"].items(), "a platform's replace the others"
    rows = workflow("wheels")["jobs"]["wheels"]["strategy"]["matrix"]["include"]
    platforms = ["manylinux x86-64", "musllinux x86-64", "manylinux aarch64"]
    assert [row["platform"] for row in rows] == [*platforms, "macOS arm64", "macOS x86-64", "Windows x86-64"]
    script = table["test-command"].split("{project}/")[1].strip('"')
    assert (ROOT / script).is_file()


def smoke(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), *more])}
    command = [sys.executable, "-P", str(ROOT / "tests/fixtures/wheel_smoke.py")]
    return subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", timeout=300)


@pytest.mark.skipif(not list(FOLDER.glob("*.whl")), reason="make has left no wheel")
def test_a_wheel_installs_from_a_folder_and_computes(tmp_path):
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--disable-pip-version-check"]
    command = [*pip, "--find-links", str(FOLDER), "--target", str(tmp_path), "accel-ops"]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    assert list(tmp_path.glob("accel/_cpu.*")), "the wheel brings its kernels"
    done = smoke(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr

    target = tmp_path / "accel" / "nn.py"
    target.write_text(target.read_text(encoding="utf-8") + "\nsoftmax = lambda x, axis: x\n", encoding="utf-8")
    done = smoke(tmp_path)
    assert done.returncode == 1, "the control: what was installed is what computes, and another bit is seen"

"""The commit in a result file: of a checkout, or as a build left it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from accel.bench.machine import checkout
from accel.bench.machine import head as machine

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git, which is not installed")


def git(folder: Path, *arguments: str) -> None:
    names = ["-c", "user.name=Nobody", "-c", "user.email=nobody@example.org"]
    subprocess.run(["git", "-C", str(folder), *names, *arguments], check=True, capture_output=True)


def committed(folder: Path) -> Path:
    """A file that is tracked in a new checkout."""
    module = folder / "package" / "module.py"
    module.parent.mkdir()
    module.write_text("", encoding="utf-8")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    return module


def test_a_tracked_file_has_a_commit(tmp_path):
    module = committed(tmp_path)
    commit, dirty = checkout.commit(module)
    assert (len(commit), dirty) == (40, False)
    (tmp_path / "result.json").write_text("{}", encoding="utf-8")
    assert checkout.commit(module) == (commit, False), "a result file does not change the source"
    module.write_text("changed", encoding="utf-8")
    assert checkout.commit(module) == (commit, True)


def test_a_file_that_is_not_tracked_has_none(tmp_path):
    alone = tmp_path / "module.py"
    alone.write_text("", encoding="utf-8")
    assert checkout.commit(alone) == (None, None), "no checkout at all"
    git(tmp_path, "init", "-q")
    assert checkout.commit(alone) == (None, None), "a package installed inside of somebody's checkout"


def test_without_git_there_is_no_commit(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert checkout.checkout(Path(__file__)) == (None, None)


def test_a_build_leaves_its_commit(tmp_path):
    (tmp_path / "source").mkdir(), (tmp_path / "installed").mkdir()
    module, installed = committed(tmp_path / "source"), tmp_path / "installed" / "machine.py"
    checkout.leave(installed.parent, module)
    assert checkout.commit(installed) == checkout.checkout(module)
    module.write_text("changed", encoding="utf-8")
    checkout.leave(installed.parent, module)
    assert checkout.commit(installed)[1] is True
    shutil.rmtree(tmp_path / "source" / ".git")
    checkout.leave(installed.parent, module)
    assert checkout.commit(installed) == (None, None), "nothing of an earlier build stays"


def test_the_package_that_runs_knows_its_commit_where_it_comes_from_a_checkout():
    if checkout.checkout(Path(__file__)) != (None, None):
        commit, _ = checkout.commit(Path(machine.__file__))
        assert commit is not None and len(commit) == 40

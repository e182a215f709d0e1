"""Nothing that only POSIX systems have is needed for a call, a command's help, or the first look at a machine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from accel import system

SOURCES = Path(__file__).parents[2] / "csrc"

WITHOUT_POSIX = """
    import importlib, os, pkgutil, signal, sys

    import numpy, platformdirs  # of which the parts for this system are in place
    import asyncio, concurrent.futures, multiprocessing, subprocess, tempfile

    ABSENT = {"fcntl", "pwd", "grp", "resource", "termios", "tty", "pty", "posix"}
    for name in ABSENT:
        sys.modules[name] = None  # import raises ImportError
    for name in ("sysconf", "sched_getaffinity", "sched_setaffinity", "killpg", "getpgid", "setsid", "fork", "getuid",
                 "geteuid", "getloadavg", "register_at_fork", "mkfifo", "uname", "pread"):
        vars(os).pop(name, None)
    for name in ("SIGKILL", "SIGALRM", "SIGHUP", "SIGUSR1", "pthread_sigmask", "setitimer"):
        vars(signal).pop(name, None)
"""
"""Stands for Windows' Python: the modules and functions that it lacks are taken away."""

LOOKS = """
    import accel, accel.bench, accel.cli
    assert float(accel.sum(accel.ones((1000,), dtype="float32"))) == 1000
    for package in (accel.cli, accel.bench):
        for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if found.name.rpartition(".")[2] not in ("__main__", "worker", "child_main"):
                importlib.import_module(found.name)
    from accel.bench.machine.privacy import personal
    personal()
    from accel.cli import main
    print("imported")
    sys.argv = ["accel", "--help"]
    sys.exit(main())
"""


def run(program: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=240)


def test_a_python_without_posix_is_enough():
    done = run(textwrap.dedent(WITHOUT_POSIX) + textwrap.dedent(LOOKS))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("imported\n")
    assert "bench" in done.stdout


@pytest.mark.parametrize("uses", ["import fcntl", "os.sysconf('SC_PAGE_SIZE')", "signal.SIGKILL"])
def test_the_stand_in_lacks_them(uses):
    done = run(textwrap.dedent(WITHOUT_POSIX) + uses)
    assert done.returncode == 1
    assert "Error" in done.stderr


def test_what_needs_posix_says_so(monkeypatch):
    monkeypatch.setattr(os, "name", "nt")
    with pytest.raises(system.UnsupportedError, match=r"accel bench run: expected Linux or macOS, got "):
        system.require_posix("accel bench run")


def test_memory_is_the_machines_and_none_where_nobody_tells(monkeypatch):
    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert system.memory_bytes() == pages
    monkeypatch.delattr(os, "sysconf")
    assert system.memory_bytes() is None


SYSTEM_HEADERS = {"pthread.h", "sched.h", "signal.h", "unistd.h", "dlfcn.h", "windows.h", "malloc.h", "execinfo.h"}


def test_one_file_includes_what_a_system_has_of_its_own():
    found = {
        path.name
        for path in SOURCES.rglob("*.?pp")
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith("#include <")
        and ((name := line.split("<")[1].split(">")[0]) in SYSTEM_HEADERS or name.startswith("sys/"))
    }
    assert found == {"platform.hpp"}


def test_modules_of_posix_are_imported_where_they_are_used():
    root = Path(system.__file__).parent
    top = re.compile(r"^(import|from) (fcntl|pwd|grp|resource|termios|tty|pty)\b", re.MULTILINE)
    assert top.search("x\nimport pwd\n"), "the control"
    files = [path for folder in (root, root / "bench", root / "kernels") for path in folder.rglob("*.py")]
    assert [path.name for path in files if top.search(path.read_text(encoding="utf-8"))] == []

"""Ways to run the command line: here, in a child, on a pseudo-terminal, and with the base packages only."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path

import pytest

import accel
import accel.kernels
from accel.cli import run
from accel.packages import DISTRIBUTION

BASE = ("numpy", "ml_dtypes", "platformdirs", "click", "rich", "packaging", "markdown-it-py", "mdurl", "Pygments")
"""The distributions that accel depends on without any extra, and those that they depend on."""

QUIET = ("ACCEL_BACKEND", "ACCEL_DEVICE", "ACCEL_NUMERICS", "NO_COLOR", "FORCE_COLOR", "OCL_ICD_VENDORS")
"""Variables that a child does not inherit."""


def command_line(arguments: tuple[str, ...], environment: dict[str, str], python: str | Path) -> list[str]:
    cleared = [word for name in QUIET for word in ("-u", name)]
    # `accel doctor` then imports torch in no child; a test without children has it do so
    given = [f"{name}={value}" for name, value in {"ACCEL_OPENMP": "off", **environment}.items()]
    return ["env", *cleared, *given, str(python), "-P", "-m", "accel", *arguments]


def child(
    *arguments: str, environment: dict[str, str] | None = None, python: str | Path = sys.executable
) -> subprocess.CompletedProcess:
    """`accel ARGUMENTS` in a child process without a terminal."""
    command = command_line(arguments, environment or {}, python)
    return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=300, stdin=subprocess.DEVNULL)


@pytest.fixture(name="child")
def _child() -> Callable[..., subprocess.CompletedProcess]:
    return child


@pytest.fixture
def here(capsys) -> Callable[..., tuple[int, str, str]]:
    """Runs `accel ARGUMENTS` in this process; returns exit code, stdout and stderr."""

    def call(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(arguments)
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def terminal() -> Callable[..., tuple[int, str]]:
    """Runs `accel ARGUMENTS` on a pseudo-terminal of 200 columns; returns exit code and all that it printed."""

    def call(*arguments: str, environment: dict[str, str] | None = None) -> tuple[int, str]:
        shown = {"TERM": "xterm-256color", "COLUMNS": "200", **(environment or {})}
        main, side = pty.openpty()
        with subprocess.Popen(
            command_line(arguments, shown, sys.executable), stdin=side, stdout=side, stderr=side
        ) as process:
            os.close(side)
            parts = []
            while True:
                try:
                    part = os.read(main, 65536)
                except OSError:  # the other side is closed
                    break
                if not part:
                    break
                parts.append(part)
            code = process.wait(timeout=60)
        os.close(main)
        return code, b"".join(parts).decode()

    return call


def bare_environment(folder: Path, without: str | None = None) -> Path:
    """The Python of a virtual environment that holds accel and its base dependencies only, as links.

    without: a prefix of the names of accel's files that are left out."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--symlinks", str(folder)], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    for name in BASE:
        installed = distribution(name)
        tops = {file.parts[0] for file in installed.files} - {"..", "__pycache__"}
        for top in tops:
            (site / top).symlink_to(Path(str(installed.locate_file(top))))
    package = site / "accel"
    package.mkdir()
    for entry in Path(accel.__path__[0]).iterdir():
        if entry.name not in ("__pycache__", "kernels") and not (without and entry.name.startswith(without)):
            (package / entry.name).symlink_to(entry)
    (package / "kernels").symlink_to(accel.kernels.__path__[0])
    metadata = site / f"accel_ops-{accel.__version__}.dist-info"
    metadata.mkdir()
    installed = distribution(DISTRIBUTION)
    # PKG-INFO: in a source folder that something was built in, which `python -m pytest` looks into first
    described = installed.read_text("METADATA") or installed.read_text("PKG-INFO")
    (metadata / "METADATA").write_text(described, encoding="utf-8")
    (metadata / "entry_points.txt").write_text(installed.read_text("entry_points.txt"), encoding="utf-8")
    return folder / "bin" / "python"


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory) -> Path:
    """The Python of an environment with the base packages only."""
    return bare_environment(tmp_path_factory.mktemp("bare") / "venv")


@pytest.fixture(scope="session")
def python_without_native(tmp_path_factory) -> Path:
    """The same, where the compiled extension is missing as well."""
    return bare_environment(tmp_path_factory.mktemp("bare") / "venv", without="_cpu")

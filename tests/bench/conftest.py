"""Puts this folder's modules on the path, and runs the command line in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from accel.cli import run

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def accel_bench(capsys) -> Callable[..., tuple[int, str, str]]:
    """Runs `accel bench ARGUMENTS`; returns exit code, stdout and stderr."""

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(["bench", *map(str, arguments)])
        out, err = capsys.readouterr()
        return code, out, err

    return call

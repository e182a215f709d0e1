"""The control of the pages behind buffers: a kernel that reads one element too many is seen."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import guard_pages

import accel


def test_a_read_past_the_end_ends_the_process(device: accel.Device, tmp_path: Path) -> None:
    reads_past_the_end(str(device), tmp_path)


def test_so_does_one_of_the_cpu(tmp_path: Path) -> None:
    reads_past_the_end("cpu", tmp_path)


def reads_past_the_end(name: str, folder: Path) -> None:
    ran = subprocess.run(
        [sys.executable, str(Path(guard_pages.__file__)), name],
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        cwd=folder,
    )
    assert ran.returncode == -signal.SIGSEGV, ran.stderr
    assert "read 7" in ran.stdout
    assert "read 8" not in ran.stdout

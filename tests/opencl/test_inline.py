"""PoCL's two devices of a CPU, where POCL_DEVICES names both: light launches and maps run in the calling thread on the
one, all else in threads on the other. The variable is read once by a process, so that this is one of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pyopencl")

HERE = Path(__file__).parent

THERE = ("test_local_execution.py", "test_positions.py", "test_shared_memory.py", "test_out_of_memory.py")


def test_both_devices_serve_as_one(tmp_path: Path) -> None:
    """The tests of what depends on the queue, on PoCL."""
    chosen = [str(HERE / name) for name in THERE]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "pocl", *chosen],
        cwd=HERE.parents[1],
        env={**os.environ, "POCL_DEVICES": "pthread basic", "ACCEL_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    passed, skipped = (re.search(rf"(\d+) {what}", done.stdout) for what in ("passed", "skipped"))
    if passed is None and skipped is not None:
        pytest.skip("there is no OpenCL device 'pocl' here")
    assert passed is not None and int(passed[1]) > 90 and skipped is None, done.stdout

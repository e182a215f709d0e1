"""No kernel reads or writes outside its buffers, or races, on the simulator Oclgrind (Debian package oclgrind)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

OCLGRIND = shutil.which("oclgrind")
HARMLESS = {"clGetDeviceInfo", "clCreateKernel"}
"""Calls in which pyopencl itself asks for what a device need not have, and looks for a kernel named like one of its
attributes."""


def library() -> Path | None:
    """Oclgrind as a driver that an OpenCL loader can load."""
    if OCLGRIND is None:
        return None
    prefix = Path(OCLGRIND).resolve().parents[1]
    return next((f for f in (prefix / "lib/oclgrind").glob("liboclgrind-rt-icd.so*")), None)


pytestmark = pytest.mark.skipif(library() is None, reason="oclgrind is not installed (Debian package oclgrind)")


def report(mode: str, folder: Path) -> str:
    """What Oclgrind says of a run. pyopencl's loader takes one library in OCL_ICD_VENDORS."""
    pytest.importorskip("pyopencl")
    clean = {k: v for k, v in os.environ.items() if not k.startswith("ACCEL_")}
    ran = subprocess.run(
        [OCLGRIND, "--data-races", "--uniform-writes", "--check-api", "--max-errors", "100000",
         sys.executable, str(Path(__file__).with_name("under_oclgrind.py")), mode],
        env={**clean, "OCL_ICD_VENDORS": str(library()), "ACCEL_CACHE_DIR": str(folder)},
        capture_output=True,
        encoding="utf-8",
        timeout=600,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"done {mode}" in ran.stdout
    return ran.stdout + ran.stderr


def api_errors(said: str) -> set[str]:
    """Functions of the OpenCL interface that were called wrongly."""
    return set(re.findall(r"OpenCL runtime error detected\s+Function: (\w+)", said)) - HARMLESS


@pytest.mark.parametrize("geometry", ["loops", "lanes"])
def test_no_invalid_access_and_no_race(geometry: str, tmp_path: Path) -> None:
    said = report(geometry, tmp_path)
    assert not re.search(r"Invalid (read|write)|data race|[Dd]ivergence", said), said
    assert not api_errors(said), said


def test_both_would_be_seen(tmp_path: Path) -> None:
    said = report("control", tmp_path)
    assert "Invalid write" in said
    assert "past_the_end" in said
    assert "data race" in said
    assert "Kernel: race" in said

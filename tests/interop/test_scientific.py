"""scikit-learn and SciPy, by their support for the array API, on accel's arrays."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import accel

SCRIPT = Path(__file__).with_name("scientific.py")

KNOWN = {
    "KMeans": "takes NumPy's arrays only: it has no support for the array API in scikit-learn 1.9",
    "roc_auc_score": "calls diff with n by position, which the array API standard has by keyword only",
}
"""What does not run, and why that is the library's part."""


def first(backend: str) -> str:
    found = [str(device) for device in accel.devices() if device.backend == backend]
    if not found:
        pytest.skip(f"needs a device of {backend}")
    return found[0]


@pytest.mark.parametrize(
    ("backend", "which"),
    [
        ("cpu", "all"),
        ("opencl", "all"),
        pytest.param("triton", "quick", id="triton-quick", marks=pytest.mark.slow),
        pytest.param("triton", "long", id="triton-long", marks=pytest.mark.slow),
    ],
)
def test_they_give_numpys_results(backend, which):
    """Of Triton, quick are those that take its interpreter few seconds each (all but LONG of scientific.py)."""
    pytest.importorskip("sklearn", reason="scikit-learn is not installed: it is in the extra demo")
    device = first(backend)
    run = subprocess.run(
        [sys.executable, str(SCRIPT), device, which],
        capture_output=True, encoding="utf-8", check=False, env={**os.environ, "ACCEL_DEVICE": device},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout.splitlines()[-1])
    assert found.pop("control") == "gives other numbers"
    assert {name: why for name, why in found.items() if why and name not in KNOWN} == {}
    assert [name for name in KNOWN if found.get(name) == ""] == [], "runs now: take it off the list"
    if which != "all":
        assert len(found) == {"quick": 56, "long": 6}[which]

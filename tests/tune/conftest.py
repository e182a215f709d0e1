"""A cache folder of the test's own, and OpenCL's CPU device."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tuned_calls import forget

import accel
from accel import registry


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """The cache folder."""
    forget()
    with accel.config(cache_dir=str(tmp_path / "cache")):
        yield tmp_path / "cache"
    forget()


@pytest.fixture
def intel() -> accel.Device:
    """opencl:intel; skips with the reason where there is none."""
    reason = registry.unavailable("opencl")
    if reason is not None:
        pytest.skip(reason)
    found = registry.backend("opencl").device("intel")
    if found is None:
        pytest.skip("there is no OpenCL device 'intel' here")
    return found

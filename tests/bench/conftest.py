"""Puts this folder's modules on the path, and runs the command line in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import accel
from accel import registry
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


@pytest.fixture
def faulty_device(monkeypatch) -> Iterator[accel.Device]:
    """The device of `faulty_backend`, in this process."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "faulty_backend"))
    from accel_faulty_backend.backend import FaultyBackend

    backend = FaultyBackend()
    monkeypatch.setitem(registry._backends, "faulty", backend)
    yield backend.devices()[0]
    registry.kernels.cache_clear()
    accel.dispatch.forget()
    for name in [name for name in sys.modules if name.startswith("accel_faulty_backend")]:
        del sys.modules[name]

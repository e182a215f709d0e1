"""The backend of faults, plugged in as an installed distribution is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from accel import registry

SOURCE = Path(__file__).parent / "wrong_backend"

METADATA = "Metadata-Version: 2.1\nName: accel-wrong-backend\nVersion: 1.0\n"
ENTRY_POINTS = """[accel.backends]
wrong = accel_wrong_backend.backend:backend

[accel.backend_info]
wrong = accel_wrong_backend:INFO
"""


def _forget() -> None:
    registry._entry_points.cache_clear()
    registry.kernels.cache_clear()
    registry._backends.pop("wrong", None)


@pytest.fixture(scope="module")
def wrong_backend(tmp_path_factory) -> Iterator[None]:
    """Registers the backend ``wrong`` for the tests of a module."""
    site = tmp_path_factory.mktemp("site")
    metadata = site / "accel_wrong_backend-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(METADATA, encoding="utf-8")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS, encoding="utf-8")
    added = [str(SOURCE), str(site)]
    sys.path += added
    _forget()
    yield
    sys.path[:] = [path for path in sys.path if path not in added]
    _forget()

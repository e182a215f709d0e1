"""Puts this folder's modules on the path, and builds the generated C++ once per instruction set."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import scalar_native


@pytest.fixture(scope="session", params=filter(scalar_native.runs, scalar_native.ISAS), ids=lambda isa: isa.name)
def native(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> scalar_native.Library:
    """The generated header's loops compiled for one instruction set."""
    return scalar_native.library(request.param, shared(tmp_path_factory))


@pytest.fixture(scope="session")
def fastest(tmp_path_factory: pytest.TempPathFactory) -> scalar_native.Library:
    """Sweeps over the generated header's functions, compiled for the best instruction set of this machine."""
    return scalar_native.library(scalar_native.best(), shared(tmp_path_factory), "sweeps")


@pytest.fixture(scope="session")
def compiled_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where they are compiled."""
    return shared(tmp_path_factory)


def shared(factory: pytest.TempPathFactory) -> Path:
    """A folder of this run; where several processes test, of all of them."""
    own = factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

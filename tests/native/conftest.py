"""The native extension, past the Python layers above it; every test that asks for `isa` runs on each."""

from __future__ import annotations

import ctypes.util
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from interrupts import interrupts  # noqa: F401

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))


def source_folder() -> Path:
    spec = importlib.util.find_spec("accel")
    assert spec is not None and spec.submodule_search_locations
    return Path(next(iter(spec.submodule_search_locations)))


def load(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


NAMED = os.environ.get("ACCEL_NATIVE_MODULE")
"""Another build of the extension than the installed one (tests/native/sanitize.sh names one)."""

# One process cannot hold two builds: pybind11 registers their types under one name. So the package finds this one too.
CPU = load("accel._cpu", Path(NAMED)) if NAMED else importlib.import_module("accel._cpu")


@pytest.fixture(scope="session")
def cpu() -> ModuleType:
    return CPU


def sources(name: str) -> ModuleType:
    """A module of accel from its source, without accel/__init__.py."""
    if "accel_sources" not in sys.modules:
        parent = ModuleType("accel_sources")
        parent.__path__ = [str(source_folder())]
        sys.modules["accel_sources"] = parent
        sys.modules["accel_sources._core"] = importlib.import_module("accel._core")  # of which a process has one
    return importlib.import_module(f"accel_sources.{name}")


@pytest.fixture(scope="session")
def openmp_library() -> str:
    """An OpenMP runtime that knows the calls of GCC's compiled code: the one that torch brings, or the system's."""
    torch = importlib.util.find_spec("torch")
    found = Path(torch.origin).parent.glob("lib/libgomp*.so*") if torch is not None and torch.origin else ()
    library = next(map(str, found), None) or ctypes.util.find_library("gomp")
    if library is None:
        pytest.skip("neither torch nor the system brings libgomp")
    return library


@pytest.fixture(scope="session")
def ieee() -> ModuleType:
    return sources("ieee")


@pytest.fixture(scope="session")
def scalar() -> ModuleType:
    return sources("scalar")


@pytest.fixture(scope="session")
def evaluate() -> Callable[..., Any]:
    """The NumPy evaluator of scalar programs."""
    return sources("scalar.evaluate").evaluate


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "isa" in metafunc.fixturenames:
        metafunc.parametrize("isa", CPU.isas())

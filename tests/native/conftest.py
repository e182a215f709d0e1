"""Loads the native extension by itself, without importing accel, and runs every test that asks for `isa` on each."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))


def source_folder() -> Path:
    spec = importlib.util.find_spec("accel")
    assert spec is not None and spec.submodule_search_locations
    return Path(next(iter(spec.submodule_search_locations)))


def extension_path() -> Path:
    """The built module; ACCEL_NATIVE_MODULE names another build of it (tests/native/sanitize.sh does)."""
    named = os.environ.get("ACCEL_NATIVE_MODULE")
    if named:
        return Path(named)
    found = [p for s in importlib.machinery.EXTENSION_SUFFIXES for p in source_folder().glob(f"_cpu{s}")]
    assert found, "accel._cpu is not built: pip install -e ."
    return found[0]


def load(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


CPU = load("_cpu", extension_path())


@pytest.fixture(scope="session")
def cpu() -> ModuleType:
    return CPU


def sources(name: str) -> ModuleType:
    """A module of accel from its source, without accel/__init__.py."""
    if "accel_sources" not in sys.modules:
        parent = ModuleType("accel_sources")
        parent.__path__ = [str(source_folder())]
        sys.modules["accel_sources"] = parent
    return importlib.import_module(f"accel_sources.{name}")


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

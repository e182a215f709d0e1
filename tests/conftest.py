"""Shared by all tests: hypothesis profiles, markers, and the devices that agreement is tested on."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Generator, Iterator

import pytest
from hypothesis import HealthCheck, settings
from interrupts import interrupts  # noqa: F401
from targets import TARGETS, Target

import accel

settings.register_profile(
    "quick", derandomize=True, database=None, deadline=None, max_examples=10, suppress_health_check=list(HealthCheck)
)
settings.register_profile(
    "deep", deadline=None, max_examples=500, print_blob=True, suppress_health_check=list(HealthCheck)
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--deep", action="store_true", help="many random examples, and the tests marked slow")


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("deep" if config.getoption("--deep") else "quick")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Modules and the tests made of them stay: a million objects, in which looking for garbage takes a second each
    time, a quarter of the collection's and some of every later one."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_report_header(config: pytest.Config) -> str | None:
    return None if config.getoption("--deep") else "tests marked slow are left out: --deep runs them (make deep)"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--deep"):  # thousands: as skipped tests they would cost half a minute
        slow = [item for item in items if item.get_closest_marker("slow")]
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if not item.get_closest_marker("slow")]
    gpu = _gpu()
    for item in items:
        if item.get_closest_marker("gpu") and not gpu:
            item.add_marker(pytest.mark.skip(reason="needs a GPU that a backend finds; this machine has none"))


def _gpu() -> bool:
    return any(device.kind == "gpu" for device in accel.devices())


@pytest.fixture(
    params=[pytest.param(t, marks=[pytest.mark.gpu] if t.name == "gpu" else []) for t in TARGETS], ids=lambda t: t.name
)
def target(request: pytest.FixtureRequest) -> Target:
    return request.param


@pytest.fixture(autouse=True)
def _no_silent_fallback() -> Iterator[None]:
    """A fallback that a test does not expect is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", accel.FallbackWarning)
        yield

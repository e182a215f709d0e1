"""Shared by all tests: hypothesis profiles, markers, and the devices that agreement is tested on."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from interrupts import interrupts  # noqa: F401

import accel

settings.register_profile(
    "quick", derandomize=True, database=None, deadline=None, max_examples=25, suppress_health_check=list(HealthCheck)
)
settings.register_profile(
    "deep", deadline=None, max_examples=500, print_blob=True, suppress_health_check=list(HealthCheck)
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--deep", action="store_true", help="many random examples, and the tests marked slow")


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("deep" if config.getoption("--deep") else "quick")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("slow") and not config.getoption("--deep"):
            item.add_marker(pytest.mark.skip(reason="slow: runs with --deep (make deep)"))
        if item.get_closest_marker("gpu") and not _gpu():
            item.add_marker(pytest.mark.skip(reason="needs a GPU that a backend finds; this machine has none"))


def _gpu() -> bool:
    return any(device.kind == "gpu" for device in accel.devices())


@dataclass(frozen=True)
class Target:
    """A device under test, the settings that it is tested with, how many drawn examples it gets in the quick profile,
    and elements of its largest edge examples."""

    name: str
    device: str
    examples: int
    edges: int
    settings: dict[str, Any] = field(default_factory=dict)

    @contextlib.contextmanager
    def in_force(self) -> Iterator[accel.Device]:
        """The device, with the settings in force; skips with the reason where it is not to be had."""
        with accel.config(**self.settings):
            try:
                found = accel.device(self.device)
                if found.backend == "cpu":
                    accel.add(accel.ones(1, device=found), 1)  # an instruction set that the machine lacks raises here
            except accel.AccelError as error:
                pytest.skip(f"{self.name}: {error}")
            yield found


TARGETS = (
    *(Target(f"cpu-{isa}", "cpu", 8, 10_000, {"cpu_isa": isa}) for isa in ("avx512", "avx2", "neon", "baseline")),
    Target("intel", "opencl:intel", 3, 128),
    Target("pocl", "opencl:pocl", 2, 128),
    Target("interpreter", "triton:interpreter", 2, 2),
    Target("emulated-sm_80", "triton:emulated-sm_80", 2, 2),
    Target("emulated-sm_90", "triton:emulated-sm_90", 2, 2),
    pytest.param(Target("gpu", "triton:0", 6, 1 << 22), marks=pytest.mark.gpu),
)


@pytest.fixture(params=TARGETS, ids=lambda target: target.name)
def target(request: pytest.FixtureRequest) -> Target:
    return request.param


@pytest.fixture(autouse=True)
def _no_silent_fallback() -> Iterator[None]:
    """A fallback that a test does not expect is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", accel.FallbackWarning)
        yield

"""Names of devices, the default device, and what an explicit choice that cannot be met says."""

from __future__ import annotations

import pytest

import accel
from accel import registry
from accel.backends.base import BackendInfo


def test_every_device_is_accepted_back_by_its_name():
    found = accel.devices()
    assert "cpu" in [str(d) for d in found]
    for device in found:
        assert accel.device(str(device)) is device


@pytest.mark.parametrize("name", ["vulkan", "vulkan:0", "", ":0"])
def test_unknown_backend_in_a_name(name):
    with pytest.raises(accel.DeviceError, match=r"registered backends: .*cpu"):
        accel.device(name)


@pytest.mark.parametrize("name", ["cpu:7", "cpu:fast", "null:3"])
def test_unknown_device_of_a_backend(name):
    with pytest.raises(accel.DeviceError, match=r"the devices of .* are: "):
        accel.device(name)


def test_wrong_type():
    with pytest.raises(accel.DeviceError, match="expected a name or a device, got int"):
        accel.device(3)


class TestDefault:
    def test_automatic_never_takes_a_device_that_must_be_named(self):
        assert accel.default_device().selection == "automatic"

    def test_device_setting(self):
        with accel.config(device="null:0"):
            assert str(accel.default_device()) == "null:0"
        with accel.config(device="cpu:9"), pytest.raises(accel.DeviceError, match=r"^config\(device\): .*cpu:9"):
            accel.default_device()

    def test_backend_list(self):
        with accel.config(backend="cpu"):
            assert str(accel.default_device()) == "cpu"
        with accel.config(backend="null"):
            assert str(accel.default_device()) == "null:0"
        with accel.config(backend="null,cpu"):
            assert str(accel.default_device()) == "cpu", "a device that is not automatic needs its backend listed alone"

    def test_unknown_backend_raises_even_behind_a_usable_one(self):
        with (
            pytest.raises(accel.ConfigError, match="unknown backend 'vulkan'"),
            accel.config(backend="cpu,vulkan"),
        ):
            pass

    def test_environment_is_named(self, monkeypatch):
        monkeypatch.setenv("ACCEL_BACKEND", "vulkan")
        accel.config.reload()
        try:
            with pytest.raises(accel.ConfigError, match="ACCEL_BACKEND='vulkan': unknown backend 'vulkan'"):
                accel.ones(2)
        finally:
            monkeypatch.undo()
            accel.config.reload()


class TestFailingBackends:
    """A backend that cannot start is reported, remembered, and harms nothing else."""

    @pytest.fixture
    def listed(self, monkeypatch):
        def add(factory, info=None):
            class Point:
                def __init__(self, value):
                    self.value = "elsewhere:backend"
                    self.load = lambda: value

            points = {
                **registry._entry_points(),
                "broken": (Point(factory), Point(info or BackendInfo("broken", "test"))),
            }
            monkeypatch.setattr(registry, "_entry_points", lambda: points)
            registry._backends.pop("broken", None)

        yield add
        registry._backends.pop("broken", None)

    def test_factory_that_raises(self, listed):
        calls = []

        def factory():
            calls.append(1)
            raise OSError("libvendor.so: no such file")

        listed(factory)
        for _ in range(2):
            with pytest.raises(
                accel.BackendUnavailableError, match=r"'broken' failed to start: OSError: libvendor\.so"
            ):
                accel.device("broken:0")
        assert len(calls) == 1, "the failure is remembered"
        assert "cpu" in [str(d) for d in accel.devices()]
        assert "libvendor.so" in registry.unavailable("broken")

    def test_other_version_of_the_contract(self, listed):
        listed(lambda: None, BackendInfo("broken", "test", api_version=99))
        with pytest.raises(accel.BackendUnavailableError, match=r"version 99 .* this accel has version 1"):
            accel.device("broken:0")

    def test_listed_alone_it_raises_with_the_reason(self, listed):
        def factory():
            raise accel.BackendUnavailableError("no driver: install it with X")

        listed(factory)
        with (
            accel.config(backend="broken"),
            pytest.raises(accel.BackendUnavailableError, match="no driver: install it with X"),
        ):
            accel.default_device()
        with accel.config(backend="broken,cpu"):
            assert str(accel.default_device()) == "cpu"


def test_synchronize():
    accel.synchronize()
    accel.synchronize("cpu")
    with pytest.raises(accel.DeviceError):
        accel.synchronize("vulkan:1")


def test_public_names_are_functions_values_and_two_namespaces():
    import types

    modules = [name for name in accel.__all__ if isinstance(getattr(accel, name), types.ModuleType)]
    assert modules == ["nn", "special"]
    assert all(hasattr(accel, name) for name in accel.__all__)

"""Names of devices, the default device, and what an explicit choice that cannot be met says."""

from __future__ import annotations

import copy
import dataclasses
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import accel
from accel import registry
from accel.backends.base import BackendInfo, Device


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
        message = r"version 99 .* this accel has version 2: .*docs/backend-contract\.md"
        with pytest.raises(accel.BackendUnavailableError, match=message):
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


def test_public_names_are_functions_values_and_namespaces():
    import types

    modules = [name for name in accel.__all__ if isinstance(getattr(accel, name), types.ModuleType)]
    assert modules == ["fft", "linalg", "nn", "optim", "random", "special"]
    assert all(hasattr(accel, name) for name in accel.__all__)


# one object in a process


@dataclasses.dataclass
class Model:
    """An application's object that holds an array, its device and its dtype."""

    x: accel.Array
    device: accel.Device
    dtype: accel.DType
    deeper: list = dataclasses.field(default_factory=list)


def model(device: accel.Device) -> Model:
    x = accel.full((3,), 2, device=device)
    return Model(x, device, x.dtype, [{"device": device, "x": x}, x.layout])


def check(model: Model, device: accel.Device) -> None:
    """Computes with an array of one device and one of each other object that the model holds."""
    for each in (model.x.device, model.device, model.deeper[0]["device"], model.deeper[0]["x"].device):
        assert each is device
        assert each in {device: 1}
    assert model.dtype is accel.int64 is model.x.dtype
    assert model.deeper[1] is model.x.layout
    assert accel.add(model.x, accel.ones(3, dtype=model.dtype, device=model.device)).device is device


def names() -> list[str]:
    return [str(d) for d in accel.devices()]


@pytest.mark.parametrize("name", names())
def test_a_copied_device_is_the_same_device(name):
    device = accel.device(name)
    for copied in (
        copy.copy(model(device)),
        copy.deepcopy(model(device)),
        Model(**dataclasses.asdict(model(device))),
        dataclasses.replace(copy.deepcopy(model(device))),
        *(pickle.loads(pickle.dumps(model(device), protocol)) for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)),
    ):
        check(copied, device)


def test_other_single_objects_are_copied_as_themselves():
    settings = accel.config.current()
    its_layout = accel.ones((2, 3)).layout
    for each in (
        accel.float32,
        accel.bfloat16,
        settings,
        accel.config,
        registry.backend("cpu"),
        registry.OPS["exp"],
        its_layout,
    ):
        for copied in (copy.copy(each), copy.deepcopy([each])[0], pickle.loads(pickle.dumps(each))):
            assert copied is each
    with pytest.raises(AttributeError, match="does not change"):
        accel.float32.name = "other"


def test_public_functions_are_pickled_by_name():
    for space in (accel, accel.nn, accel.special):
        for name in space.__all__:
            function = getattr(space, name)
            if callable(function) and not isinstance(function, type):
                assert pickle.loads(pickle.dumps(function)) is function, name


class Absent(Device):
    """A device of no backend."""

    allocate = copy_in = copy_out = None


Absent.__abstractmethods__ = frozenset()


@pytest.mark.parametrize("name", ["null:7", "nowhere:0", "cpu:9"])
def test_a_device_that_is_not_here_cannot_be_unpickled(name):
    absent = Absent("null", name, "null", "a device of another machine")
    assert copy.deepcopy(absent) is absent
    with pytest.raises(accel.DeviceError, match=rf"unpickling: the device {name} is not here \(device: .*{name}"):
        pickle.loads(pickle.dumps(absent))


def _in_child(held: Model) -> tuple[bool, list]:
    here = accel.device(str(held.device))
    out = accel.add(held.x, accel.ones(3, dtype=held.dtype, device=here))
    return held.device is here and held.x.device is here, np.asarray(out).tolist()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_devices_and_functions_go_to_other_processes(method, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))  # where a child finds this file's functions
    device = accel.device("cpu")
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
        same, result = pool.submit(_in_child, model(device)).result(timeout=120)
        assert (same, result) == (True, [3, 3, 3])
        assert pool.submit(accel.exp, np.zeros(2)).result(timeout=120).tolist() == [1, 1]
        check(pool.submit(model, device).result(timeout=120), device)

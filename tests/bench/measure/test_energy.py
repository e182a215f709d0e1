"""Meters on made-up sysfs trees and management libraries: nothing of this machine is read."""

from __future__ import annotations

import math
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from accel.backends.base import HostDevice
from accel.bench.measure import energy

CPU = HostDevice("cpu", "cpu", "cpu", "a processor")


def gpu(vendor: str, description: str = "a board", address: tuple[int, int] | None = None) -> HostDevice:
    """A GPU of OpenCL; address: its PCI bus and slot, as NVIDIA's driver tells them."""
    found = HostDevice("opencl", "opencl:0", "gpu", description, vendor=vendor)
    if address is not None:
        found.cl_device = SimpleNamespace(pci_domain_id_nv=0, pci_bus_id_nv=address[0], pci_slot_id_nv=address[1] << 3)
    return found


def zone(root: Path, name: str, label: str, microjoules: int, largest: int = 1_000_000) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    for file, text in (("name", label), ("energy_uj", microjoules), ("max_energy_range_uj", largest)):
        (folder / file).write_text(f"{text}\n", encoding="utf-8")
    return folder


# RAPL


def test_rapl_adds_all_packages_and_nothing_twice(tmp_path):
    first, second = zone(tmp_path, "intel-rapl:0", "package-0", 100), zone(tmp_path, "intel-rapl:1", "package-1", 900)
    zone(tmp_path, "intel-rapl:0:0", "core", 77)  # counted by the package
    zone(tmp_path, "intel-rapl:2", "psys", 5000)  # counts the packages again
    zone(tmp_path, "intel-rapl-mmio:0", "package-0", 100)
    meter = energy.meter(CPU, tmp_path)
    assert (meter.source, meter.joules()) == ("RAPL", 0.0)
    (first / "energy_uj").write_text("400100\n", encoding="utf-8")
    (second / "energy_uj").write_text("500900\n", encoding="utf-8")
    for other in ("intel-rapl:0:0", "intel-rapl:2", "intel-rapl-mmio:0"):
        (tmp_path / other / "energy_uj").write_text("999999\n", encoding="utf-8")
    assert meter.joules() == pytest.approx(0.9)


def test_rapl_goes_on_where_a_counter_starts_again(tmp_path):
    package = zone(tmp_path, "intel-rapl:0", "package-0", 900_000, largest=1_000_000)
    meter = energy.meter(CPU, tmp_path)
    seen = [meter.joules()]
    for value in (950_000, 50_000, 50_000, 999_999, 0):
        (package / "energy_uj").write_text(str(value), encoding="utf-8")
        seen.append(meter.joules())
    assert seen == pytest.approx([0.0, 0.05, 0.15, 0.15, 1.099999, 1.1])
    assert seen == sorted(seen)


@pytest.mark.parametrize("made", [None, "intel-rapl:0:0", "intel-rapl-mmio:0"])
def test_without_rapl_there_is_a_reason(tmp_path, made):
    if made:
        zone(tmp_path, made, "core", 5)
    reason = energy.meter(CPU, tmp_path / "powercap" if made is None else tmp_path)
    assert isinstance(reason, str)
    assert "no RAPL counters" in reason


def test_a_closed_counter_names_the_remedy(tmp_path, monkeypatch):
    package = zone(tmp_path, "intel-rapl:0", "package-0", 5)
    assert not isinstance(energy.meter(CPU, tmp_path), str), "the control: it can be read"
    (package / "energy_uj").chmod(0)
    if os.access(package / "energy_uj", os.R_OK):  # root reads everything
        plain = Path.read_text

        def read_text(path, *arguments, **keywords):
            if path.name == "energy_uj":
                raise PermissionError(13, "Permission denied", str(path))
            return plain(path, *arguments, **keywords)

        monkeypatch.setattr(Path, "read_text", read_text)
    reason = energy.meter(CPU, tmp_path)
    assert "readable by root only" in reason
    assert "chmod a+r" in reason
    assert str(tmp_path) not in reason


def test_a_counter_that_vanishes_gives_no_figure(tmp_path):
    package = zone(tmp_path, "intel-rapl:0", "package-0", 5)
    meter = energy.meter(CPU, tmp_path)
    entry = energy.measure(meter, lambda: shutil.rmtree(package, ignore_errors=True))
    assert entry["joules"] is None
    assert "could not be read" in entry["reason"]


@pytest.mark.parametrize("text", ["", "many"])
def test_a_counter_that_is_no_number_has_a_reason(tmp_path, text):
    (zone(tmp_path, "intel-rapl:0", "package-0", 5) / "energy_uj").write_text(text, encoding="utf-8")
    assert "cannot be read" in energy.meter(CPU, tmp_path)


# NVML


class NVMLError(Exception):
    pass


class Nvml:
    """NVML with so many GPUs at the PCI buses 0x10, 0x11…, each with its own counter in millijoules."""

    def __init__(self, gpus: int, counts: bool = True, starts: bool = True) -> None:
        self.millijoules, self.counts, self.starts = [1000 * (i + 1) for i in range(gpus)], counts, starts

    def nvmlInit(self):
        if not self.starts:
            raise NVMLError("Driver Not Loaded")

    def nvmlDeviceGetCount(self):
        return len(self.millijoules)

    def nvmlDeviceGetHandleByIndex(self, index):
        return index

    def nvmlDeviceGetHandleByPciBusId(self, address):
        for index in range(len(self.millijoules)):
            if address == b"0000:%02x:00.0" % (0x10 + index):
                return index
        raise NVMLError("Not Found")

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):
        if not self.counts:
            raise NVMLError("Not Supported")
        return self.millijoules[handle]


def test_nvml_counts_joules():
    library = Nvml(1)
    meter = energy.meter(gpu("NVIDIA Corporation"), library=library)
    before = meter.joules()
    library.millijoules[0] += 2500
    assert (meter.source, before, meter.joules()) == ("NVML", 1.0, 3.5)


def test_nvml_finds_the_gpu_by_its_address():
    meter = energy.meter(gpu("NVIDIA Corporation", address=(0x12, 0)), library=Nvml(3))
    assert meter.joules() == 3.0


@pytest.mark.parametrize(
    ("library", "address", "said"),
    [
        (Nvml(2), None, "does not tell its PCI address"),
        (Nvml(2), (0x55, 0), "Not Found"),
        (Nvml(1, counts=False), None, "no energy counter"),
        (Nvml(1, starts=False), None, "Driver Not Loaded"),
    ],
    ids=["two alike", "none there", "no counter", "no driver"],
)
def test_without_nvml_there_is_a_reason(library, address, said):
    reason = energy.meter(gpu("NVIDIA Corporation", address=address), library=library)
    assert isinstance(reason, str)
    assert said in reason


@pytest.mark.parametrize(("vendor", "package"), [("NVIDIA Corporation", "nvidia-ml-py"), ("AMD", "amdsmi")])
def test_a_missing_library_is_named(vendor, package, monkeypatch):
    for module in ("pynvml", "amdsmi"):
        monkeypatch.setitem(__import__("sys").modules, module, None)
    assert f"pip install {package}" in energy.meter(gpu(vendor))


# AMD SMI


class AmdSmi:
    """AMD SMI with one GPU at each of these PCI addresses. key: of its record, which was renamed in 6.2.1."""

    def __init__(self, *addresses: str, key: str = "energy_accumulator") -> None:
        self.addresses, self.key, self.count = addresses, key, 1_000_000

    def amdsmi_init(self):
        pass

    def amdsmi_get_processor_handles(self):
        return list(range(len(self.addresses)))

    def amdsmi_get_gpu_device_bdf(self, handle):
        return self.addresses[handle]

    def amdsmi_get_energy_count(self, handle):
        return {self.key: self.count, "counter_resolution": 15.3, "timestamp": 0}


@pytest.mark.parametrize("key", ["energy_accumulator", "power"])
def test_amd_smi_counts_joules(key):
    library = AmdSmi("0000:03:00.0", key=key)
    meter = energy.meter(gpu("Advanced Micro Devices, Inc.", "gfx1100"), library=library)
    assert meter.source == "AMD SMI"
    before = meter.joules()
    library.count += 100_000
    assert meter.joules() - before == pytest.approx(1.53)


def test_amd_smi_without_counter_or_with_two_gpus():
    assert "no energy counter" in energy.meter(gpu("AMD"), library=AmdSmi("0000:03:00.0", key="new name"))
    assert "does not tell" in energy.meter(gpu("AMD"), library=AmdSmi("0000:03:00.0", "0000:04:00.0"))


# others, and windows


@pytest.mark.parametrize("kind", ["gpu", "accelerator", "interpreter", "null"], ids="of kind {}".format)
def test_other_devices_have_a_reason(kind):
    reason = energy.meter(HostDevice("opencl", "opencl:7", kind, "Arc", vendor="Intel(R) Corporation"))
    assert isinstance(reason, str)
    assert "opencl:7" in reason


def test_no_meter_is_passed_on():
    expected = {"joules": None, "source": None, "window_s": None, "reason": "no meter: none"}
    assert energy.measure("no meter: none", lambda: pytest.fail("called")) == expected


class Counter:
    """A meter that says these joules in turn, and a clock on which a call takes so many seconds."""

    source, shortest_s = "NVML", 1.0

    def __init__(self, *said: float, seconds: float = 0.3):
        self.said, self.seconds, self.now, self.calls = list(said), seconds, 0.0, 0

    def joules(self) -> float:
        return self.said.pop(0)

    def call(self) -> None:
        self.now += self.seconds
        self.calls += 1

    def measure(self):
        return energy.measure(self, self.call, lambda: self.now)


@pytest.mark.parametrize(("seconds", "calls"), [(0.3, 4), (5.0, 1)])
def test_energy_is_that_of_one_call_in_a_window_that_the_meter_can_resolve(seconds, calls):
    counter = Counter(10.0, 16.0, seconds=seconds)
    window = pytest.approx(calls * seconds)
    assert counter.measure() == {"joules": 6.0 / calls, "source": "NVML", "window_s": window, "reason": None}
    assert counter.calls == calls


@pytest.mark.parametrize(("before", "after"), [(math.nan, 1.0), (1.0, math.nan), (2.0, 1.0), (2.0, 2.0)])
def test_a_counter_that_failed_or_stood_still_gives_no_figure(before, after):
    entry = Counter(before, after).measure()
    assert entry["joules"] is None
    assert "NVML" in entry["reason"]

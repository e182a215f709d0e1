"""`accel devices` says what `accel.devices()` says."""

from __future__ import annotations

import json

import accel
from accel import registry
from accel.cli import devices, machine


def test_json(here):
    code, out, err = here("devices", "--json")
    report = json.loads(out)
    assert (code, err) == (0, "")
    assert report["default"] == str(accel.default_device())
    assert [row["name"] for row in report["devices"]] == [str(device) for device in accel.devices()]
    for row, device in zip(report["devices"], accel.devices(), strict=True):
        assert row["kind"] == device.kind
        assert row["memory_bytes"] == device.memory
        assert row["selection"] == device.selection
        assert row["default"] == (device is accel.default_device())
    unusable = {name for name in registry.backend_names() if registry.unavailable(name) is not None}
    assert {row["backend"] for row in report["unavailable"]} == unusable


def test_text(here):
    code, out, _ = here("devices")
    assert code == 0
    lines = out.splitlines()
    (starred,) = [line for line in lines if line.startswith("*")]
    assert starred.split()[1] == str(accel.default_device())
    for device in accel.devices():
        assert any(device.name in line and device.description in line for line in lines)
    assert any(line.startswith("cpu: instruction sets: ") for line in lines)


def test_settings_choose_the_default(child):
    report = json.loads(child("devices", "--json", environment={"ACCEL_DEVICE": "null:0"}).stdout)
    assert report["default"] == "null:0"


def test_settings_that_leave_no_default(child):
    done = child("devices", "--json", environment={"ACCEL_BACKEND": "typo"})
    report = json.loads(done.stdout)
    assert done.returncode == 2
    assert report["default"] is None
    assert any(row["name"] == "cpu" for row in report["devices"]), "devices are listed all the same"
    assert done.stderr == f"accel: error: {report['default_error']}\n"
    assert "unknown backend 'typo'" in report["default_error"]


def test_a_value_outside_its_grammar(child):
    done = child("devices", environment={"ACCEL_NUMERICS": "sloppy"})
    assert done.returncode == 2
    assert "ACCEL_NUMERICS='sloppy': expected one of reproducible, default, fast" in done.stderr
    assert "Traceback" not in done.stderr


def test_base_packages_only(child, bare_python):
    report = json.loads(child("devices", "--json", python=bare_python).stdout)
    assert report["default"] == "cpu"
    reasons = {row["backend"]: row["reason"] for row in report["unavailable"]}
    assert 'pip install "pyopencl>=2025.1"' in reasons["opencl"]
    assert 'pip install "torch>=2.4" "triton<3.10,>=3.9"' in reasons["triton"]


def test_a_gpu_that_no_device_uses(here, monkeypatch):
    gpu = {"vendor": "AMD", "pci": "1002:744c", "driver": None, "reach": "no driver", "files": []}
    monkeypatch.setattr(machine, "gpus", lambda: [gpu])
    assert json.loads(here("devices", "--json")[1])["unused_gpus"] == [gpu]
    text = here("devices")[1]
    assert "no device uses the AMD GPU 1002:744c on the PCI bus\n" in text
    assert text.endswith("accel doctor says what fixes it\n")
    described = devices.describe
    served = {"kind": "gpu", "vendor": "Advanced Micro Devices, Inc."}
    monkeypatch.setattr(devices, "describe", lambda device: described(device) | served)
    assert json.loads(here("devices", "--json")[1])["unused_gpus"] == [], "control: a device of the vendor's"

"""`accel doctor` tells the truth: here, without optional packages, with broken settings, without the extension."""

from __future__ import annotations

import getpass
import json
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import accel
from accel import registry
from accel.cli import child as child_process
from accel.cli import doctor, machine, probe, remedies
from accel.cli.report import show
from accel.config import OPTIONS


def backends(report: dict) -> dict[str, dict]:
    return {row["name"]: row for row in report["backends"]}


@pytest.fixture
def printed(capsys) -> Callable[[dict], str]:
    """What a report prints as text."""

    def text(found: dict) -> str:
        capsys.readouterr()
        show(found)
        return capsys.readouterr().out

    return text


@pytest.fixture(scope="module")
def report() -> dict:
    """The report of this machine."""
    return doctor.collect()


def test_this_machine(report):
    assert report["healthy"]
    assert report["default"]["device"] == str(accel.default_device())
    assert report["default"]["error"] is None
    rows = backends(report)
    assert set(rows) == set(registry.backend_names())
    for name, row in rows.items():
        reason = registry.unavailable(name)
        assert row["state"] == ("usable" if reason is None else "unusable")
        assert (row["reason"] is None) == (reason is None)
    for device in accel.devices():
        row = next(d for d in rows[device.backend]["devices"] if d["name"] == device.name)
        if device.kind in probe.COMPUTING:
            assert row["check"]["verdict"] == "equal", row
        elif device.kind == "null":
            assert row["check"]["verdict"] == "nothing"
        else:
            assert row["check"]["verdict"] == "untried"
    assert rows["cpu"]["devices"][0]["check"] == {"verdict": "equal", "detail": "bits equal", "runs": "cpu.matmul"}


def test_the_report_can_be_pasted(report):
    text = json.dumps(report)
    for private in (socket.gethostname(), str(Path.home())):
        assert len(private) < 4 or private not in text
    assert getpass.getuser() in ("root", "user") or getpass.getuser() not in text
    for name in (
        "python",
        "system",
        "kernel",
        "C library",
        "accel-ops",
        "numpy",
        "ml_dtypes",
        "torch",
        "triton",
        "pyopencl",
    ):
        assert name in report["versions"]
    assert report["versions"]["numpy"] == np.__version__
    assert [row["variable"] for row in report["settings"]] == [option.variable for option in OPTIONS]


def test_the_home_folder_is_a_tilde():
    value = {"a": ["/home/ada/x", ("/home/ada",)], "b": 3}
    assert doctor.without_home(value, "/home/ada") == {"a": ["~/x", ["~"]], "b": 3}


def test_text_and_exit_code(child):
    done = child("doctor")
    assert done.returncode == 0, done.stderr
    assert "backend cpu: usable" in done.stdout
    assert "bits equal (cpu.matmul)" in done.stdout
    assert done.stdout.endswith(f"The default device, {accel.default_device()}, works.\n")
    assert "\x1b" not in done.stdout


def test_a_device_named_by_the_settings_is_tried(child):
    done = child("doctor", "--json", environment={"ACCEL_DEVICE": "cpu:0"})
    found = json.loads(done.stdout)
    assert found["default"] == {"device": "cpu", "error": None, "works": True, "why": "ACCEL_DEVICE names it"}


@pytest.mark.parametrize(
    ("variable", "value", "error"),
    [
        ("ACCEL_BACKEND", "typo", "ACCEL_BACKEND='typo': unknown backend 'typo'; registered backends: cpu,"),
        ("ACCEL_DEVICE", "cpu:9", "ACCEL_DEVICE: device: there is no 'cpu:9'"),
        ("ACCEL_NUMERICS", "sloppy", "ACCEL_NUMERICS='sloppy': expected one of reproducible, default, fast"),
    ],
)
def test_broken_settings(variable, value, error, child, printed):
    done = child("doctor", "--json", environment={variable: value})
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert not found["healthy"]
    assert found["default"]["device"] is None
    assert found["default"]["error"].startswith(error)
    cpu = backends(found)["cpu"]
    assert cpu["state"] == "usable", "backends are tried all the same"
    assert cpu["devices"][0]["check"]["verdict"] == "equal"
    assert error in printed(found)
    assert "Traceback" not in done.stderr


def test_problems_of_settings_are_named(child, printed):
    given = {"ACCEL_OVERRIDE": "matmull=cpu,add=gpu", "ACCEL_FALLBACK": "never", "ACCEL_BACKEND": "cpu,typo"}
    found = json.loads(child("doctor", "--json", environment=given).stdout)
    assert "wrong: ACCEL_FALLBACK=never: expected one of warn, allow, error" in printed(found)
    rows = {row["name"]: row for row in found["settings"]}
    assert rows["override"]["problem"].startswith("unknown op 'matmull'; ops: abs, acos,")
    assert rows["fallback"]["problem"] == ("expected one of warn, allow, error; its grammar is: warn | allow | error")
    assert all(rows[name]["rejected"] for name in ("override", "fallback", "backend"))
    assert rows["backend"]["problem"].startswith("unknown backend 'typo'; registered backends: cpu,")
    assert rows["numerics"] == {
        "name": "numerics",
        "variable": "ACCEL_NUMERICS",
        "value": "default",
        "source": "automatic",
        "problem": None,
        "rejected": False,
    }


def test_a_setting_that_leaves_a_backend_out(child, printed):
    found = json.loads(child("doctor", "--json", environment={"ACCEL_BACKEND": "cpu"}).stdout)
    rows = backends(found)
    assert rows["cpu"]["left_out_by"] is None
    assert rows["opencl"]["left_out_by"] == rows["triton"]["left_out_by"] == "ACCEL_BACKEND=cpu"
    assert found["default"]["why"] == "ACCEL_BACKEND=cpu: cpu is the first with a device"
    assert "note: ACCEL_BACKEND=cpu leaves it out" in printed(found)


def test_base_packages_only(child, bare_python, printed):
    done = child("doctor", "--json", python=bare_python)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["default"]["device"] == "cpu"
    assert found["default"]["why"] == "triton cannot be used; opencl cannot be used; cpu is the first with a device"
    rows = backends(found)
    for name, lacking in (("opencl", '"pyopencl>=2025.1"'), ("triton", '"torch>=2.4" "triton<3.10,>=3.9"')):
        assert rows[name]["state"] == "unusable"
        assert rows[name]["remedies"][0] == f"pip install {lacking}"
    for name in ("torch", "triton", "pyopencl", "scikit-learn"):
        assert found["versions"][name] is None
    assert 'fix: pip install "pyopencl>=2025.1"' in printed(found)


def test_without_the_extension(child, python_without_native, printed):
    done = child("doctor", "--json", python=python_without_native)
    assert done.returncode == 1
    found = json.loads(done.stdout)
    cpu = backends(found)["cpu"]
    assert cpu["state"] == "unusable"
    assert "accel._cpu does not load" in cpu["reason"]
    assert "pip install" in cpu["reason"]
    assert "no backend can be used, not even cpu" in found["default"]["error"]
    assert printed(found).endswith("The default device does not work: see above.\n")


def test_a_wrong_folder_of_opencl_drivers(child):
    done = child("doctor", "--json", environment={"OCL_ICD_VENDORS": "/nonexistent"})
    found = json.loads(done.stdout)
    assert done.returncode == 0
    assert found["vendor_variables"]["OCL_ICD_VENDORS"] == "/nonexistent"
    opencl = backends(found)["opencl"]
    assert opencl["state"] == "usable" or opencl["reason"]
    assert all(device["check"]["verdict"] in ("equal", "untried") for device in opencl["devices"])


def test_wrong_bits_are_seen():
    a, b = probe.operands()
    want = registry.OPS["matmul"].canonical(a, b)
    assert probe.compare(want.copy(), want) == {"verdict": "equal", "detail": "bits equal"}
    wrong = want.copy()
    wrong[3, 5] = np.nextafter(wrong[3, 5], np.float32(np.inf))
    found = probe.compare(wrong, want)
    assert found["verdict"] == "differs"
    assert found["detail"].startswith("1 of 4096 results differ, the first is ")
    assert f"(element {3 * 64 + 5})" in found["detail"]
    assert probe.compare(want.astype(np.float64), want)["verdict"] == "differs"


def test_the_computation_rounds():
    """The control of the control: in another order of additions the probe's matmul has other bits."""
    a, b = probe.operands()
    want = registry.OPS["matmul"].canonical(a, b)
    reversed_order = registry.OPS["matmul"].canonical(a[:, ::-1].copy(), b[::-1].copy())
    assert (reversed_order != want).any()


def test_a_device_that_computes_wrongly(monkeypatch):
    matmul = accel.matmul
    monkeypatch.setattr(accel, "matmul", lambda a, b: matmul(a, b) * (1 + 2**-23))
    found = probe.check("cpu")
    assert found["verdict"] == "differs"
    assert found["runs"] == "cpu.matmul"
    monkeypatch.undo()
    assert probe.check("cpu")["verdict"] == "equal"


def test_a_device_that_fails(monkeypatch):
    def fail(*operands, **keywords):
        raise OSError("the driver went away")

    monkeypatch.setattr(accel, "matmul", fail)
    assert probe.check("cpu") == {"verdict": "failed", "runs": None, "detail": "OSError: the driver went away"}


def test_how_a_child_ended():
    assert child_process.ending({"code": None, "words": ""}, 30.0) == "no answer within 30 s"
    assert (
        child_process.ending({"code": -11, "words": "oh"}, 30.0) == "crashed: killed by signal 11; its last words: oh"
    )
    assert child_process.ending({"code": 3, "words": ""}, 30.0) == "crashed: exit code 3"


def test_a_crash_while_computing_is_laid_to_that_device():
    lines = [
        {"state": "usable", "versions": {}, "devices": [{"name": n, "selection": "named"} for n in ("x:0", "x:1")]},
        {"checking": "x:0"},
    ]
    row = doctor.backend_row("null", {"lines": lines, "code": -9, "words": ""}, 30.0, set())
    first, second = row["devices"]
    assert first["check"]["detail"] == "crashed: killed by signal 9"
    assert second["check"]["verdict"] == "untried"


@pytest.fixture
def bus(tmp_path) -> Path:
    """A PCI bus with an Intel GPU without a driver, an NVIDIA one with one, and an Intel bridge."""
    for name, kind, vendor, driver in (
        ("0000:00:00.0", "0x060000", "0x8086", None),
        ("0000:03:00.0", "0x030000", "0x8086", None),
        ("0000:04:00.0", "0x030200", "0x10de", "nvidia"),
    ):
        entry = tmp_path / name
        entry.mkdir()
        for file, text in (("class", kind), ("vendor", vendor), ("device", "0x56a0")):
            (entry / file).write_text(f"{text}\n", encoding="utf-8")
        if driver:
            (tmp_path / driver).mkdir()
            (entry / "driver").symlink_to(tmp_path / driver)
    return tmp_path


def test_gpus_on_the_bus(bus):
    assert machine.gpus(bus) == [
        {"vendor": "Intel", "pci": "8086:56a0", "driver": None},
        {"vendor": "NVIDIA", "pci": "10de:56a0", "driver": "nvidia"},
    ]
    assert machine.gpus(bus / "nothing") == []


def state(usable: bool, *selections: str) -> dict:
    return {"state": "usable" if usable else "unusable", "devices": [{"selection": s} for s in selections]}


def test_remedies_fit_what_is_there():
    installed = state(True, "named")
    found, note = remedies.remedies("opencl", "accel-ops", None, installed, {"Intel"})
    assert found == [remedies.DRIVERS["opencl"]["Intel"]]
    assert note is None
    found, note = remedies.remedies("opencl", "accel-ops", None, installed, {"NVIDIA"})
    assert found == []
    assert note == "no Intel GPU is seen on this machine's PCI bus"
    assert remedies.remedies("triton", "accel-ops", "triton", state(True, "automatic"), set()) == ([], None)
    found, _ = remedies.remedies("opencl", "accel-ops", None, state(False), set())
    assert found == [remedies.DRIVERS["opencl"][remedies.ANY]]
    found, _ = remedies.remedies("triton", "accel-ops", None, state(False), {"AMD"})
    assert found == [remedies.DRIVERS["triton"]["AMD"]]

"""`accel doctor` tells the truth: here, without optional packages, with broken settings, without the extension."""

from __future__ import annotations

import ast
import getpass
import json
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from permissions import obeyed

import accel
from accel import registry
from accel.cli import child as child_process
from accel.cli import doctor, machine, probe, remedies
from accel.cli.report import show
from accel.config import OPTIONS, child_environment


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


def test_what_starts_the_threads_beside_torch(report, printed):
    """As a process that calls accel with tensors finds it, whatever this one has done."""
    program = """
        import sys, accel
        accel.config.device, accel.config.num_threads = "cpu", 2
        said = [repr(accel.config)]
        if sys.argv[1:] == ["torch"]:
            import torch
            accel.sum(torch.ones(3))
        else:
            accel.sum(accel.ones(3))
        said.append(repr(accel.config))
        accel.config.openmp = "off"
        said.append(repr(accel.config))
        print([text.partition("openmp = ")[2].partition("\\n")[0] for text in said])
    """
    own, none = "CPU kernels start their own threads: ", "no tensor of torch's has come"

    def effects(*words: str) -> list[str]:
        environment = child_environment(["ACCEL_OPENMP"])
        run = [sys.executable, "-c", textwrap.dedent(program), *words]
        rows = ast.literal_eval(subprocess.check_output(run, encoding="utf-8", timeout=120, env=environment))
        assert [row.partition("; ")[0] for row in rows] == ["'join' (automatic)"] * 2 + ["'off' (config)"]
        return [row.partition("; ")[2] for row in rows]

    before, without, off = effects()
    assert (before, without, off) == (own + none, own + none, own + "as it is set")
    torch = find_spec("torch") is not None
    before, beside, off = effects("torch") if torch else (before, without, off)
    assert (before, off) == (own + none, own + "as it is set")
    if torch and sys.platform == "linux":
        assert beside == "torch's OpenMP runtime starts the threads of CPU kernels"
    assert report["threads_beside_torch"] == beside
    assert f"\nwith tensors of torch: {beside}\n" in printed(report)


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
    assert "with tensors of torch: CPU kernels start their own threads: as it is set" in printed(found)


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
    row = doctor.backend_row("null", {"lines": lines, "code": -9, "words": ""}, 30.0, [])
    first, second = row["devices"]
    assert first["check"]["detail"] == "crashed: killed by signal 9"
    assert second["check"]["verdict"] == "untried"


def machine_of(root: Path, *gpus: tuple[str, str, str | None], files: tuple[str, ...] = ()) -> Path:
    """A machine's /sys and /dev in a folder. gpus: PCI class, vendor number, the kernel's driver."""
    for number, (kind, vendor, driver) in enumerate(gpus):
        entry = root / f"sys/bus/pci/devices/0000:0{number}:00.0"
        entry.mkdir(parents=True)
        for file, text in (("class", kind), ("vendor", vendor), ("device", "0x56a0")):
            (entry / file).write_text(f"{text}\n", encoding="utf-8")
        if driver:
            held = root / "sys/bus/pci/drivers" / driver
            held.mkdir(parents=True, exist_ok=True)
            (entry / "driver").symlink_to(held)
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


NVIDIA, AMD, INTEL = ("0x030200", "0x10de"), ("0x030000", "0x1002"), ("0x030000", "0x8086")


def test_gpus_on_the_bus(tmp_path):
    root = machine_of(tmp_path, ("0x060000", "0x8086", None), (*INTEL, None), (*NVIDIA, "nvidia"))
    assert machine.gpus(root) == [
        {"vendor": "Intel", "pci": "8086:56a0", "driver": None, "reach": "no driver", "files": []},
        {
            "vendor": "NVIDIA", "pci": "10de:56a0", "driver": "nvidia", "reach": "no device file",
            "files": ["/dev/nvidiactl"],
        },
    ]  # fmt: skip
    assert machine.gpus(root / "nothing") == []


@pytest.mark.parametrize(
    ("gpu", "files", "reach", "named"),
    [
        ((*NVIDIA, "nvidia"), ("dev/nvidiactl",), "open", []),
        ((*NVIDIA, "nouveau"), (), "other driver", []),
        ((*AMD, "amdgpu"), ("dev/dri/renderD128",), "no device file", ["/dev/kfd"]),
        ((*AMD, "amdgpu"), ("dev/dri/renderD128", "dev/kfd"), "open", []),
        ((*AMD, "vfio-pci"), (), "other driver", []),
        ((*INTEL, "xe"), ("dev/dri/card0",), "no device file", ["/dev/dri/renderD*"]),
        ((*INTEL, "i915"), ("dev/dri/renderD129",), "open", []),
    ],
)
def test_how_far_a_process_gets(gpu, files, reach, named, tmp_path):
    (found,) = machine.gpus(machine_of(tmp_path, gpu, files=files))
    assert (found["reach"], found["files"]) == (reach, named)


def test_device_files_that_may_not_be_opened(tmp_path):
    root = machine_of(tmp_path, (*INTEL, "i915"), files=("dev/dri/renderD128",))
    (root / "dev/dri/renderD128").chmod(0)
    code = f"from accel.cli import machine; import pathlib; print(machine.gpus(pathlib.Path({str(root)!r})))"
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", timeout=120, preexec_fn=obeyed
    )  # fmt: skip
    assert "'reach': 'closed', 'files': ['/dev/dri/renderD128']" in said.stdout, said


def test_containers(tmp_path, monkeypatch):
    monkeypatch.delenv("container", raising=False)
    assert not machine.in_container(tmp_path)
    monkeypatch.setenv("container", "podman")
    assert machine.in_container(tmp_path)
    monkeypatch.delenv("container")
    for name in machine.CONTAINERS:
        path = tmp_path / name.replace("/", "-") / name
        path.parent.mkdir(parents=True)
        path.touch()
        assert machine.in_container(tmp_path / name.replace("/", "-")), name


CPU_DEVICE = {
    "name": "cpu", "backend": "cpu", "kind": "cpu", "description": "C++", "vendor": "", "memory_bytes": 1,
    "selection": "automatic", "details": {},
}  # fmt: skip
INTERPRETER = CPU_DEVICE | {"name": "triton:interpreter", "backend": "triton", "selection": "named"}
NO_CUDA = "no GPU can be used: torch 2.15.0+cpu was built without CUDA and ROCm"


@pytest.fixture
def doctor_of(monkeypatch, tmp_path, capsys):
    """The report and its text on a machine of which /sys, /dev and what each backend says are given.

    installed: whether the packages of OpenCL and Triton are there; without them a backend says what lacks.
    """

    def examine(*gpus, files=(), installed=True, why=NO_CUDA, variables=()):
        monkeypatch.setattr(machine, "ROOT", machine_of(tmp_path, *gpus, files=files))
        monkeypatch.setattr(registry, "backend_names", lambda: ("cpu", "opencl", "triton"))
        monkeypatch.delenv("container", raising=False)
        for name in ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables:
            monkeypatch.setenv(name, value)

        def find(words, without, timeout):
            lines = {
                "cpu": [{"state": "usable", "versions": {}, "devices": [CPU_DEVICE | {}]}],
                "opencl": [{"state": "unusable", "reason": "backend 'opencl': no platform was found"}],
                "triton": [
                    {"state": "usable", "versions": {}, "without_gpu": why, "devices": [INTERPRETER | {}]}
                    if installed
                    else {"state": "unusable", "reason": "backend 'triton': triton is not installed"}
                ],
                "default": [{"default": "cpu"}],
                "threads": [{"threads": "CPU kernels start their own threads: as it is set"}],
            }[words[-1]]
            checks = [{"device": "cpu", "check": {"verdict": "equal", "detail": "bits equal", "runs": "cpu.matmul"}}]
            return {"lines": lines + (checks if words[-1] == "cpu" else []), "code": 0, "words": ""}

        monkeypatch.setattr(doctor, "find", find)
        monkeypatch.setattr(
            remedies, "missing", lambda extra, owner: [] if installed else [Requirement("torch>=2.4")]
        )  # fmt: skip
        found = doctor.collect()
        capsys.readouterr()
        show(found)
        return backends(found), capsys.readouterr().out

    return examine


def test_a_machine_with_numpy_alone(doctor_of):
    rows, text = doctor_of(installed=False)
    assert rows["triton"]["remedies"] == rows["opencl"]["remedies"] == ['pip install "torch>=2.4"']
    assert rows["triton"]["note"] == "no NVIDIA or AMD GPU is seen on this machine's PCI bus"
    assert 'fix: pip install "torch>=2.4"' in text and "none seen" in text
    assert "The default device, cpu, works." in text


@pytest.mark.parametrize(("driver", "said"), [(None, "no driver holds it"), ("nouveau", "driver nouveau")])
def test_a_gpu_without_its_driver(doctor_of, driver, said):
    rows, text = doctor_of((*NVIDIA, driver))
    (fix,) = rows["triton"]["remedies"]
    assert "sudo apt-get install nvidia-driver" in fix and "docker" not in fix
    assert ("nouveau holds the NVIDIA GPU, with which nothing computes" in fix) == (driver == "nouveau")
    assert f"NVIDIA 10de:56a0: {said}" in text
    assert f"why no GPU: {NO_CUDA}" in text
    assert rows["opencl"]["note"] == "no Intel GPU is seen on this machine's PCI bus"


def test_a_driver_that_torch_is_not_built_for(doctor_of):
    """The driver is there and its device file is open: what lacks is torch's part, and no driver is asked for."""
    (fix,) = doctor_of((*NVIDIA, "nvidia"), files=("dev/nvidiactl",))[0]["triton"]["remedies"]
    assert fix.startswith("torch built for CUDA") and "apt-get" not in fix


def test_without_packages_torch_is_not_asked_for_twice(doctor_of):
    rows, _ = doctor_of((*NVIDIA, "nvidia"), files=("dev/nvidiactl",), installed=False)
    assert rows["triton"]["remedies"] == ['pip install "torch>=2.4"']


@pytest.mark.parametrize("value", ["", "-1"])
def test_a_variable_that_hides_the_gpu(doctor_of, value):
    rows, _ = doctor_of(
        (*NVIDIA, "nvidia"), files=("dev/nvidiactl",), variables=[("CUDA_VISIBLE_DEVICES", value)]
    )  # fmt: skip
    assert rows["triton"]["remedies"] == [f"CUDA_VISIBLE_DEVICES={value} hides the NVIDIA GPU: unset it"]


def test_two_vendors(doctor_of):
    """Each GPU's remedy stands at the backend that serves it."""
    rows, text = doctor_of((*INTEL, "i915"), (*NVIDIA, None), files=("dev/dri/renderD128",))
    assert remedies.DRIVERS["opencl"]["Intel"] in rows["opencl"]["remedies"]
    assert rows["triton"]["remedies"] == [remedies.DRIVERS["triton"]["NVIDIA"]]
    assert rows["opencl"]["note"] is None and rows["triton"]["note"] is None
    assert "Intel 8086:56a0: driver i915\n" in text and "NVIDIA 10de:56a0: no driver holds it" in text


def test_two_vendors_of_one_backend(doctor_of):
    rows, text = doctor_of((*AMD, "amdgpu"), (*NVIDIA, None), files=("dev/dri/renderD128", "dev/kfd"))
    assert rows["triton"]["remedies"] == [remedies.BUILT["AMD"], remedies.DRIVERS["triton"]["NVIDIA"]]
    assert rows["triton"]["note"] == remedies.BOTH and f"note: {remedies.BOTH}" in text


@pytest.mark.parametrize(
    ("gpu", "backend", "word"),
    [
        ((*NVIDIA, "nvidia"), "triton", "docker run --gpus all"),
        ((*AMD, "amdgpu"), "triton", "--device /dev/kfd --device /dev/dri"),
        ((*INTEL, "xe"), "opencl", "--device /dev/dri"),
    ],
)
def test_a_container_without_device_files(doctor_of, gpu, backend, word):
    rows, text = doctor_of(gpu, files=(".dockerenv",))
    fixes = [fix for fix in rows[backend]["remedies"] if "the container was not given" in fix]
    assert len(fixes) == 1 and word in fixes[0] and "apt-get" not in fixes[0]
    assert "this is a container" in text
    assert f"fix: {fixes[0]}" in text or f"for a GPU: {fixes[0]}" in text


def test_no_device_files_and_no_container(doctor_of):
    """Its control: on the machine itself nobody is told to start a container otherwise."""
    rows, text = doctor_of((*NVIDIA, "nvidia"))
    assert "docker" not in " ".join(rows["triton"]["remedies"]) and "this is a container" not in text
    assert "no /dev/nvidiactl" in text


def test_a_driver_is_installed_on_the_host(doctor_of):
    rows, _ = doctor_of((*NVIDIA, None), files=("run/.containerenv",))
    assert rows["triton"]["remedies"][0].startswith("on the host, not in this container: the NVIDIA GPU's driver")


def state(usable: bool, *selections: str) -> dict:
    return {"state": "usable" if usable else "unusable", "devices": [{"selection": s} for s in selections]}


def on_bus(vendor: str, driver: str | None = None, reach: str = "no driver", files: tuple[str, ...] = ()) -> dict:
    return {"vendor": vendor, "pci": "1:2", "driver": driver, "reach": reach, "files": list(files)}


def test_remedies_fit_what_is_there():
    installed = state(True, "named")
    found, note = remedies.remedies("opencl", "accel-ops", None, installed, [on_bus("Intel")])
    assert found == [remedies.DRIVERS["opencl"]["Intel"]]
    assert note is None
    found, note = remedies.remedies("opencl", "accel-ops", None, installed, [on_bus("NVIDIA")])
    assert found == []
    assert note == "no Intel GPU is seen on this machine's PCI bus"
    assert remedies.remedies("triton", "accel-ops", "triton", state(True, "automatic"), []) == ([], None)
    found, _ = remedies.remedies("opencl", "accel-ops", None, state(False), [])
    assert found == [remedies.DRIVERS["opencl"][remedies.ANY]]
    found, _ = remedies.remedies("triton", "accel-ops", None, state(False), [on_bus("AMD")])
    assert found == [remedies.DRIVERS["triton"]["AMD"]]
    closed = on_bus("AMD", "amdgpu", "closed", ("/dev/kfd",))
    (fix,), _ = remedies.remedies("triton", "accel-ops", None, state(True, "named"), [closed])
    assert fix == "this user may not open /dev/kfd: sudo usermod -aG render,video $USER, then log in again"

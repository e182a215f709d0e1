"""The head of a result file: what it holds, that it is JSON, and that nobody's name or folder is in it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

import accel
from accel.backends.base import HostDevice
from accel.bench.machine import head as machine
from accel.bench.machine import privacy

SECRETS = ("/home/mallory/kernels", "mallory", "build-7.example.org", "build-7")

PERSONAL = ("build-7.example.org", "build-7", "mallory")
"""The host's and the user's names in these tests."""

ENVIRONMENT = {
    "ACCEL_NUMERICS": "reproducible",
    "ACCEL_NUM_THREADS": "2",
    "ACCEL_OVERRIDE": "matmul=cpu,softmax=opencl",
    "ACCEL_DEVICE": "opencl:mallory",
    "ACCEL_CACHE_DIR": "/home/mallory/kernels",
    "OMP_NUM_THREADS": "4,2",
    "OMP_PLACES": "{0:4}",
    "OPENBLAS_CORETYPE": "Haswell",
    "CUDA_VISIBLE_DEVICES": "GPU-8f2c1d0e,1",
    "ONEAPI_DEVICE_SELECTOR": "level_zero:gpu;opencl:*",
    "POCL_DEVICES": "/home/mallory/kernels/pocl",
    "POCL_AFFINITY": "~/kernels",
    "ROCR_VISIBLE_DEVICES": "build-7.example.org",
    "HIP_VISIBLE_DEVICES": "on Build-7",
    "ZE_AFFINITY_MASK": "C:\\Users\\mallory",
    "HOME": "/home/mallory",
    "HOSTNAME": "build-7",
    "SSH_CONNECTION": "build-7.example.org",
    "POCL_CACHE_DIR": "/home/mallory/kernels",
    "LD_LIBRARY_PATH": "/home/mallory/kernels",
}


def test_only_what_is_allowed_of_the_environment_gets_through():
    found = privacy.environment(ENVIRONMENT.get, PERSONAL)
    text = json.dumps(found).lower()
    assert not [secret for secret in SECRETS if secret in text]
    assert found == {
        "ACCEL_NUMERICS": "reproducible",
        "ACCEL_NUM_THREADS": "2",
        "ACCEL_OVERRIDE": "matmul=cpu,softmax=opencl",
        "ACCEL_DEVICE": "opencl:(withheld)",
        "OMP_NUM_THREADS": "4,2",
        "OMP_PLACES": "{0:4}",
        "OPENBLAS_CORETYPE": "Haswell",
        "CUDA_VISIBLE_DEVICES": "GPU-8f2c1d0e,1",
        "ONEAPI_DEVICE_SELECTOR": "level_zero:gpu;opencl:*",
        "POCL_DEVICES": "(a path)",
        "POCL_AFFINITY": "(a path)",
        "ROCR_VISIBLE_DEVICES": "(withheld)",
        "HIP_VISIBLE_DEVICES": "on (withheld)",
        "ZE_AFFINITY_MASK": "(a path)",
    }


def test_without_the_filter_the_secrets_would_get_through():
    """The control: each secret stands in a variable that is allowed."""
    allowed = json.dumps({k: v for k, v in ENVIRONMENT.items() if k in privacy.VARIABLES})
    assert [secret for secret in SECRETS if secret in allowed] == list(SECRETS)


def test_every_setting_but_the_folder_is_allowed():
    settings = {name for name in privacy.VARIABLES if name.startswith("ACCEL_")}
    assert "ACCEL_CACHE_DIR" not in settings
    assert {"ACCEL_BACKEND", "ACCEL_NUMERICS", "ACCEL_TUNE", "ACCEL_CPU_ISA"} < settings


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Intel(R) Core(TM) i7-8700 CPU @ 3.20GHz", None),
        ("OpenCL 3.1 (Build 0), N/A, GTX 1650/PCIe/SSE2", None),
        ("cl_khr_fp64, cl_khr_fp16", None),
        ("5.15.0-25-generic", None),
        ("built in /opt/rocm-6.0/lib, loaded", "built in (a path), loaded"),
        ("/usr/lib/x86_64-linux-gnu/libpocl.so.2", "(a path)"),
        ("ICD=~/drivers/icd; C:\\Users\\x\\y.dll", "ICD=(a path); (a path)"),
        ("pocl on MALLORY's build-7: ok", "pocl on (withheld)'s (withheld): ok"),
        ("mallory2, remallory, build-77", None),
    ],
)
def test_texts_lose_paths_and_names_and_nothing_else(text, expected):
    assert privacy.anonymous(text, PERSONAL) == (text if expected is None else expected)


def test_names_are_found_inside_of_values():
    value = {"a": ["mallory", 3, None, True, 1.5], "b": {"c": "/tmp/x"}, "d": Path("/tmp/y")}
    assert privacy.anonymous(value, PERSONAL) == {
        "a": ["(withheld)", 3, None, True, 1.5],
        "b": {"c": "(a path)"},
        "d": "(a path)",
    }


def test_this_machine_is_described_without_its_names(monkeypatch):
    accel.config.current()  # the settings are read once: before this environment
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("USER", "mallory")
    monkeypatch.setattr(privacy.socket, "gethostname", lambda: "build-7.example.org")
    monkeypatch.setattr(machine.platform, "release", lambda: "6.1.0 mallory@build-7 /home/mallory/kernels")
    device = accel.device("cpu")
    monkeypatch.setitem(device.details, "library", "/home/mallory/kernels/driver.so of mallory on build-7")
    found = machine.describe(device)
    text = json.dumps(found)
    assert not [secret for secret in SECRETS if secret in text]
    assert found["host"]["kernel"] == "6.1.0 (withheld)@(withheld) (a path)"
    assert found["device"]["details"]["library"] == "(a path) of (withheld) on (withheld)"
    assert json.loads(text) == found


def test_what_the_head_holds():
    found = machine.describe(accel.device("cpu"))
    assert list(found) == ["accel", "environment", "host", "device", "toolchain"]
    assert found["accel"]["version"] == accel.__version__
    assert found["accel"]["bit_contract"] == accel.BIT_CONTRACT
    assert set(found["host"]) == {
        "system", "kernel", "cpu", "architecture", "cores", "memory", "caches", "virtual", "governor", "load",
    }  # fmt: skip
    assert set(found["device"]) == {
        "name", "backend", "kind", "vendor", "description", "driver", "memory", "threads", "isa", "clock_hz",
        "power_limit_w", "ecc", "details",
    }  # fmt: skip
    assert set(found["toolchain"]) == {
        "python", "numpy", "ml_dtypes", "torch", "triton", "pyopencl", "blas", "compiler",
    }  # fmt: skip
    assert found["device"]["isa"] == accel.backends.cpu.isa(accel.config.cpu_isa)
    assert found["host"]["cores"] >= 1


def test_threads_and_instruction_set_are_those_in_force():
    with accel.config(num_threads=3, cpu_isa="baseline"):
        about = machine.about(accel.device("cpu"))
    assert (about["threads"], about["isa"]) == (3, "baseline")


# made-up /proc and /sys


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def test_a_virtual_machine(tmp_path):
    cores = "processor : 0\ncpu MHz\t: 2596.136\nflags\t: fpu hypervisor avx2\n\nprocessor : 1\ncpu MHz : 2596.138\n"
    cache = "sys/devices/system/cpu/cpu0/cache"
    root = tree(
        tmp_path,
        {
            "proc/cpuinfo": cores,
            f"{cache}/index0/level": "1",
            f"{cache}/index0/type": "Data",
            f"{cache}/index0/size": "32K\n",
            f"{cache}/index3/level": "3",
            f"{cache}/index3/type": "Unified",
            f"{cache}/index3/size": "32M\n",
        },
    )
    found = machine.host(root)
    assert found["virtual"] is True
    assert found["governor"] is None
    assert found["caches"] == {"L1 data": 32 << 10, "L3": 32 << 20}
    assert machine.cpu_clock(root) == {"now": pytest.approx(2596.137e6), "max": None}


def test_a_computer_with_frequency_scaling(tmp_path):
    folder = "sys/devices/system/cpu"
    root = tree(
        tmp_path,
        {
            "proc/cpuinfo": "flags : fpu avx2\ncpu MHz : 1.0\n",
            f"{folder}/cpu0/cpufreq/scaling_governor": "powersave\n",
            f"{folder}/cpu0/cpufreq/scaling_cur_freq": "3700000\n",
            f"{folder}/cpu1/cpufreq/scaling_cur_freq": "800000\n",
            f"{folder}/cpu2/cpufreq/scaling_cur_freq": "3600000\n",
            f"{folder}/cpu0/cpufreq/cpuinfo_max_freq": "4800000\n",
        },
    )
    assert machine.host(root)["virtual"] is False
    assert machine.host(root)["governor"] == "powersave"
    assert machine.cpu_clock(root) == {"now": 3.6e9, "max": 4.8e9}


def test_a_system_that_tells_nothing(tmp_path):
    found = machine.host(tmp_path)
    assert (found["virtual"], found["governor"], found["caches"]) == (None, None, {})
    assert machine.cpu_clock(tmp_path) == {"now": None, "max": None}


# GPUs


def graphics(vendor: str) -> HostDevice:
    found = HostDevice("opencl", "opencl:0", "gpu", "a board", vendor=vendor, details={"driver": "535.1"})
    found.cl_device = SimpleNamespace(max_clock_frequency=1500)
    return found


class Nvml:
    NVML_CLOCK_SM = 1

    def nvmlInit(self):
        pass

    def nvmlDeviceGetCount(self):
        return 1

    def nvmlDeviceGetHandleByIndex(self, index):
        return index

    def nvmlSystemGetDriverVersion(self):
        return b"550.54"

    def nvmlDeviceGetClockInfo(self, handle, kind):
        return {self.NVML_CLOCK_SM: 345}[kind]

    def nvmlDeviceGetMaxClockInfo(self, handle, kind):
        return {self.NVML_CLOCK_SM: 1980}[kind]

    def nvmlDeviceGetEnforcedPowerLimit(self, handle):
        return 700_000

    def nvmlDeviceGetEccMode(self, handle):
        return [1, 0]


def test_nvml_tells_clocks_limit_and_ecc():
    about = machine.about(graphics("NVIDIA Corporation"), library=Nvml())
    assert about["driver"] == "550.54"
    assert about["clock_hz"] == {"now": 345e6, "max": 1980e6}
    assert (about["power_limit_w"], about["ecc"]) == (700.0, True)
    assert about["threads"] is None


def test_amd_smi_tells_clocks_and_limit():
    smi = SimpleNamespace(
        AmdSmiClkType=SimpleNamespace(GFX=0),
        amdsmi_init=lambda: None,
        amdsmi_get_processor_handles=lambda: ["one"],
        amdsmi_get_clock_info=lambda handle, kind: {"clk": 132, "max_clk": 2100},
        amdsmi_get_power_cap_info=lambda handle: {"power_cap": 750_000_000},
        amdsmi_get_gpu_driver_info=lambda handle: {"driver_version": "6.8.5"},
    )
    about = machine.about(graphics("Advanced Micro Devices, Inc."), library=smi)
    assert about["driver"] == "6.8.5"
    assert about["clock_hz"] == {"now": 132e6, "max": 2100e6}
    assert (about["power_limit_w"], about["ecc"]) == (750.0, None)


def test_what_the_library_refuses_stays_as_the_driver_says():
    class Refusing(Nvml):
        def nvmlSystemGetDriverVersion(self, *arguments):
            raise RuntimeError("Not Supported")

        nvmlDeviceGetEccMode = nvmlDeviceGetEnforcedPowerLimit = nvmlSystemGetDriverVersion
        nvmlDeviceGetMaxClockInfo = nvmlSystemGetDriverVersion

    about = machine.about(graphics("NVIDIA Corporation"), library=Refusing())
    assert about["driver"] == "535.1"
    assert about["clock_hz"] == {"now": 345e6, "max": 1500e6}
    assert (about["power_limit_w"], about["ecc"]) == (None, None)


def test_a_gpu_without_library_has_what_its_driver_says():
    about = machine.about(graphics("Intel(R) Corporation"))
    assert about["clock_hz"] == {"now": None, "max": 1500e6}
    assert about["driver"] == "535.1"

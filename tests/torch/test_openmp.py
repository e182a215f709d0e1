"""torch's OpenMP runtime counts accel's threads: its own sleep after an operation instead of spinning."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import textwrap

import pytest

import accel
from accel import openmp
from accel.backends.cpu import native, usable_cores

torch = pytest.importorskip("torch", reason="torch is not installed")

import accel.torch  # noqa: E402

LINUX = sys.platform == "linux"

SPINNING = """
    import os, time, numpy, torch, accel
    torch.set_num_threads(2)
    accel.config.device, accel.config.num_threads = "cpu", 2
    joined = lambda: accel.backends.cpu.native().joined_openmp()
    x, own = torch.ones(512, 768), numpy.ones((512, 768), "f4")

    def burnt():  # processor seconds of threads that wait
        total = 0.0
        for _ in range(20):
            torch.add(x, x)
            before = time.process_time()
            time.sleep(0.01)
            total += time.process_time() - before
        return total

    seen = []
    accel.matmul(own, own.T)
    seen.append(("NumPy's arrays", joined(), burnt()))
    accel.matmul(x, x.T)
    seen.append(("tensors", joined(), burnt()))
    while len(os.listdir("/proc/self/task")) > tasks:
        time.sleep(0.1)
    seen.append(("a while later", joined(), burnt()))
    accel.matmul(x, x.T)
    seen.append(("tensors again", joined(), burnt()))
    accel.config.openmp = "off"
    accel.matmul(x, x.T)
    seen.append(("off", joined(), burnt()))
    print(seen)
"""


@pytest.mark.skipif(not LINUX or usable_cores() < 2, reason="torch's threads spin on Linux, where there are two cores")
def test_torchs_threads_do_not_spin_beside_those_of_accel():
    program = textwrap.dedent(SPINNING).replace(
        "seen = []", 'torch.add(x, x); tasks = len(os.listdir("/proc/self/task")); seen = []'
    )
    unset = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_NUM_THREADS", "ACCEL_OPENMP"}
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, encoding="utf-8", timeout=240, env=environment
    )
    assert run.returncode == 0, run.stderr
    seen = {name: (joined, burnt) for name, joined, burnt in ast.literal_eval(run.stdout)}
    for name in ("tensors", "tensors again"):
        assert seen[name][0] is True
        for spins in ("NumPy's arrays", "a while later", "off"):
            assert seen[name][1] < seen[spins][1] / 4, seen
    assert seen["NumPy's arrays"][0] is seen["off"][0] is False


@pytest.mark.skipif(not LINUX, reason="only torch for Linux brings libgomp")
def test_the_setting_decides_and_bits_stay():
    x = torch.randn(300, 400)
    results = []
    assert openmp.calls(torch._C.__file__) != openmp.NONE
    with accel.config(device="cpu", num_threads=3):
        try:
            for setting in ("off", "join", "off", None):
                accel.config.openmp = setting
                results.append([accel.matmul(x, x.T), accel.sum(x, axis=0), accel.nn.gelu(x)])
                assert native().joined_openmp() is (setting != "off")
        finally:
            accel.config.openmp = None
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_a_module_without_openmp_and_windows_have_no_calls(monkeypatch):
    assert openmp.calls(accel._core.__file__) == openmp.NONE
    monkeypatch.setattr(sys, "platform", "win32")
    assert openmp.calls(torch._C.__file__) == openmp.NONE

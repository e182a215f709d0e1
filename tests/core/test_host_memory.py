"""How much memory is left, and that nothing asks for more: neither more than there is, nor more than a result needs."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import accel
from accel import _core, host_memory, memory

GIB = 1 << 30


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with accel.config(device="cpu"):
        yield


@pytest.fixture
def machine(tmp_path):
    """A file system of a machine with 8 GiB, of which 5 are left, and 1 GiB of swap space. write(path, text) adds."""

    def write(path, text):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    write(
        "proc/meminfo", f"MemTotal: {8 << 20} kB\nMemFree: 100 kB\nMemAvailable: {5 << 20} kB\nSwapFree: {1 << 20} kB\n"
    )
    write.root = tmp_path
    return write


def test_what_a_machine_says(machine):
    assert host_memory.available(machine.root) == 6 * GIB
    machine("proc/meminfo", f"MemAvailable: {5 << 20} kB\n")
    assert host_memory.available(machine.root) == 5 * GIB


def test_what_no_machine_says(tmp_path):
    assert host_memory.available(tmp_path) is None


@pytest.mark.parametrize("version", [1, 2])
def test_control_groups_leave_less(machine, version):
    """The tightest of a group and those around it; cached files do not count, as they go where memory is short."""
    if version == 2:
        machine("proc/self/cgroup", "0::/outer/inner\n")
        machine("proc/self/mountinfo", "30 25 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n")
        top, limit, use, cached = "sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"
        machine(f"{top}/outer/inner/memory.max", "max\n")
    else:
        machine("proc/self/cgroup", "5:cpu,cpuacct:/elsewhere\n4:memory:/outer/inner\n0::/\n")
        machine("proc/self/mountinfo", "31 25 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n")
        top, limit, use = "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
        cached = "total_inactive_file"
        machine(f"{top}/outer/inner/{limit}", "9223372036854771712\n")
    machine(f"{top}/outer/inner/{use}", f"{GIB}\n")
    assert host_memory.available(machine.root) == 6 * GIB, "control: no limit"
    machine(f"{top}/outer/{limit}", f"{4 * GIB}\n")
    machine(f"{top}/outer/{use}", f"{3 * GIB}\n")
    assert host_memory.available(machine.root) == GIB
    machine(f"{top}/outer/memory.stat", f"anon 5\n{cached} {GIB // 2}\n")
    assert host_memory.available(machine.root) == 3 * GIB // 2
    machine(f"{top}/outer/inner/{limit}", f"{GIB + 4096}\n")
    assert host_memory.available(machine.root) == 4096
    machine(f"{top}/outer/inner/{use}", f"{2 * GIB}\n")
    assert host_memory.available(machine.root) == 0


def test_this_machine_says_something():
    left = host_memory.available()
    if left is None:
        pytest.skip("this system does not say how much memory is left")
    assert left > 0
    assert accel.device("cpu").memory > memory.CHECKED


def resident() -> int:
    """Bytes of this process that are in memory."""
    with open("/proc/self/statm", encoding="utf-8") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


ONE = np.broadcast_to(np.uint8(1), (1 << 15, 1 << 14))
MAKERS = {
    "empty": lambda: accel.empty(1 << 27),
    "zeros": lambda: accel.zeros((1 << 14, 1 << 15), dtype="uint8"),
    "full": lambda: accel.full(1 << 27, 2.5),
    "empty_like": lambda: accel.empty_like(ONE),
    "ones_like": lambda: accel.ones_like(ONE),
    "arange": lambda: accel.arange(1 << 26),
    "arange of floats": lambda: accel.arange(0, 1 << 27, 1.0),
    "linspace": lambda: accel.linspace(0, 1, 1 << 28, dtype="float16"),
    "eye": lambda: accel.eye(1 << 14, dtype="int16"),
    "tril": lambda: accel.tril(ONE),
    "triu of an Array": lambda: accel.triu(accel.asarray(ONE)),
    "range": lambda: accel.asarray(range(1 << 26)),
    "copy": lambda: accel.asarray(ONE, copy=True),
    "dtype": lambda: accel.asarray(ONE, dtype="int8"),
    "reshape": lambda: accel.reshape(accel.asarray(ONE), (-1,), copy=True),
    "operation": lambda: accel.add(ONE, 1),
}


@pytest.mark.parametrize("name", MAKERS)
def test_what_does_not_fit_is_not_touched(monkeypatch, name):
    """512 MiB where 300 are left: addresses could be had, and the process would end when it writes there."""
    monkeypatch.setattr(host_memory, "available", lambda: 300 << 20)
    before = resident()
    wanted = rf"cpu: {1 << 29} bytes were asked for; the device has \d+ bytes, of which {300 << 20} can still be had"
    with pytest.raises(accel.OutOfMemoryError, match=wanted):
        MAKERS[name]()
    assert resident() < before + (64 << 20)


def test_what_fits_is_had(monkeypatch):
    """Control: the limit is what refuses."""
    monkeypatch.setattr(host_memory, "available", lambda: 1 << 29)
    assert MAKERS["empty"]().nbytes == 1 << 29
    assert MAKERS["empty_like"]().nbytes == 1 << 29
    monkeypatch.setattr(host_memory, "available", lambda: None)
    assert MAKERS["empty"]().nbytes == 1 << 29


def test_idle_memory_is_given_back_first(monkeypatch):
    accel.config.pool_limit = "1G"
    try:
        x = accel.empty(300 << 20, dtype="uint8")
        del x
        idle = _core.idle_bytes()
        assert idle >= 300 << 20
        monkeypatch.setattr(host_memory, "available", lambda: (600 << 20) - _core.idle_bytes())
        x = accel.empty(500 << 20, dtype="uint8")
        assert (x.nbytes, _core.idle_bytes()) == (500 << 20, 0)
        with pytest.raises(accel.OutOfMemoryError):
            accel.empty(700 << 20, dtype="uint8")
    finally:
        accel.config.pool_limit = None


def test_copies_to_the_host_are_checked(monkeypatch):
    x = accel.zeros(1 << 27, device="null:0")
    monkeypatch.setattr(host_memory, "available", lambda: 1 << 28)
    strided = np.broadcast_to(np.float32(1), 1 << 27)
    with pytest.raises(accel.OutOfMemoryError, match=f"host: {1 << 29} bytes were asked for"):
        accel.asarray(strided, device="null:0")
    assert x.nbytes == 1 << 29


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit of addresses is Linux's")
def test_no_function_needs_more_than_its_result():
    """Under a limit of addresses that lets them have 32 MiB and half as much again, every function makes 32 MiB; four
    times as much is OutOfMemoryError. In the control NumPy makes an index of as many elements."""
    code = """
        import resource
        import numpy as np, accel

        accel.config.device, accel.config.pool_limit = "cpu", 0
        def makers(n):
            one = np.broadcast_to(np.uint8(1), (n >> 13, 1 << 13))
            return {
                "empty": lambda: accel.empty(n, dtype="int8"), "full": lambda: accel.full(n, 3, dtype="uint8"),
                "zeros": lambda: accel.zeros((n >> 3,), dtype="float64"), "ones_like": lambda: accel.ones_like(one),
                "arange": lambda: accel.arange(n >> 3),
                "arange to float": lambda: accel.arange(n >> 2, dtype="float32"),
                "arange of floats": lambda: accel.arange(0.0, n >> 2),
                "linspace": lambda: accel.linspace(0, 1, n >> 2),
                "eye": lambda: accel.eye(n >> 13, 1 << 13, k=5, dtype="bool"),
                "tril": lambda: accel.tril(one, k=-3), "triu": lambda: accel.triu(accel.asarray(one)),
                "range": lambda: accel.asarray(range(n >> 2), dtype="float32"),
                "asarray": lambda: accel.asarray(one, copy=True),
            }
        for n in (1 << 13, 1 << 22):
            for make in makers(n).values():
                make()
        def addresses():
            with open("/proc/self/statm", encoding="utf-8") as file:
                return int(file.read().split()[0]) * resource.getpagesize()
        result = 32 << 20
        numbers, large = [0.5] * (1 << 23), [2**60] * (1 << 22) + [0.5]
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (addresses() + result + result // 2, hard))
        for name, make in makers(result).items():
            try:
                x = make()
            except MemoryError as error:
                print(name, "needs more:", repr(error))
                continue
            assert x.nbytes == result, (name, x.nbytes)
            del x
        for name, make in makers(4 * result).items():
            try:
                make()
                print(name, "has the memory")
            except accel.OutOfMemoryError as error:
                assert f"cpu: {4 * result} bytes were asked for" in str(error), (name, error)
        for numbers in (numbers, large):
            try:
                accel.asarray(numbers, dtype="float16")
                print("a list has the memory")
            except accel.OutOfMemoryError as error:
                assert "asarray: obj" in str(error)
        try:
            np.arange(result)
            print("the control has the memory")
        except MemoryError:
            print("done")
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, "MALLOC_ARENA_MAX": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert (ran.stdout.strip(), ran.returncode) == ("done", 0), ran.stdout + ran.stderr


ROW = np.broadcast_to(np.int8(1), (2**31, 2**31))


@pytest.mark.parametrize(
    "make",
    [
        lambda: accel.eye(2**31),
        lambda: accel.eye(2**31, dtype="int8"),
        lambda: accel.triu(ROW),
        lambda: accel.linspace(0, 1, 2**60),
        lambda: accel.full((2**40, 2**40), 1),
        lambda: accel.add(ROW, 1),
        lambda: accel.astype(ROW, "float32"),
    ],
)
def test_what_no_memory_holds(make):
    """Also where 63 bits do not count the bytes, which is a ShapeError too, or kernels do not count the elements."""
    with pytest.raises(accel.OutOfMemoryError):
        make()

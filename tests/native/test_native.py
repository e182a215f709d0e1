"""accel._cpu as a process-wide thing: instruction sets, threads, fork, Ctrl-C, memory."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from native_reference import random, run_matmul, run_pointwise, run_reduce, same

ROOT = Path(__file__).parents[2]


def test_instruction_sets(cpu):
    names = cpu.isas()
    assert names[-1] == "baseline" and len(set(names)) == len(names)
    order = ["avx512", "avx2", "neon", "baseline"]
    assert names == [name for name in order if name in names]
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    assert ("avx2" in names) == ({"avx2", "fma", "f16c"} <= set(flags))
    assert ("avx512" in names) == ({"avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512dq", "avx512vl"} <= set(flags))


LACKING = """
#include <cstdio>
#include <stdexcept>
#include "isa.hpp"

namespace accel::NAME {
KernelTable make_table();
KernelTable make_table() {
  KernelTable table{};
  table.isa = "NAME";
  return table;
}
}  // namespace accel::NAME

int main() {
  try {
    puts(accel::supported_isas().front()->isa);
  } catch (const std::runtime_error& error) {
    puts(error.what());
  }
}
"""


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("sse9", "it was compiled for sse9 alone, which this CPU lacks; with ACCEL_BUILD_ISA=all it runs on every CPU"),
        ("baseline", "baseline"),
    ],
)
def test_a_cpu_that_lacks_what_was_compiled(name, said, tmp_path):
    """accel._cpu asks for those supported before all else, and what is thrown there is its ImportError."""
    subprocess.run([sys.executable, ROOT / "csrc" / "generate.py", tmp_path, name], check=True)
    (tmp_path / "main.cpp").write_text(LACKING.replace("NAME", name), encoding="utf-8")
    folders = ["-I", tmp_path, "-I", ROOT / "csrc"]
    made = ["-o", tmp_path / "main", tmp_path / "main.cpp", ROOT / "csrc" / "isa.cpp"]
    subprocess.run(["g++", "-std=c++17", "-O0", *folders, *made], check=True)
    printed = subprocess.run([tmp_path / "main"], capture_output=True, encoding="utf-8", check=True).stdout
    assert printed == f"{said}\n"


def test_the_baseline_uses_no_newer_instruction(cpu):
    """Control for the one-definition rule: no function that several objects share uses a wide register."""
    listing = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", "-C", cpu.__file__], capture_output=True, encoding="utf-8", check=True
    ).stdout
    functions = listing.split("\n\n")
    wide = [f.split("\n")[0] for f in functions if "%zmm" in f or "%ymm" in f]
    assert len(wide) > 100 if "avx512" in cpu.isas() else True
    compiled_for_it = [f"accel::{p.stem}" for p in (ROOT / "csrc" / "isa").iterdir() if p.stem != "baseline"]
    strangers = [name for name in wide if not any(namespace in name for namespace in compiled_for_it)]
    assert not strangers, strangers[:5]


def everything(cpu, isa, threads):
    """One call of each family, large enough for the pool."""
    rng = np.random.default_rng(0)
    a, b = random(rng, "float32", (200, 300)), random(rng, "float32", (300, 250))
    product = run_matmul(cpu, isa, a, b, np.empty((200, 250), np.float32), threads)
    long = random(rng, "float32", (3, 200_000))
    total = run_reduce(cpu, isa, "sum", long, (1,), "float32", threads)
    program = cpu.Pointwise(
        isa, ["float32"] * 2, [("add", "float32", [0, 1]), ("multiply", "float32", [2, 0])], "float32"
    )
    return product, total, run_pointwise(program, np.empty_like(long), [long, long[::-1]], threads)


def test_many_python_threads_at_once(cpu, isa):
    want = everything(cpu, isa, 1)
    barrier = threading.Barrier(8)

    def work(index: int) -> bool:
        barrier.wait()
        return all(same(x, y) for _ in range(5) for x, y in zip(everything(cpu, isa, 1 + index % 4), want, strict=True))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))


def test_fork_after_use(cpu, isa):
    want = everything(cpu, isa, 3)
    for _ in range(3):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = 0 if all(same(x, y) for x, y in zip(everything(cpu, isa, 3), want, strict=True)) else 2
            finally:
                os._exit(code)
        assert wait_for(child) == 0
    assert all(same(x, y) for x, y in zip(everything(cpu, isa, 3), want, strict=True))


def test_fork_while_other_threads_compute(cpu, isa):
    want = everything(cpu, isa, 2)
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            everything(cpu, isa, 2)

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    try:
        for _ in range(5):
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    code = 0 if all(same(x, y) for x, y in zip(everything(cpu, isa, 2), want, strict=True)) else 2
                finally:
                    os._exit(code)
            assert wait_for(child) == 0
    finally:
        stop.set()
        for worker in workers:
            worker.join()


def wait_for(child: int, seconds: float = 60) -> int:
    """The child's exit status; it is killed where it hangs."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    pytest.fail("the child of a fork hung")


INTERRUPTED = """
    import importlib.util, os, signal, sys, threading, time
    import numpy as np
    spec = importlib.util.spec_from_file_location("_cpu", sys.argv[1])
    cpu = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(cpu)
    isa, family, threads = sys.argv[2], sys.argv[3], int(sys.argv[4])
    out = np.zeros((6000, 6000), np.float32)
    x = np.ones(1, np.float32)
    at = x.ctypes.data
    if family == "matmul":  # 10**13 multiply-adds
        call = lambda: cpu.Matmul(isa, "float32", "float32").run(
            [at, at], [out.ctypes.data], [], 6000, 6000, 300_000, [0, 0], [0, 0], [6000, 1], [], threads)
    elif family == "direct":
        call = lambda: cpu.Matmul(isa, "float32", "float32").run(
            [at, at], [out.ctypes.data], [], 1, 1, 10**13, [0, 0], [0, 0], [6000, 1], [], threads)
    elif family == "reduce":
        call = lambda: cpu.Reduce(isa, "sum", "float32", "float32").run(
            [at], [out.ctypes.data], [2], [1], [0], [10**6, 10**6], [0, 0], threads)
    elif family == "columns":
        call = lambda: cpu.Reduce(isa, "sum", "float32", "float32").run(
            [out.ctypes.data], [at], [6000], [0], [1], [10**4, 10**4], [0, 0], threads)
    else:
        program = cpu.Pointwise(isa, ["float32"], [("sqrt", "float32", [0])], "float32")
        call = lambda: program.run([at], [out.ctypes.data], [10**6, 10**6], [0, 0], [[0, 0]], threads)
    def interrupt():
        time.sleep(0.5)
        print(time.monotonic(), flush=True)
        os.kill(os.getpid(), signal.SIGINT)
    threading.Thread(target=interrupt, daemon=True).start()
    try:
        call()
    except KeyboardInterrupt:
        print(time.monotonic(), flush=True)
        one = np.empty((40, 40), np.float32)  # the pool is usable afterwards
        cpu.Matmul(isa, "float32", "float32").run(
            [at, at], [one.ctypes.data], [], 40, 40, 300, [0, 0], [0, 0], [40, 1], [], threads)
        assert (one == 300).all()
        print("interrupted")
"""


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("family", ["matmul", "direct", "reduce", "columns", "pointwise"])
def test_keyboard_interrupt_ends_a_long_call(cpu, isa, family, threads):
    script = [sys.executable, "-c", textwrap.dedent(INTERRUPTED), cpu.__file__, isa, family, str(threads)]
    run = subprocess.run(script, capture_output=True, encoding="utf-8", timeout=60)
    lines = run.stdout.split()
    assert lines[2:] == ["interrupted"], run.stderr
    assert float(lines[1]) - float(lines[0]) < 1.0


EXITING = """
    import importlib.util, sys, threading, time
    import numpy as np
    spec = importlib.util.spec_from_file_location("_cpu", sys.argv[1])
    cpu = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(cpu)
    out = np.zeros((2000, 2000), np.float32)
    x = np.ones(1, np.float32)
    def work():
        cpu.Matmul(cpu.isas()[0], "float32", "float32").run(
            [x.ctypes.data] * 2, [out.ctypes.data], [], 2000, 2000, 300_000, [0, 0], [0, 0], [2000, 1], [], 2)
    threading.Thread(target=work, daemon=True).start()
    time.sleep(0.3)
    print("leaving", flush=True)
"""


def test_the_interpreter_exits_while_a_daemon_thread_computes(cpu):
    script = [sys.executable, "-c", textwrap.dedent(EXITING), cpu.__file__]
    run = subprocess.run(script, capture_output=True, encoding="utf-8", timeout=60)
    assert (run.returncode, run.stdout.strip()) == (0, "leaving"), run.stderr


def test_other_python_threads_run_meanwhile(cpu, isa):
    x = np.ones(1, np.float32)
    out = np.empty((600, 600), np.float32)
    ticks = 0
    done = threading.Event()

    def count() -> None:
        nonlocal ticks
        while not done.is_set():
            ticks += 1
            time.sleep(0.001)

    counter = threading.Thread(target=count)
    counter.start()
    end = time.monotonic() + 0.3
    before = ticks
    while time.monotonic() < end:
        cpu.Matmul(isa, "float32", "float32").run(
            [x.ctypes.data] * 2, [out.ctypes.data], [], 600, 600, 3000, [0, 0], [0, 0], [600, 1], [], 1
        )
    during = ticks - before
    done.set()
    counter.join()
    assert during >= 10


def test_out_of_memory_is_an_exception(cpu):
    """Column sums of 2**58 rows need a block result each."""
    x, out = np.zeros(64, np.float32), np.zeros(64, np.float32)
    with pytest.raises(MemoryError):
        cpu.Reduce(cpu.isas()[0], "sum", "float32", "float32").run(
            [x.ctypes.data], [out.ctypes.data], [1], [1], [0], [2**58], [0], 1
        )

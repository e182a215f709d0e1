"""accel._cpu as a process-wide thing: instruction sets, threads, fork, Ctrl-C, memory."""

from __future__ import annotations

import ast
import ctypes
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
OPENMP = ("GOMP_parallel_start", "GOMP_parallel_end", "omp_get_num_procs", "omp_get_num_threads")


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


@pytest.fixture(params=["own", "openmp"])
def pool(request, cpu, openmp_library):
    """Jobs run on the pool's own threads, or on those that an OpenMP runtime started."""
    library = ctypes.CDLL(openmp_library)
    runtime = [ctypes.cast(getattr(library, name), ctypes.c_void_p).value for name in OPENMP]
    before = cpu.joined_openmp()
    joined = request.param == "openmp"
    cpu.join_openmp(*(runtime if joined else [0] * len(OPENMP)))
    assert cpu.joined_openmp() is joined
    yield request.param
    cpu.join_openmp(*(runtime if before else [0] * len(OPENMP)))


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


def test_many_python_threads_at_once(cpu, isa, pool):
    want = everything(cpu, isa, 1)
    barrier = threading.Barrier(8)

    def work(index: int) -> bool:
        barrier.wait()
        return all(same(x, y) for _ in range(5) for x, y in zip(everything(cpu, isa, 1 + index % 4), want, strict=True))

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(work, range(8)))


def test_fork_after_use(cpu, isa, pool):
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


def test_fork_while_other_threads_compute(cpu, isa, pool):
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


JOIN = f"""
def join(cpu, library):
    if library:
        import ctypes
        its = ctypes.CDLL(library[0])
        cpu.join_openmp(*(ctypes.cast(getattr(its, name), ctypes.c_void_p).value for name in {OPENMP}))
        assert cpu.joined_openmp()
"""
"""Defines join(cpu, []) and join(cpu, [file of an OpenMP runtime])."""


def child(program, *arguments, **environment):
    command = [sys.executable, "-c", JOIN + textwrap.dedent(program), *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60, env=os.environ | environment)


INTERRUPTED = """
    import importlib.util, os, signal, sys, threading, time
    import numpy as np
    spec = importlib.util.spec_from_file_location("_cpu", sys.argv[1])
    cpu = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(cpu)
    isa, threads = sys.argv[2], int(sys.argv[3])
    join(cpu, sys.argv[4:])
    out = np.zeros((6000, 6000), np.float32)
    x = np.ones(1, np.float32)
    at, to = x.ctypes.data, out.ctypes.data
    product, total = cpu.Matmul(isa, "float32", "float32"), cpu.Reduce(isa, "sum", "float32", "float32")
    program = cpu.Pointwise(isa, ["float32"], [("sqrt", "float32", [0])], "float32")
    calls = {
        "matmul": lambda: product.run(  # 10**13 multiply-adds
            [at, at], [to], [], 6000, 6000, 300_000, [0, 0], [0, 0], [6000, 1], [], threads),
        "direct": lambda: product.run([at, at], [to], [], 1, 1, 10**13, [0, 0], [0, 0], [6000, 1], [], threads),
        "reduce": lambda: total.run([at], [to], [2], [1], [0], [10**6, 10**6], [0, 0], threads),
        "columns": lambda: total.run([to], [at], [6000], [0], [1], [10**4, 10**4], [0, 0], threads),
        "pointwise": lambda: program.run([at], [to], [10**6, 10**6], [0, 0], [[0, 0]], threads),
    }
    def interrupt():
        global begun
        time.sleep(0.2)
        begun = time.monotonic()
        os.kill(os.getpid(), signal.SIGINT)
    for family, call in calls.items():
        thread = threading.Thread(target=interrupt, daemon=True)
        thread.start()
        try:
            call()
        except KeyboardInterrupt:
            took = time.monotonic() - begun
            one = np.empty((40, 40), np.float32)  # the pool is usable afterwards
            product.run([at, at], [one.ctypes.data], [], 40, 40, 300, [0, 0], [0, 0], [40, 1], [], threads)
            assert (one == 300).all()
            print(family, took)
        thread.join()
"""


@pytest.mark.parametrize("threads", [1, 2])
def test_keyboard_interrupt_ends_a_long_call(cpu, isa, threads):
    interrupted(child(INTERRUPTED, cpu.__file__, isa, str(threads)))


def test_keyboard_interrupt_ends_a_long_call_on_threads_of_openmp(cpu, openmp_library):
    interrupted(child(INTERRUPTED, cpu.__file__, cpu.isas()[0], "2", openmp_library))


def interrupted(run):
    took = dict(line.split() for line in run.stdout.splitlines())
    assert set(took) == {"matmul", "direct", "reduce", "columns", "pointwise"}, run.stderr
    assert max(map(float, took.values())) < 1.0, took


EXITING = """
    import importlib.util, sys, threading, time
    import numpy as np
    spec = importlib.util.spec_from_file_location("_cpu", sys.argv[1])
    cpu = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(cpu)
    join(cpu, sys.argv[2:])
    def work():
        out, x = np.zeros((2000, 2000), np.float32), np.ones(1, np.float32)  # as globals they would go at the end
        cpu.Matmul(cpu.isas()[0], "float32", "float32").run(
            [x.ctypes.data] * 2, [out.ctypes.data], [], 2000, 2000, 300_000, [0, 0], [0, 0], [2000, 1], [], 2)
    threading.Thread(target=work, daemon=True).start()
    time.sleep(0.3)
    print("leaving", flush=True)
"""


@pytest.mark.parametrize("threads", ["own", "openmp"])
def test_the_interpreter_exits_while_a_daemon_thread_computes(cpu, threads, openmp_library):
    run = child(EXITING, cpu.__file__, *([openmp_library] if threads == "openmp" else []))
    assert (run.returncode, run.stdout.strip()) == (0, "leaving"), run.stderr


LIMITED = """
    import importlib.util, os, sys, time
    import numpy as np
    spec = importlib.util.spec_from_file_location("_cpu", sys.argv[1])
    cpu = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(cpu)
    join(cpu, sys.argv[2:])
    x, out = np.ones(1, np.float32), np.zeros((400, 400), np.float32)
    begun = []
    for _ in range(3):
        before = len(os.listdir("/proc/self/task"))
        for _ in range(3):
            cpu.Matmul(cpu.isas()[0], "float32", "float32").run(
                [x.ctypes.data] * 2, [out.ctypes.data], [], 400, 400, 3000, [0, 0], [0, 0], [400, 1], [], 3)
            assert (out == 3000).all()
            time.sleep(0.1)
        begun.append(len(os.listdir("/proc/self/task")) - before)
        cpu.join_openmp(0, 0, 0, 0)
        while len(os.listdir("/proc/self/task")) > before:
            time.sleep(0.01)
        join(cpu, sys.argv[2:])
    print(begun)
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts threads where Linux lists them")
@pytest.mark.parametrize("limit", [{}, {"OMP_THREAD_LIMIT": "1"}, {"OMP_THREAD_LIMIT": "2"}])
def test_threads_that_openmp_does_not_start_are_started_and_all_end_when_it_is_left(cpu, limit, openmp_library):
    """Two that work and, where OpenMP starts some, one that waits for them."""
    run = child(LIMITED, cpu.__file__, openmp_library, **limit)
    assert run.returncode == 0, run.stderr
    assert set(ast.literal_eval(run.stdout)) == {2 if limit.get("OMP_THREAD_LIMIT") == "1" else 3}


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

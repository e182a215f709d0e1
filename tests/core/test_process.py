"""The process around accel: what an import costs and pulls in, fork, threads, and a keyboard interrupt."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest
from interrupts import heeded

import accel


def python(code: str, **keywords) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, encoding="utf-8", timeout=300, **keywords
    )


def test_import_pulls_in_no_framework_and_starts_no_driver():
    run = python(
        """
        import sys
        import accel
        heavy = {"torch", "triton", "pyopencl", "click", "rich", "hypothesis", "platformdirs", "sklearn", "PIL"}
        heavy |= {"dask", "distributed", "accel.dask"}
        heavy |= {"accel.testing", "accel.graph.interpret", "accel.graph.bound", "accel.graph.derivative"}
        print(sorted(heavy & set(sys.modules)), "accel._cpu" in sys.modules)
        """
    )
    assert run.stdout.split("\n")[0] == "[] False", run.stderr


def test_import_time(tmp_path):
    """Processor time that accel, compiled to bytecode, adds to numpy and ml_dtypes, as a multiple of theirs: the
    smallest of several runs on a shared machine."""
    code = """
    import time; before = time.process_time()
    import numpy, ml_dtypes; between = time.process_time()
    import accel; print((time.process_time() - between) / (between - before))
    """
    env = {**os.environ, "PYTHONPYCACHEPREFIX": str(tmp_path)}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    assert min(float(python(code, env=env).stdout) for _ in range(6)) < 2


def test_import_survives_a_broken_backend(tmp_path):
    """torch, triton and pyopencl that raise when imported."""
    for name in ("torch", "triton", "pyopencl"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('broken installation')", encoding="utf-8")
    run = python(
        """
        import accel, numpy
        print(accel.matmul(numpy.eye(2), numpy.eye(2)).tolist(), accel.default_device())
        """,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
    )
    assert run.stdout.strip() == "[[1.0, 0.0], [0.0, 1.0]] cpu", run.stderr


def test_fork_after_use():
    run = python(
        """
        import os, numpy, accel
        x = numpy.random.default_rng(0).standard_normal((600, 600)).astype("f4")
        want = accel.matmul(x, x, dtype=None)
        pid = os.fork()
        if pid == 0:
            same = (accel.matmul(x, x) == want).all() and accel.sum(x) == accel.sum(x.copy())
            os._exit(0 if same else 7)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), (accel.matmul(x, x) == want).all())
        """
    )
    assert run.stdout.split() == ["0", "True"], run.stderr


def test_eight_threads_at_once():
    rng = np.random.default_rng(3)
    x = rng.standard_normal((8, 150, 150)).astype(np.float32)
    want = [(accel.matmul(m, m), accel.sum(m), accel.exp(m), accel.nn.softmax(m)) for m in x]
    wrong = []

    def work(i: int) -> None:
        for _ in range(20):
            got = accel.matmul(x[i], x[i]), accel.sum(x[i]), accel.exp(x[i]), accel.nn.softmax(x[i])
            if not all((g == w).all() for g, w in zip(got, want[i], strict=True)):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_keyboard_interrupt_during_a_long_matmul():
    code = """
        import numpy, accel
        x = numpy.ones((9000, 9000))
        accel.matmul(x[:9], x)
        print("start", flush=True)
        try:
            accel.matmul(x, x)
            print("finished")
        except KeyboardInterrupt:
            print("interrupted", (accel.matmul(numpy.eye(3), numpy.eye(3)) == numpy.eye(3)).all())
        """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, encoding="utf-8")
    assert process.stdout is not None
    assert process.stdout.readline() == "start\n"
    time.sleep(0.5)
    sent = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=120)
    assert out == "interrupted True\n"
    assert time.monotonic() - sent < 5


def test_interrupts_reach_tests_and_children_that_were_started_with_sigint_ignored():
    """As by a shell's ``&``. The control: without the fixture neither is interrupted."""
    code = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert python(code).stdout == "False\n"
        signal.raise_signal(signal.SIGINT)
        with heeded():
            assert python(code).stdout == "True\n"
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_threads_do_not_change_bits():
    rng = np.random.default_rng(5)
    x = rng.standard_normal((700, 900)).astype(np.float32)
    results = []
    for n in (1, 2, 3, 7):
        with accel.config(num_threads=n):
            results.append([f(x) for f in (accel.sum, accel.exp)] + [accel.sum(x, axis=0), accel.matmul(x, x.T)])
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            assert (a == b).all()


def test_a_large_product_needs_little_beside_its_operands_and_output():
    """A product of 4096 x 4096 float32 matrices: at most 16 MiB of resident memory more, whatever the threads."""
    for threads in ("1", "2"):
        run = python(
            """
            import numpy, accel

            def peak():
                with open("/proc/self/status") as file:
                    return next(int(line.split()[1]) << 10 for line in file if line.startswith("VmHWM"))

            small = numpy.ones((300, 300), "f4")
            accel.matmul(small, small)  # what is loaded at the first call is loaded
            a, b = (numpy.random.default_rng(i).random((4096, 4096), "f4") for i in range(2))
            before = peak()
            out = accel.matmul(a, b)
            print(peak() - before - out.nbytes)
            """,
            env=os.environ | {"ACCEL_NUM_THREADS": threads, "ACCEL_DEVICE": "cpu"},
        )
        assert 0 <= int(run.stdout) <= 16 << 20, run.stderr


def test_idle_threads_sleep():
    """They look out for another job for a fraction of a millisecond, not for longer."""
    run = python(
        """
        import time, numpy, accel
        x = numpy.random.default_rng(0).standard_normal((600, 600)).astype("f4")
        accel.config.num_threads = 2
        for _ in range(20):
            accel.matmul(x, x)
        before = time.process_time()
        time.sleep(0.5)
        print(time.process_time() - before)
        """
    )
    assert float(run.stdout) < 0.1, run.stderr


def test_the_core_is_loaded_once():
    """Under another name it would make its types anew, and kernels would know the arrays so far no more."""
    spec = importlib.util.spec_from_file_location("another._core", accel._core.__file__)
    with pytest.raises(ImportError, match="loaded already"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    assert accel.matmul(np.ones((2, 2)), np.ones((2, 2))).tolist() == [[2, 2], [2, 2]]

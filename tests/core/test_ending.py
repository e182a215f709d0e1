"""The end of the process, and interpreters beside the main one: no crash, no hang, an answer or a clear error."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap

import pytest

import accel


def python(code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        env=os.environ | environment,
    )


IMPORTS = """
import sys
for name in ("accel", "accel._cpu", "accel"):
    try:
        __import__(name)
    except ImportError as error:
        print(error, "numpy" in sys.modules, flush=True)
"""

SUBINTERPRETER = f"""
import sys
try:
    import _xxsubinterpreters as interpreters
except ImportError:
    import _interpreters as interpreters
interpreters.run_string(interpreters.create(*sys.argv[1:]), {IMPORTS!r})
import accel
print(accel.add(accel.ones(1, device="cpu"), 1).item())
"""


@pytest.mark.parametrize(
    "kind", [["legacy"], ["isolated"]] if sys.version_info >= (3, 13) else [[]], ids=lambda kind: "".join(kind)
)
def test_a_subinterpreter_cannot_import_accel_and_is_told_so_at_once(kind):
    run = python(SUBINTERPRETER, *kind)
    *refused, answer = run.stdout.splitlines()
    assert len(refused) == 3, run.stderr
    # the second is CPython's own, where it looks at what modules declare
    messages = "accel cannot be imported in a subinterpreter|accel._core does not support loading in subinterpreters"
    assert all(re.search(messages, line) and line.endswith("False") for line in refused)
    assert answer == "2.0"


DAEMON = """
    import atexit, sys, threading, time
    import numpy as np
    import accel

    device = accel.device(sys.argv[1])
    x = np.ones(4096, "f4")
    started = threading.Barrier(3)

    def work(several):
        y = accel.asarray(x, device=device)
        np.asarray(accel.exp(y))
        started.wait()
        while True:
            y = accel.asarray(x, device=device)
            z = accel.exp(y)
            if several:
                np.asarray(z)

    for several in (False, True):
        threading.Thread(target=work, args=(several,), daemon=True).start()
    started.wait()
    time.sleep(0.2)
    if "unwatched" in sys.argv:
        atexit.unregister(accel.memory.end_calls)
    print("end", flush=True)
"""


def crashes(device: str, *arguments: str) -> bool:
    run = python(DAEMON, device, *arguments)
    assert run.stdout == "end\n", run.stderr
    assert run.returncode != 0 or run.stderr == ""
    return run.returncode != 0


NAMES = [str(d) for d in accel.devices() if d.kind not in ("null", "emulated")]


@pytest.mark.parametrize("name", NAMES)
def test_a_daemon_thread_may_compute_while_the_interpreter_ends(name):
    assert not crashes(name)


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="CPython no longer unwinds threads at its end")
def test_it_crashes_where_nothing_waits_for_calls():
    """The control of the test above."""
    name = next((name for name in NAMES if name.startswith("opencl:")), None)
    if name is None:
        pytest.skip("there is no OpenCL device")
    assert any(crashes(name, "unwatched") for _ in range(5))


def test_an_exit_handler_may_wait_for_a_daemon_thread():
    """One that was registered before accel's, and so runs after it."""
    run = python("""
        import atexit, threading, time
        stop, done = threading.Event(), []
        def finish():
            stop.set()
            thread.join()
            print(len(done) > 0, time.monotonic() - begin < 20)
        atexit.register(finish)
        import accel
        def work():
            while not stop.is_set():
                done.append(accel.sum(accel.ones(3, device="cpu")).item())
            done.append(accel.sum(accel.ones(3, device="cpu")).item())
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        begin = time.monotonic()
    """)
    assert (run.returncode, run.stdout) == (0, "True True\n"), run.stderr


def test_a_forked_child_waits_for_no_thread_of_its_parent():
    run = python("""
        import os, sys, threading, time, warnings
        import accel
        warnings.simplefilter("ignore")
        def work():
            while True:
                accel.matmul(x, x)
        x = accel.ones((500, 500), device="cpu")
        threading.Thread(target=work, daemon=True).start()
        time.sleep(0.2)
        begin = time.monotonic()
        child = os.fork()
        if child:
            _, status = os.waitpid(child, 0)
            print(status, time.monotonic() - begin < 15)
    """)
    assert run.stdout.splitlines()[-1] == "0 True", run.stderr


LATE = """
    import sys
    import numpy as np
    import accel
    if "torch" in sys.argv:
        import torch

    class Late:
        def __del__(self, text=sys.argv[1], accel=accel, np=np, eval=eval, print=print, type=type):
            try:
                print(np.asarray(eval(text, {"accel": accel, "x": self.x})).ravel()[0].item(), flush=True)
            except accel.AccelError as error:
                print("AccelError", error, flush=True)
            except BaseException as error:
                print(type(error).__name__, error, flush=True)

    late = Late()
    late.x = torch.ones(2) if "torch" in sys.argv else np.ones(2, np.float32)
    if sys.argv[2] != "none":
        late.x = accel.asarray(late.x, device=sys.argv[2])
    if "used" in sys.argv:
        accel.negative(late.x)
    sys.modules["late"], late = late, None  # gone after everything else
"""


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("accel.sum(x)", "2.0"),
        ("accel.matmul(x, x)", "2.0"),
        ("accel.nn.softmax(x)", "0.5"),
        ("accel.equal(x, 1.0)", "True"),
        ("accel.asarray([3.0, 4])", "3.0"),
        ("accel.astype(accel.full(3, 2.5, dtype='bfloat16'), 'float64')", "2.5"),
        ("accel.from_dlpack(x)", "1.0"),
    ],
)
def test_a_first_call_while_the_interpreter_shuts_down(text, want):
    run = python(LATE, text, "none", ACCEL_DEVICE="cpu")
    assert run.stdout == want + "\n", run.stderr


def test_a_first_call_on_a_tensor_while_the_interpreter_shuts_down():
    pytest.importorskip("torch", reason="torch is not installed")
    run = python(LATE, "accel.sum(x)", "none", "torch", ACCEL_DEVICE="cpu")
    assert run.stdout == "2.0\n", run.stderr


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("opencl:")])
def test_another_devices_first_call_is_refused_and_a_later_one_answered(name):
    run = python(LATE, "accel.sum(x)", name)
    assert "AccelError backend 'opencl': the interpreter is shutting down" in run.stdout, run.stderr
    run = python(LATE, "accel.sum(x)", name, "used")  # its kernel is not built
    assert re.match(r"2\.0$|AccelError opencl:.*: the interpreter is shutting down", run.stdout), run.stderr
    run = python(LATE, "accel.negative(x)", name, "used")
    assert run.stdout == "-1.0\n", run.stderr

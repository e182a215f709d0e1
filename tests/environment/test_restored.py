"""The caller's floating-point environment is as it was when a call returns, raises or is interrupted."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from environments import FOREIGN, MACHINE, MATH, ROUNDING, control, foreign

import accel
from accel import _core, dispatch, ptx, registry

X = np.linspace(0.1, 1, 24, dtype=np.float32).reshape(4, 6)


def on(device: str) -> accel.Array:
    try:
        return accel.asarray(X, device=device)
    except accel.AccelError as error:
        pytest.skip(f"{device}: {error}")


@contextlib.contextmanager
def unchanged(environment: str) -> Iterator[None]:
    """A foreign environment that must be there at the end, also where the block raises."""
    with foreign(environment):
        before = control()
        try:
            yield
        finally:
            assert control() == before


@contextlib.contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """KeyboardInterrupt in this thread, after some time."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


CALLS: dict[str, Callable[[accel.Array], object]] = {
    "add": lambda x: accel.add(x, x),
    "a new constant": lambda x: accel.multiply(x, time.perf_counter()),
    "sum": accel.sum,
    "matmul": lambda x: accel.matmul(x, x.mT),
    "item": lambda x: x[0, 0].item(),
    "text": repr,
    "full": lambda x: accel.full(3, 0.1, device=x.device),
    "linspace": lambda x: accel.linspace(0, 1, 7, device=x.device),
    "asarray": lambda x: accel.asarray([0.1, 0.2], device=x.device),
    "finfo": accel.finfo,
}
ERRORS: dict[str, tuple[type[Exception], Callable[[accel.Array], object]]] = {
    "shapes": (accel.ShapeError, lambda x: accel.add(x, x[:3])),
    "dtypes": (accel.DtypeError, lambda x: accel.bitwise_and(x, x)),
    "no array": (accel.ArgumentError, lambda x: accel.add(x, "1")),
    "a constant": (accel.DtypeError, lambda x: accel.add(accel.astype(x, accel.int8), 1000)),
    "memory": (accel.OutOfMemoryError, lambda x: accel.add(x[0, 0], accel.broadcast_to(x[0, 1], (1 << 50,)))),
}


@pytest.mark.parametrize("environment", FOREIGN)
@pytest.mark.parametrize("device", ["cpu", "opencl:intel", "triton:interpreter"])
def test_return_and_error(device, environment):
    x = on(device)
    for call in CALLS.values():
        with unchanged(environment):
            call(x)
    for error, call in ERRORS.values():
        with unchanged(environment), pytest.raises(error):
            call(x)


@pytest.mark.parametrize("environment", FOREIGN)
def test_interrupt_of_a_kernel(environment):
    x = np.ones((6000, 6000))
    with unchanged(environment), alarm(0.3), pytest.raises(KeyboardInterrupt):
        accel.matmul(x, x)


def test_interrupt_of_the_interpreter():
    x = accel.asarray(np.ones(1 << 22, np.float32), device=on("triton:interpreter").device)
    with unchanged("upward"), alarm(0.3), pytest.raises(KeyboardInterrupt):
        while True:
            accel.exp(x)


LOOP = """
.version 8.0
.target sm_80
.address_size 64
.visible .entry loop()
{
$L: bra $L;
}
"""


def test_interrupt_of_the_emulator():
    with unchanged("flush"), alarm(0.3), pytest.raises(KeyboardInterrupt):
        ptx.run(LOOP, (1, 1, 1), [], 1, 0)


def test_threads_with_environments_of_their_own():
    """Each keeps its own while all compute the same bits."""
    x = np.random.default_rng(1).standard_normal((200, 300)).astype(np.float32)
    want = [accel.matmul(x, x.T), accel.sum(x, axis=1), accel.exp(x)]
    wrong: list[str] = []

    def work(environment: str) -> None:
        with foreign(environment):
            before = control()
            for _ in range(20):
                got = [accel.matmul(x, x.T), accel.sum(x, axis=1), accel.exp(x)]
                if any(g.tobytes() != w.tobytes() for g, w in zip(got, want, strict=True)) or control() != before:
                    wrong.append(environment)

    threads = [threading.Thread(target=work, args=(environment,)) for environment in FOREIGN]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_context_manager():
    usual = control()
    with foreign("upward"):
        outer = control()
        with _core.FloatEnvironment(), _core.FloatEnvironment():
            assert control() == usual != outer
        assert control() == outer
        entered = _core.FloatEnvironment()
        with entered, pytest.raises(RuntimeError, match="entered already"):
            entered.__enter__()
        assert control() == outer
        _core.FloatEnvironment().__exit__(None, None, None)  # never entered
        assert control() == outer
    assert control() == usual
    with _core.FloatEnvironment():  # as a library built with -ffast-math does when it is loaded
        assert MATH.fesetround(ROUNDING[MACHINE]["upward"]) == 0
    assert control() == usual
    with pytest.raises(TypeError, match="no arguments"):
        _core.FloatEnvironment("upward")


TRAPS = """
import sys
sys.path.insert(0, sys.argv[1])
import environments, accel
x, zero = accel.asarray([1.0, -1.0]), accel.asarray([0.0, 0.0])
if environments.MATH.feenableexcept(environments.TRAPS) == -1:
    sys.exit(77)
before = environments.control()
print(accel.divide(x, zero), accel.log(zero), accel.exp(accel.multiply(x, 1e30)), accel.sqrt(x))
assert environments.control() == before
print("computed", flush=True)
1e308 * (8.0 + len(sys.argv))
"""


@pytest.mark.skipif(not hasattr(MATH, "feenableexcept"), reason="C's library has no feenableexcept")
def test_traps():
    """Overflow, division by zero and the like end the process where its environment says so, but not within accel."""
    script = [sys.executable, "-c", TRAPS, str(Path(__file__).parent)]
    run = subprocess.run(script, capture_output=True, encoding="utf-8", timeout=60)
    if run.returncode == 77:
        pytest.skip("this processor has no traps")
    assert run.stdout.endswith("computed\n"), run.stderr
    assert run.returncode == -signal.SIGFPE


def test_a_backend_that_changes_it_while_it_prepares(monkeypatch):
    """Making a plan may load a library that leaves its own environment behind."""
    (row,) = (row for row in registry.kernels("cpu") if row.op == "pointwise")

    def changing(call):
        assert MATH.fesetround(ROUNDING[MACHINE]["upward"]) == 0
        return row.prepare(call)

    others = tuple(replace(each, prepare=changing) if each is row else each for each in registry.kernels("cpu"))
    monkeypatch.setattr(registry, "kernels", lambda name: others)
    dispatch.forget()
    usual, small = control(), np.float32(2**-30)
    assert (np.asarray(accel.add(on("cpu"), small)) == X + small).all()
    assert control() == usual
    with foreign("upward"):
        assert (X + small != X).any()
    dispatch.forget()

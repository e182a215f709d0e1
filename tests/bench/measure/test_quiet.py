"""The wait for threads that keep cores busy, and what others take of the machine."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
import time

import pytest

from accel.bench.measure import quiet, timing


class Threads:
    """A clock, and other threads that take `cores` of processor time until `end`."""

    def __init__(self, cores: float, end: float) -> None:
        self.now, self.cores, self.end = 0.0, cores, end

    def clock(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds

    def busy(self) -> float:
        return self.cores * min(self.now, self.end)

    def wait(self) -> str | None:
        return quiet.Quiet(self.busy, lambda: False, self.clock, self.pause).wait()


def test_threads_are_waited_for_until_they_are_quiet():
    for end in (0.0, 0.1, 0.4):
        threads = Threads(3.0, end)
        assert threads.wait() is None
        assert end <= threads.now <= end + 4 * quiet.LOOK_SECONDS
    assert Threads(quiet.QUIET / 2, 1e9).wait() is None, "what a system does now and then is no work"


def test_it_gives_up_and_says_what_they_take():
    threads = Threads(1.5, 1e9)
    why = threads.wait()
    assert why is not None and "took 1.5 cores," in why and "0.5 s after their last call" in why
    assert quiet.PATIENCE_SECONDS <= threads.now < quiet.PATIENCE_SECONDS + 0.01


def test_a_thread_that_spins_is_seen():
    """A real one, which holds no lock of the interpreter; the calling thread's own time does not count."""
    end = time.perf_counter() + 0.15

    def spin() -> None:
        while time.perf_counter() < end:
            hashlib.pbkdf2_hmac("sha256", b"spin", b"spin", 500)

    while time.perf_counter() < end - 0.1:
        pass
    assert quiet.Quiet().wait() is None
    assert time.perf_counter() < end, "nothing to wait for"
    thread = threading.Thread(target=spin)
    thread.start()
    assert quiet.Quiet().wait() is None
    assert time.perf_counter() >= end
    thread.join()


def test_a_thread_that_waits_for_a_core_is_not_quiet(tmp_path):
    threads = Threads(0.0, 0.0)
    waits = iter([True] * 50 + [False] * 9)
    assert quiet.Quiet(threads.busy, lambda: next(waits), threads.clock, threads.pause).wait() is None
    assert threads.now >= 50 * quiet.LOOK_SECONDS
    for name, state in (("7", "S"), ("8", "S")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "stat").write_text(f"{name} (a name) R) {state} 1 2", encoding="utf-8")
    assert not quiet.runnable(str(tmp_path))
    (tmp_path / "8" / "stat").write_text("8 (python) R 1 2", encoding="utf-8")
    assert quiet.runnable(str(tmp_path))
    assert not quiet.runnable("/nowhere")


def test_rounds_go_on_alone_where_it_is_never_quiet():
    """From the sample on before which it is not; the baselines' samples are not those of as many rounds."""
    for at in range(6):
        waits, refused = iter([None] * at + ["the reason"] * 100), {}
        calls = {"one": [lambda: None], "other": [lambda: None]}
        found = timing.rounds([lambda: None], calls, 0.01, 0.5, quiet=lambda waits=waits: next(waits), refused=refused)
        assert list(found) == ["accel"] and len(found["accel"]) >= timing.MIN_ROUNDS
        assert refused == {"one": "the reason", "other": "the reason"}
    found = timing.rounds([lambda: None], {}, 0.01, 0.5, quiet=lambda: pytest.fail("nobody to wait for"))
    assert len(found["accel"]) >= timing.MIN_ROUNDS


def test_what_others_take_of_the_machine():
    readings = iter([(100.0, 5.0, 0.0), (103.0, 6.0, 2.0)])
    now = [next(readings)]
    machine = quiet.Machine(lambda: now[0][0], lambda: now[0][1], lambda: now[0][2])
    now[0] = next(readings)
    cores = quiet.os.cpu_count() or 1
    assert machine.others() == pytest.approx((3.0 - 1.0) / 2.0 / cores)
    assert quiet.Machine(lambda: None).others() is None
    assert quiet.machine_seconds("/nowhere") is None


@pytest.mark.skipif(quiet.machine_seconds() is None, reason="the system does not tell processor times")
def test_another_process_is_seen():
    machine = quiet.Machine()
    subprocess.run(
        [sys.executable, "-c", "import time\nend = time.time() + 0.5\nwhile time.time() < end: pass"], check=True
    )
    cores = quiet.os.cpu_count() or 1
    assert machine.others() * cores > 0.4

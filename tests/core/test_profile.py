"""`accel.profile` and ``ACCEL_VERBOSE=profile``: every call is in the table and in the trace, and none where both are
off."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from itertools import pairwise

import numpy as np
import pytest

import accel
from accel import dispatch, profiling
from accel.config import config
from accel.profile import least_seconds
from accel.profiling import What
from accel.work import of_function

X = np.ones((8, 8), np.float32)
CPU = accel.device("cpu")


def on_cpu() -> accel.Array:
    return accel.asarray(X, device="cpu")


def rows_of(found: accel.Profile, prepared: bool = False) -> dict[tuple[str, str], accel.ProfileRow]:
    return {(r.op, r.path): r for r in found.rows if prepared or r.path != "preparing"}


def test_calls_are_counted_with_their_path_and_bytes():
    x = on_cpu()
    with accel.profile() as found:
        for _ in range(3):
            accel.matmul(x, x)
        accel.nn.softmax(x, axis=-1)
        accel.add(x, x)
    rows = rows_of(found)
    assert set(rows) == {("matmul", "cpu.matmul"), ("softmax", "compiled: cpu.row"), ("add", "cpu.pointwise")}
    product = rows["matmul", "cpu.matmul"]
    assert (product.calls, product.failed, product.nbytes, product.device) == (3, 0, 3 * 3 * 256, "cpu")
    assert product.seconds > 0 and product.limit is None
    assert rows["softmax", "compiled: cpu.row"].nbytes == 2 * 256
    assert {r.op for r in found.rows if r.path == "preparing"} <= {"matmul", "softmax", "add"}
    text = str(found)
    assert text.splitlines()[0].split()[:4] == ["op", "device", "calls", "time"]
    assert text.endswith("5 calls and copies, " + text.rpartition(", ")[2])


def test_what_is_not_in_the_block_is_not_in_the_profile():
    x = on_cpu()
    accel.exp(x)
    with accel.profile() as found:
        pass
    accel.exp(x)
    assert found.rows == [] and not profiling.active()
    assert not config.current().profiled
    assert found.table().endswith("0 calls and copies, 0 ns")


def test_off_the_plan_of_a_call_is_the_bare_one():
    """No wrapper is left in the plans of calls without a profile."""
    x = on_cpu()

    def plan() -> object:
        return dispatch.plan_of(accel.registry.OPS["exp"], [x], None, None)

    before = plan()
    with accel.profile():
        within = plan()
    assert plan() is before
    assert type(before) is accel._core.Plan and type(within) is not accel._core.Plan, "control: on, there is one"


def test_bits_are_the_same_under_a_profile():
    x = accel.asarray(np.random.default_rng(0).standard_normal((33, 65)).astype(np.float32), device="cpu")
    plain = np.asarray(accel.nn.softmax(x @ x.T, axis=0))
    with accel.profile():
        profiled = np.asarray(accel.nn.softmax(x @ x.T, axis=0))
    assert plain.tobytes() == profiled.tobytes()


def test_time_within_a_call_is_counted_once():
    """A decomposition's own time is without that of the calls it makes; bytes are those of kernels alone."""
    x = on_cpu()
    with accel.profile() as found, accel.config(fusion="off"):
        begin = time.perf_counter()
        accel.nn.softmax(x, axis=-1)
        took = time.perf_counter() - begin
    rows = rows_of(found)
    assert rows["softmax", "decomposition"].nbytes == 0
    assert {op for op, _ in rows} >= {"softmax", "max", "exp", "sum", "divide"}
    assert sum(row.seconds for row in found.rows) <= took


def test_a_fallback_is_named(null, monkeypatch):
    x = accel.zeros((4,), device=null)
    monkeypatch.setattr(accel.registry, "kernels", lambda backend, of=accel.registry.kernels: [
        kernel for kernel in of(backend) if backend != "null" or kernel.op != "reduce"
    ])  # fmt: skip
    with accel.profile() as found, accel.config(fallback="allow"):
        accel.sum(x)
    assert {("sum", "fallback:cpu"), ("sum", "cpu.reduce")} <= set(rows_of(found))
    (away,) = [row for row in found.rows if row.path == "fallback:cpu"]
    assert away.device == "null:0"
    dispatch.forget()


def test_copies_to_and_from_a_device(null):
    with accel.profile() as found:
        x = accel.asarray(X, device=null)
        np.asarray(x)
    if null.host:  # its memory is the process's own: nothing is copied by a driver
        assert rows_of(found) == {}
        return
    rows = rows_of(found)
    assert (rows["copy to device", ""].nbytes, rows["copy from device", ""].nbytes) == (256, 256)


def test_threads_and_nesting():
    """A call is in every profile that is on, whichever thread makes it, under settings of its own or none."""
    x, ready, go = on_cpu(), threading.Barrier(5), threading.Event()

    def work(number: int) -> None:
        ready.wait()
        go.wait()
        with accel.config(numerics="reproducible" if number % 2 else "default"):
            for _ in range(50):
                accel.exp(x)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    ready.wait()
    with accel.profile() as outer:
        accel.exp(x)
        with accel.profile() as inner:
            go.set()
            for thread in threads:
                thread.join()
        accel.exp(x)
    accel.exp(x)
    assert rows_of(inner)["exp", "cpu.pointwise"].calls == 200
    assert rows_of(outer)["exp", "cpu.pointwise"].calls == 202
    boxes = [box for box in inner.trace()["traceEvents"] if box["ph"] == "X" and box["cat"] == "call"]
    assert len(boxes) == 200 and len({box["tid"] for box in boxes}) >= 2


def test_profiles_begin_and_end_while_others_call():
    """Calls never fail, and none is lost or kept on by a race: after the last profile, plans are bare again."""
    x, over = on_cpu(), threading.Event()
    wrong: list[BaseException] = []

    def work() -> None:
        try:
            while not over.is_set():
                with accel.config(numerics="reproducible"):
                    accel.exp(x)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(30):
        with accel.profile() as found:
            accel.add(x, x)
        assert rows_of(found)["add", "cpu.pointwise"].calls == 1
    over.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert not config.current().profiled
    with accel.config(numerics="reproducible"):
        assert not config.current().profiled


def test_a_trace_is_written(tmp_path):
    x, path = on_cpu(), tmp_path / "trace.json"
    with accel.profile(path), accel.config(fusion="off"):
        accel.nn.softmax(x, axis=-1)
    trace = json.loads(path.read_text(encoding="utf-8"))
    boxes = [box for box in trace["traceEvents"] if box["ph"] == "X"]
    assert all({"name", "cat", "pid", "tid", "ts", "dur", "args"} <= set(box) for box in boxes)
    (whole,) = [box for box in boxes if box["args"]["path"] == "decomposition" and box["name"] == "softmax"]
    (inner,) = [box for box in boxes if box["name"] == "exp"]
    assert inner["args"] == {
        "operands": "float32[8, 8]", "device": "cpu", "path": "cpu.pointwise", "bytes": 512,
        "operations": 64 * of_function("exp", "float32"),
    }  # fmt: skip
    assert whole["ts"] <= inner["ts"] and inner["ts"] + inner["dur"] <= whole["ts"] + whole["dur"] + 0.01
    names = {row["args"]["name"] for row in trace["traceEvents"] if row["ph"] == "M"}
    assert {"host", "MainThread"} <= names
    assert trace["otherData"]["left out"] == 0


def test_an_error_in_the_block_still_writes(tmp_path):
    x, path = on_cpu(), tmp_path / "trace.json"
    with pytest.raises(ZeroDivisionError), accel.profile(path):
        accel.exp(x)
        raise ZeroDivisionError
    assert "exp" in path.read_text(encoding="utf-8")
    assert not profiling.active()


def test_a_call_that_raises_is_recorded():
    x, at = on_cpu(), accel.asarray(np.array([9]), device="cpu")
    picked = accel.fuse(lambda x, at: accel.take(x, at, axis=0))
    with accel.profile() as found, pytest.raises(IndexError):
        picked(x, at)
    failed = [row for row in found.rows if row.failed]
    assert failed and "(1 raised)" in str(found)
    boxes = [box for box in found.trace()["traceEvents"] if "error" in box["args"]]
    assert {box["args"]["error"] for box in boxes} == {"IndexError"}
    with accel.profile() as found, pytest.raises(accel.ShapeError):
        accel.add(x, accel.zeros((3,), device="cpu"))
    assert not any(row.failed for row in found.rows), "refused before it was a call"


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ({"path": 3}, accel.ArgumentError, "profile: path: expected a path or None, got 3"),
        ({"path": "no/such/folder/trace.json"}, FileNotFoundError, "profile: path: there is no folder "),
        ({"limits": 3}, accel.ArgumentError, "profile: limits: expected a path, or several, got 3"),
        ({"limits": [None]}, accel.ArgumentError, "profile: limits: expected a path, or several, got None"),
        ({"limits": "missing.json"}, FileNotFoundError, "missing.json"),
    ],
)
def test_bad_arguments(given, error, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=text), accel.profile(**given):
        raise AssertionError("the block is not entered")
    assert not profiling.active()


@pytest.mark.parametrize("content", ["", "[]", "3", '{"device": {"name": "cpu"}, "probes": [{}]}', "{}"])
def test_a_file_that_is_no_result_file(content, tmp_path):
    (tmp_path / "wrong.json").write_text(content, encoding="utf-8")
    with (
        pytest.raises(accel.FileError, match=r"wrong\.json is no result file of accel bench run"),
        accel.profile(limits=tmp_path / "wrong.json"),
    ):
        raise AssertionError("the block is not entered")


def probe(kind: str, value: float | None, working_set: int | None = None, dtype: str | None = None) -> dict:
    return {"kind": kind, "value": value, "working_set": working_set, "dtype": dtype}


PROBES = [
    probe("read", 100e9, 1 << 14), probe("copy", 80e9, 1 << 14), probe("read", 10e9, 1 << 28),
    probe("triad", 8e9, 1 << 28), probe("fma", 2e12, dtype="float32"), probe("fma", 1e12, dtype="float64"),
    probe("dot", None, dtype="bfloat16"), probe("launch", 1e-6),
]  # fmt: skip


@pytest.mark.parametrize(
    ("nbytes", "flops", "dtype", "least"),
    [
        (1 << 13, 0, "float32", (1 << 13) / 100e9),  # fits the small rung
        (1 << 20, 0, "float32", (1 << 20) / 10e9),
        (1 << 40, 0, "float32", (1 << 40) / 10e9),  # more than any rung: the largest
        (1 << 13, 10**12, "float32", 0.5),
        (1 << 13, 10**12, "float64", 1.0),
        (1 << 13, 10**12, "bfloat16", 0.5),  # no dot of its own: float32's
        (1 << 13, 10**12, "int8", (1 << 13) / 100e9),  # nothing known of its arithmetic
        (0, 0, "float32", None),
    ],
)
def test_the_least_time_that_limits_leave(nbytes, flops, dtype, least):
    assert least_seconds(PROBES, What("op", "", CPU, "kernel", nbytes, flops, dtype)) == least
    assert least_seconds([], What("op", "", CPU, "kernel", nbytes, flops, dtype)) is None


def test_the_share_of_the_limits(tmp_path):
    (tmp_path / "cpu.json").write_text(json.dumps({"device": {"name": "cpu"}, "probes": PROBES}), encoding="utf-8")
    x = on_cpu()
    with accel.profile(limits=[tmp_path / "cpu.json"]) as found:
        accel.exp(x)
        accel.exp(x)
    row = rows_of(found)["exp", "cpu.pointwise"]
    assert row.limit == pytest.approx(2 * 512 / 100e9 / row.seconds)
    assert all(r.limit is None for r in found.rows if r.path == "preparing")


class Clock:
    """A device's clock that runs on its own: each mark is 1 ms behind the one before."""

    def __init__(self) -> None:
        self.now, self.waited = 0, 0

    def mark(self) -> int:
        self.now += 1
        return self.now

    def seconds_between(self, first: int, last: int) -> float:
        return (last - first) * 1e-3

    def synchronize(self) -> None:
        self.waited += 1


def test_a_device_with_a_clock_is_not_waited_for(null, monkeypatch):
    """Its calls take what its clock says, and it has a line of its own in the trace. Only a GPU can show that the marks
    of CUDA events mean that: this device is a stand-in."""
    clock = Clock()
    for name in ("mark", "seconds_between", "synchronize"):
        monkeypatch.setattr(null, name, getattr(clock, name))
    monkeypatch.setattr(profiling, "_anchors", {})
    x = accel.zeros((4,), device=null)
    accel.add(x, x)
    with accel.profile() as found:
        for _ in range(10):
            accel.add(x, x)
        assert clock.waited == 2, "for the first mark alone"
    row = rows_of(found)["add", "null.pointwise"]
    assert (row.calls, row.seconds) == (10, pytest.approx(10e-3))
    trace = found.trace()["traceEvents"]
    (number,) = {box["pid"] for box in trace if box["ph"] == "M" and box["args"]["name"] == "null:0"}
    on_device = [box for box in trace if box["ph"] == "X" and box["pid"] == number]
    assert [box["dur"] for box in on_device] == [pytest.approx(1000)] * 10
    assert [b["ts"] - a["ts"] for a, b in pairwise(on_device)] == [pytest.approx(2000)] * 9


def test_a_long_run_keeps_a_bounded_trace(monkeypatch):
    monkeypatch.setattr(profiling, "FOLD", 8)
    monkeypatch.setattr(profiling, "KEPT", 20)
    monkeypatch.setattr(sys.modules["accel.profile"], "KEPT", 20)
    x = on_cpu()
    accel.exp(x)
    with accel.profile() as found:
        for _ in range(100):
            accel.exp(x)
    assert rows_of(found)["exp", "cpu.pointwise"].calls == 100
    trace = found.trace()
    assert len([box for box in trace["traceEvents"] if box["ph"] == "X"]) == 20
    assert trace["otherData"]["calls"] - 20 == trace["otherData"]["left out"] >= 80


FORK = """
import os, threading, time
import accel, numpy as np
from accel import profiling
from accel.config import config

x = accel.asarray(np.ones((4, 4), np.float32), device="cpu")
with accel.profile() as found:
    accel.exp(x)
    held, over = threading.Event(), threading.Event()

    def hold():
        with config._lock, profiling._lock, found._records._lock:
            held.set()
            over.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    child = os.fork()
    if child == 0:
        with accel.config(numerics="reproducible"):
            accel.add(x, x)
        calls = {row.op: row.calls for row in found.rows if row.path != "preparing"}
        os._exit(0 if calls == {"add": 1} else 3)
    for _ in range(600):
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        time.sleep(0.1)
    else:
        os.kill(child, 9)
        status = -1
    over.set()
    thread.join()
print(status, {row.op for row in found.rows})
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_tells_of_its_own_calls():
    """Also where a thread that is not in the child holds every lock at the time of the fork."""
    call = [sys.executable, "-c", FORK]
    done = subprocess.run(call, capture_output=True, encoding="utf-8", timeout=200)
    assert done.stdout == "0 {'exp'}\n", done


PROGRAM = """
import accel, numpy as np
x = accel.asarray(np.ones((4, 4), np.float32), device="cpu")
for _ in range(3):
    accel.exp(x)
{more}
"""


def run(verbose: str, more: str = "") -> subprocess.CompletedProcess:
    call = ["env", f"ACCEL_VERBOSE={verbose}", "ACCEL_DEVICE=cpu", sys.executable, "-c", PROGRAM.format(more=more)]
    return subprocess.run(call, capture_output=True, encoding="utf-8", timeout=120)


def test_a_table_at_the_end_of_the_process():
    done = run("profile")
    assert done.returncode == 0 and done.stdout == ""
    lines = done.stderr.splitlines()
    assert lines[0] == "accel: profile"
    (row,) = [line.split() for line in lines if line.startswith("exp") and "cpu.pointwise" in line]
    assert row[:3] == ["exp", "cpu", "3"]
    assert lines[-1].startswith("3 calls and copies, ")
    assert not any(line.startswith("accel: exp(") for line in lines)


def test_lines_and_a_table_and_also_after_an_error():
    done = run("dispatch,profile", more="raise SystemExit(3)")
    assert done.returncode == 3
    lines = done.stderr.splitlines()
    said = [line for line in lines if line.startswith("accel: exp(float32[4, 4]) on cpu: cpu.pointwise: ")]
    assert len(said) == 3 and all(line.endswith(" us") for line in said)
    assert "accel: profile" in lines
    assert "accel: profile" not in run("dispatch").stderr

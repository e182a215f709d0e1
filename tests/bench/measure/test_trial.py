"""Cases in this process, on a device with faults to order and on the CPU."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from functools import partial
from statistics import median

import numpy as np
import pytest
import synthetic
from faults import case

import accel
from accel import _core, recording
from accel.bench.cases.case import Operand, Workload
from accel.bench.measure import trial
from accel.bench.measure.route import route
from accel.bench.report import html, view
from accel.bench.result.file import problems

OPTIONS = trial.Options(seed=0, budget=0.02, max_noise=0.5, baselines=False)


def measured(workload, device, options=OPTIONS):
    return trial.measure(workload, device, options, lambda message: None)


def test_a_right_kernel_passes(faulty_device):
    record = measured(case("right"), faulty_device)
    assert record["status"] == "PASS"
    assert record["detail"] is None
    assert (record["requested"], record["executed"]) == ("faulty:0", "faulty:0")
    assert (record["path"], record["kernel"], record["reason"]) == ("native", "faulty.pointwise", None)
    assert len(record["samples_s"]) >= 5
    assert record["interval_s"][0] <= record["median_s"] <= record["interval_s"][1]
    assert record["first_call_s"] > 0
    assert record["hash"].startswith("sha256:")
    assert record["error"]["checked"] > 0
    assert record["energy"]["joules"] is None
    assert record["energy"]["reason"] == "not asked for"


def test_a_slow_kernel_is_right_and_slow(faulty_device):
    record = measured(case("slow"), faulty_device)
    assert record["status"] == "PASS"
    assert record["median_s"] >= 0.05
    assert len(record["samples_s"]) == 5


@pytest.mark.parametrize("fault", ["wrong", "nothing"])
def test_a_wrong_result_is_found_before_it_is_timed(fault, faulty_device):
    record = measured(case(fault), faulty_device)
    assert record["status"] == "INCORRECT"
    assert record["samples_s"] == []
    assert record["detail"]
    assert record["hash"] is None


@pytest.mark.parametrize("fault", ["wrong-later", "nothing-later"])
def test_a_result_that_turns_wrong_is_found_after_the_timing(fault, faulty_device):
    record = measured(case(fault), faulty_device)
    assert record["status"] == "INCORRECT"
    assert record["detail"] == "the result's bits changed from the first call to the last"
    assert (record["samples_s"], record["median_s"], record["hash"]) == ([], None, None)


def test_without_poison_an_idle_kernel_would_pass(faulty_device, monkeypatch):
    """The control: the result of a call before is still in memory."""
    monkeypatch.setattr(trial, "poison", lambda device, dtype, nbytes: None)
    assert measured(case("nothing-later"), faulty_device)["status"] == "PASS"


@pytest.mark.parametrize(
    ("fault", "status", "detail"),
    [
        ("out-of-memory", "OOM", "OutOfMemoryError: faulty:0: 8 bytes were asked for; the device has 7 bytes"),
        ("raise", "CRASH", "RuntimeError: the kernel is broken"),
        ("compile", "CRASH", "CompileError: add: expected ';'"),
    ],
)
def test_what_a_kernel_raises(fault, status, detail, faulty_device):
    record = measured(case(fault), faulty_device)
    assert (record["status"], record["detail"]) == (status, detail)
    assert record["samples_s"] == []


def test_a_refused_call_falls_back(faulty_device):
    record = measured(case("refuse"), faulty_device)
    assert record["status"] == "FALLBACK"
    assert (record["path"], record["executed"], record["kernel"]) == ("fallback", "cpu", "cpu.pointwise")
    assert "faulty.pointwise: it is told to refuse" in record["reason"]
    assert len(record["samples_s"]) >= 5


def addition(
    dtype: str = "float32", op: str = "add", shape: tuple[int, ...] = (3000,), cache: str = "warm"
) -> Workload:
    operands = (Operand(shape, dtype),) * (2 if op in ("add", "matmul") else 1)
    return Workload(f"test {op} {dtype} {cache}", None, None, None, 1, None, op, dtype, operands, (), cache)


def test_a_refused_dtype_is_unsupported():
    record = measured(addition("int32", "exp"), accel.device("cpu"))
    assert record["status"] == "UNSUPPORTED"
    assert record["detail"].startswith("DtypeError: exp: takes float dtypes")
    assert record["hash"] is record["median_s"] is record["path"] is None


def test_a_decomposition_is_named():
    across = replace(addition(op="softmax", shape=(20, 30)), keywords=(("axis", 0),))
    with accel.config(fusion="off"):
        record = measured(across, accel.device("cpu"))
    assert record["status"] == "PASS"
    assert record["path"] == "decomposition"
    assert "cpu.reduce" in record["kernel"]


def test_a_compiled_composition_is_named_by_its_kernels():
    across = replace(addition(op="softmax", shape=(20, 30)), keywords=(("axis", 0),))
    record = measured(across, accel.device("cpu"))
    assert (record["status"], record["path"], record["kernel"]) == ("PASS", "native", "cpu.row")
    two = recording.Candidate(recording.COMPILED, "", None, kernels=("cpu.matmul", "cpu.row", "cpu.matmul"))
    recorder = recording.Recorder(run=True)
    recorder.calls.append(("op on cpu", [recording.Candidate("cpu.op", "", "it refuses"), two]))
    found = route(recorder, accel.device("cpu"))
    assert (found["path"], found["kernel"], found["executed"]) == ("native", "cpu.matmul, cpu.row", "cpu")


def test_a_reference_that_fails_leaves_a_mistrusted_time(monkeypatch):
    def check(*arguments):
        raise ZeroDivisionError("the reference is broken")

    monkeypatch.setattr(trial.verify, "check", check)
    record = measured(addition(), accel.device("cpu"))
    assert record["status"] == "MISTRUSTED"
    assert record["detail"] == "it could not be checked: ZeroDivisionError: the reference is broken"
    assert record["error"] is None
    assert record["samples_s"]


def test_peak_memory_is_what_the_call_takes():
    record = measured(addition(shape=(8 << 20,)), accel.device("cpu"))
    assert 0.9 * (32 << 20) < record["peak_bytes"] < 1.6 * (32 << 20)


def test_what_the_case_before_left_idle_is_not_counted():
    accel.zeros(64 << 20, dtype="uint8", device="cpu")
    idle = {}

    def note(message):
        idle.setdefault(message.get("step"), _core.idle_bytes())

    trial.measure(addition(), accel.device("cpu"), OPTIONS, note)
    assert idle["making the operands"] >= 64 << 20
    assert idle["in the first call"] < 1 << 20


def offered(**functions):
    """What stands for `baselines.calls`: functions of the operands."""
    return lambda workload, operands, kind, threads: {name: partial(f, *operands) for name, f in functions.items()}


def test_baselines_are_timed_in_the_same_rounds(monkeypatch):
    def lacking(a, b):
        raise NotImplementedError("no such thing\nand a second line")

    monkeypatch.setattr(trial.baselines, "calls", offered(good=np.add, lacking=lacking, wrong=np.subtract))
    messages = []
    options = trial.Options(seed=0, budget=0.02, max_noise=0.5, baselines=True)
    record = trial.measure(addition(), accel.device("cpu"), options, messages.append)
    good, bad = record["baselines"]["good"], record["baselines"]["lacking"]
    assert len(good["samples_s"]) == len(record["samples_s"])
    assert good["median_s"] == median(good["samples_s"])
    assert good["note"] is None
    assert bad == {"samples_s": [], "median_s": None, "note": "left out: NotImplementedError: no such thing"}
    assert record["baselines"]["wrong"]["samples_s"] == []
    assert "are wrong" in record["baselines"]["wrong"]["note"]
    assert [message["baseline"] for message in messages if "baseline" in message] == ["good", "lacking", "wrong"]
    steps = [message["step"] for message in messages if "step" in message]
    assert steps[:4] == ["making the operands", "in the first call", "checking the result", "in the second call"]
    assert steps[-3:] == ["being timed", "in the last call", "checking the result of the last call"]


def test_no_baseline_is_timed_beside_a_device_whose_threads_spin(faulty_device, monkeypatch):
    """They would take the cores that its own threads wait for; the file says why there is no time, and how many have
    none. Threads that spin for a while are waited for."""
    monkeypatch.setattr(trial.baselines, "calls", offered(good=np.add, other=np.add))
    options = replace(OPTIONS, baselines=True)
    briefly = measured(case("spin-briefly"), faulty_device, options)
    assert [len(peer["samples_s"]) for peer in briefly["baselines"].values()] == [len(briefly["samples_s"])] * 2
    found = measured(case("spin"), faulty_device, options)
    assert found["status"] == "PASS" and len(found["samples_s"]) >= 5
    for peer in found["baselines"].values():
        assert (peer["samples_s"], peer["median_s"]) == ([], None)
        assert re.fullmatch(r"not timed: other threads of the process.* took [\d.e-]+ cores, .*", peer["note"])
    whole = synthetic.result([synthetic.case(baselines=found["baselines"])])
    assert problems(whole) == []
    notes = view.build([whole]).runs[0].baseline_notes
    assert sorted(text.partition(":")[0] for text, _ in notes) == ["good", "other"]
    assert all(text.partition("'")[0] in html.render([whole]) for text, _ in notes)


def test_without_the_wait_it_would_be_timed(faulty_device, monkeypatch):
    """The control."""
    monkeypatch.setattr(trial.baselines, "calls", offered(good=np.add))
    monkeypatch.setattr(trial.Quiet, "wait", lambda self: None)
    assert measured(case("spin"), faulty_device, replace(OPTIONS, baselines=True))["baselines"]["good"]["median_s"]


def test_a_baseline_that_is_to_be_left_out_is_not_called(monkeypatch):
    monkeypatch.setattr(trial.baselines, "calls", offered(bad=lambda a, b: pytest.fail("it was called")))
    options = trial.Options(seed=0, budget=0.02, max_noise=0.5, baselines=True, without={"bad": "it crashed"})
    record = trial.measure(addition(), accel.device("cpu"), options, lambda message: None)
    assert record["baselines"] == {"bad": {"samples_s": [], "median_s": None, "note": "it crashed"}}


@pytest.mark.parametrize(
    ("name", "seconds", "calls", "timed"),
    [
        ("torch", (0.25, 0.25), 2, 1),
        ("torch", (0.25, 0.0), 7, 5),
        ("torch", (2.1,), 1, 1),
        ("clblast", (2.1, 0.25), 2, 1),
        ("clblast", (2.1, 0.0), 7, 5),
    ],
)
def test_a_hopeless_baseline_is_timed_once(name, seconds, calls, timed, monkeypatch):
    """A first call alone that takes long, as it loads a library, is no sign of it; one of seconds is, but where it may
    have compiled kernels."""
    made, pauses = [], iter(seconds)

    def slow(a, b):
        made.append(1)
        time.sleep(next(pauses, 0.0))
        return a + b

    monkeypatch.setattr(trial.baselines, "calls", offered(**{name: slow}))
    monkeypatch.setattr(trial.Quiet, "wait", lambda self: None)
    options = trial.Options(seed=0, budget=0.02, max_noise=0.5, baselines=True)
    record = trial.measure(addition(), accel.device("cpu"), options, lambda message: None)
    found = record["baselines"][name]
    assert len(found["samples_s"]) >= timed
    if timed == 1:
        assert len(made) == calls
        assert found["note"] == f"timed once, as it takes {found['median_s']:.3g} s"
        assert found["median_s"] >= seconds[-1]
    else:
        assert len(made) >= calls
        assert found["note"] is None
        assert found["median_s"] < 0.1


@pytest.mark.parametrize(("cache", "evictions"), [("warm", False), ("cold", True)])
def test_caches_are_emptied_for_cold_cases_only(cache, evictions):
    calls = []
    options = trial.Options(0, 0.02, 0.5, False, cache=1 << 30, evict=lambda: calls.append(1))
    record = measured(addition(cache=cache), accel.device("cpu"), options)
    assert len(calls) == (len(record["samples_s"]) if evictions else 0)

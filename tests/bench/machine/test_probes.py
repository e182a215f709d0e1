"""The probes: under a clock that only the calls advance, and for real, where only what must hold of any machine is
asked."""

from __future__ import annotations

import json
import time
from pathlib import Path
from statistics import median

import numpy as np
import pytest
from click.testing import CliRunner

import accel
from accel.backends.base import HostDevice
from accel.backends.cpu import native
from accel.bench.machine import caches, probes
from accel.bench.machine.probes import compute, copies, ladder, launch, record, sustained
from accel.bench.machine.probes import native as native_probes
from accel.cli.bench import probe as command
from accel.ops.primitive.pointwise import apply
from accel.scalar import count_fma, opencl
from accel.scalar.evaluate import evaluate

UNITS = {
    "read": "B/s", "copy": "B/s", "triad": "B/s", "copy-in": "B/s", "copy-out": "B/s", "fma": "op/s", "dot": "op/s",
    "matmul": "op/s", "sustained": "1",
}  # fmt: skip


class Machine:
    """A clock, and calls that queue work which synchronize waits for. seconds: of the n-th call, the last for all
    further ones."""

    def __init__(self, *seconds: float) -> None:
        self.now, self.queued, self.calls, self.seconds = 0.0, 0.0, 0, seconds

    def clock(self) -> float:
        return self.now

    def call(self) -> None:
        self.queued += self.seconds[min(self.calls, len(self.seconds) - 1)]
        self.calls += 1

    def synchronize(self) -> None:
        self.now += self.queued
        self.queued = 0.0


# samples


@pytest.mark.parametrize(
    ("seconds", "repeats"), [(1e-6, 50), (3e-4, 34), (4e-3, 3), (10e-3, 1), (2.0, 1)], ids="{}".format
)
def test_a_sample_lasts_long_enough_or_has_many_calls(seconds, repeats):
    machine = Machine(99.0, seconds)  # the first call compiles
    found = record.seconds_per_call(machine.call, machine.synchronize, 5, machine.clock)
    assert found == pytest.approx([seconds] * 5)
    assert machine.calls == 2 + 5 * (1 + repeats)


def test_rounds_spread_the_samples_of_each_call():
    machine, order = Machine(1.0), []

    def call(name):
        def run():
            order.append(name)
            machine.call()

        return run

    def failing():
        raise accel.errors.UnsupportedError("not here")

    calls = {"a": call("a"), "b": failing, "c": call("c")}
    found = record.rounds(calls, machine.synchronize, 2, machine.clock)
    assert str(found["b"]) == "not here"
    assert found["a"] == found["c"] == [1.0, 1.0]
    assert "".join(order) == "aacc" + "aacc" * 2


def test_limits_are_the_largest_sample_and_latencies_the_median():
    samples = [3.0, 1.0, 9.0, 2.0]
    assert record.measured("fma/float32", "op/s", samples, "program").value == 9.0
    assert record.measured("launch/latency", "s", samples, "program").value == 2.5
    assert record.measured("fma/float32", "op/s", samples, "program").to_json()["samples"] == samples


def test_sustained_is_the_pace_of_the_end_over_that_of_the_start():
    """40 calls of 50 ms in 2 s, then 100 ms each: half the pace."""
    machine = Machine(*[0.05] * 42, 0.1)
    rates = sustained.windows(machine.call, machine.synchronize, 10.0, machine.clock)
    assert rates[0] == pytest.approx(20)
    assert rates[-1] == pytest.approx(10)
    assert len(rates) == 10


def test_sustained_is_left_out_of_a_quick_run():
    assert list(sustained.probes(accel.device("cpu"), record.QUICK)) == []


def test_a_short_sustained_run():
    (found,) = sustained.probes(accel.device("cpu"), record.Effort(5, 0.1, sustained_s=1.5))
    assert found.id == "sustained/float32"
    assert len(found.samples) == 2
    assert found.samples[0] == 1.0
    assert found.value == pytest.approx(sum(found.samples) / 2)


# the ladder


def test_rungs():
    assert ladder.rungs(64 << 10, None) == [16 << 10, 32 << 10, 64 << 10, 128 << 10, 256 << 10]
    assert ladder.rungs(48 << 20, None)[-1] == 256 << 20, "the first power of two that is four times as large"
    assert ladder.rungs(48 << 20, 200 << 20)[-1] == 32 << 20, "a quarter of the memory at most"
    assert ladder.rungs(0, 1) == [16 << 10]


def cache(root: Path, core: int, index: int, level: int, kind: str, size: str, shared: str) -> None:
    folder = root / f"cpu{core}" / "cache" / f"index{index}"
    folder.mkdir(parents=True)
    for name, text in (("level", level), ("type", kind), ("size", size), ("shared_cpu_list", shared)):
        (folder / name).write_text(f"{text}\n", encoding="utf-8")


def test_last_level_caches_of_the_cores_in_use_are_counted_once(tmp_path):
    for core in range(4):
        cache(tmp_path, core, 0, 1, "Data", "32K", str(core))
        cache(tmp_path, core, 1, 1, "Instruction", "64M", str(core))
        cache(tmp_path, core, 3, 3, "Unified", "32M", "0-1" if core < 2 else "2-3")
    assert caches.last_level_cache(tmp_path, [0, 1]) == 32 << 20
    assert caches.last_level_cache(tmp_path, [0, 1, 2, 3]) == 64 << 20
    assert caches.last_level_cache(tmp_path, [3]) == 32 << 20
    assert caches.last_level_cache(tmp_path / "nowhere", [0]) == 0


@pytest.mark.parametrize(("text", "expected"), [("32K", 32768), ("1M", 1 << 20), ("2G", 2 << 30), ("512", 512)])
def test_sizes_of_sysfs(text, expected):
    assert caches.size_in_bytes(text) == expected


def test_a_gpu_has_a_last_level_cache_of_64_mib_at_least():
    class Reporting:
        global_mem_cache_size = 408 << 20

    device = HostDevice("opencl", "opencl:0", "gpu", "a board")
    assert ladder.cache_bytes(device) == 64 << 20
    device.cl_device = Reporting()
    assert ladder.cache_bytes(device) == 408 << 20


@pytest.mark.parametrize(("kind", "arrays"), [("read", 1), ("copy", 2), ("triad", 3)])
def test_a_pass_does_what_its_bytes_say(kind, arrays):
    device = accel.device("cpu")
    _, operands = ladder._operands(device, [16 << 10, 96 << 10])
    count = (96 << 10) // (4 * arrays)
    call, moved = ladder._pass(kind, operands, count)
    result = np.asarray(call())
    x, y, out = (np.asarray(operand)[:count] for operand in operands)
    assert moved == arrays * 4 * count
    if kind == "read":
        assert result == x.max()
    else:
        np.testing.assert_array_equal(out, x if kind == "copy" else x + y)
        assert len(np.unique(out)) > count / 2, "random, not constant"


def test_native_rungs_are_those_that_the_threads_leave_whole():
    rungs = [16 << 10, 32 << 10, 64 << 10]
    assert {id for id in native_probes.limits(rungs, 2) if "/" in id and id[0] in "rct"} == {
        "read/16384", "read/32768", "read/65536", "copy/16384", "copy/32768", "copy/65536", "triad/32768",
        "triad/65536",
    }  # fmt: skip


class Small(HostDevice):
    """The CPU's memory, of which one allocation may have so many bytes at most."""

    largest = 100 << 10

    def allocate(self, nbytes):
        if nbytes > self.largest:
            raise accel.errors.OutOfMemoryError(f"{self}: {nbytes}")
        return super().allocate(nbytes)


def test_rungs_that_do_not_fit_are_left_out():
    device = Small("cpu", "cpu", "cpu", "small")
    sets, operands = ladder._operands(device, [16 << 10, 64 << 10, 256 << 10])
    assert sets == [16 << 10, 64 << 10]
    assert operands[0].nbytes == 64 << 10
    device.largest = 1000
    found = list(ladder.probes(device, record.QUICK))
    assert [(p.kind, p.value) for p in found] == [("read", None), ("copy", None), ("triad", None)]
    assert all("cpu: " in p.note for p in found)


# arithmetic


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_chains_are_what_their_operations_say(dtype):
    program = compute.chains(dtype)
    assert count_fma(program) == compute.CHAINS * compute.LENGTH
    assert 2 * count_fma(program) + 2 * compute.CHAINS - 1 == compute.OPERATIONS
    assert opencl.print_program(program, "f").count("fma(") == count_fma(program)
    x = np.linspace(0, 1, 7, dtype=dtype)
    got = evaluate(program, x, np.full(7, 0.5, dtype))
    np.testing.assert_allclose(got, compute.CHAINS * 2 * x, rtol=1e-5, atol=1e-5)


def opencl_device() -> accel.Device:
    """Any OpenCL device that is a CPU; skips where there is none."""
    reason = accel.registry.unavailable("opencl")
    if reason is not None:
        pytest.skip(reason)
    return accel.registry.backend("opencl").devices()[0]


def test_the_chains_run_on_another_device():
    device = opencl_device()
    host = np.linspace(0, 1, 1000, dtype=np.float32)
    x, y = accel.asarray(host, device=device), accel.asarray(np.full(1, 0.5, np.float32), device=device)
    out = accel.empty((1000,), device=device)
    program = compute.chains("float32")
    with accel.config(override=None, fallback="error"):
        apply(program, x, y, out=out)
    np.testing.assert_array_equal(np.asarray(out), evaluate(program, host, np.full(1000, 0.5, np.float32)))


def test_the_best_side_is_kept(monkeypatch):
    rates = {512: 1e9, 1024: 4e9, 2048: 2e9, 4096: 9e9}

    def seconds_per_call(side, synchronize, samples):
        return [2 * side**3 / rates[side]] * samples

    monkeypatch.setattr(compute, "product", lambda device, dtype, side: side)
    monkeypatch.setattr(compute, "seconds_per_call", seconds_per_call)
    effort = record.Effort(samples=5, call_s=8.1 * 2 * 1024**3 / 4e9, sustained_s=0)
    assert compute.best_side(accel.device("cpu"), "float32", effort) == 1024


def test_a_dtype_that_the_device_refuses_says_why(monkeypatch):
    plain = compute.product

    def product(device, dtype, side):
        if dtype == "float64":
            raise accel.errors.UnsupportedError("no float64 here")
        return plain(device, dtype, 8)

    monkeypatch.setattr(compute, "product", product)
    found = {p.id: p for p in compute.reachable(accel.device("cpu"), record.Effort(2, 0.0, 0.0))}
    assert (found["matmul/float64"].value, found["matmul/float64"].note) == (None, "no float64 here")
    assert all(p.value for id, p in found.items() if id != "matmul/float64")


# all of them


@pytest.fixture(scope="module")
def quick() -> tuple[list[dict], list[dict], float]:
    """What a quick run gave, what it reported on its way, and its seconds."""
    seen: list[dict] = []
    begin = time.perf_counter()
    found = probes.run(accel.device("cpu"), seen.append, quick=True)
    return found, seen, time.perf_counter() - begin


def test_a_quick_run_of_the_cpu(quick):
    found, seen, seconds = quick
    assert seen == found
    assert json.loads(json.dumps(found)) == found
    assert seconds < 60, "15 s on a quiet machine"
    ids = [p["id"] for p in found]
    assert len(set(ids)) == len(ids)
    assert {"launch/latency", "launch/rate", "overhead/dispatch", "copy-in", "copy-out", "fma/float32"} < set(ids)
    assert {f"matmul/{dtype}" for dtype in compute.DTYPES} < set(ids)
    for kind in ladder.ARRAYS:
        sizes = [p["working_set"] for p in found if p["kind"] == kind]
        assert sizes == sorted(sizes)
        assert sizes[-1] == ladder.rungs(ladder.cache_bytes(accel.device("cpu")), accel.device("cpu").memory)[-1]
    assert "sustained/float32" not in ids


def test_each_record_of_a_quick_run(quick):
    for p in quick[0]:
        assert set(p) == {"id", "kind", "dtype", "working_set", "unit", "value", "samples", "how", "note"}
        assert p["id"] in (p["kind"], f"{p['kind']}/{p['dtype']}", f"{p['kind']}/{p['working_set']}") or p["kind"] in (
            "launch",
            "overhead",
        )
        if p["value"] is None:
            assert p["kind"] == "dot"
            assert "no such instruction" in p["note"]
            continue
        assert len(p["samples"]) >= 5
        assert min(p["samples"]) > 0
        assert p["unit"] == UNITS.get(p["kind"], p["unit"])
        assert p["value"] == (max if p["kind"] in UNITS else median)(p["samples"])


def test_what_no_machine_contradicts(quick):
    value = {p["id"]: p["value"] for p in quick[0]}
    assert value["launch/latency"] > value["overhead/dispatch"] / 10
    assert 1e-8 < value["launch/latency"] < 1e-2
    for limit in ("matmul/float32", "fma/float64", "fma/float32"):
        assert 1e7 < value[limit] < 1e16
    assert value["matmul/float32"] < 5 * value["fma/float32"], "no matmul exceeds the instructions' rate"
    assert 1e7 < value[f"read/{1 << 20}"] < 1e14


def test_dot_instructions_are_refused_where_there_are_none():
    with accel.config(cpu_isa="baseline"):
        found = {p.id: p for p in native_probes.probes(accel.device("cpu"), record.Effort(1, 0.0, 0.0))}
    assert found["dot/int8"].value is None
    assert "baseline" in found["dot/int8"].note
    assert found["fma/float32"].value > 0
    if native().isas()[0].startswith("a"):
        assert found["fma/float32"].note == native_probes.APART


def test_settings_do_not_send_probes_elsewhere(monkeypatch):
    during = {}

    def one(device, effort):
        during["override"], during["fallback"] = accel.config.override, accel.config.fallback
        yield record.refused("launch/latency", "launch", "s", None, "for the test")

    monkeypatch.setattr(probes, "_probes", one)
    with accel.config(override="add=null", fallback="allow"):
        probes.run(accel.device("cpu"), lambda found: None, quick=True)
    assert during == {"override": (), "fallback": "error"}


def test_launches_of_the_null_backend_leave_no_trace():
    before = len(accel.device("null").launches)
    assert launch._overhead(record.QUICK).value > 0
    assert len(accel.device("null").launches) == before


def test_copies_of_a_device_with_little_memory():
    device = HostDevice("cpu", "cpu", "cpu", "small", memory=80_000)
    found = {p.id: p for p in copies.probes(device, record.QUICK)}
    assert {p.working_set for p in found.values()} == {10_000}
    assert list(found) == ["copy-in", "copy-out"]


def test_a_device_without_limits_has_one_record():
    seen: list[dict] = []
    (found,) = probes.run(accel.device("null"), seen.append, quick=True)
    assert seen == [found]
    assert (found["id"], found["value"]) == ("launch/latency", None)
    assert "null" in found["note"]


# the command


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (1.168e11, "op/s", "117 Gop/s"),
        (9.996e9, "B/s", "10.00 GB/s"),
        (1.189e-6, "s", "1.19 µs"),
        (4.3e-7, "s", "430 ns"),
        (0.5, "s", "500 ms"),
        (928400.0, "1/s", "928 k/s"),
        (0.9731, "1", "0.973"),
        (2.0, "B/s", "2.00 B/s"),
        (None, "B/s", "refused"),
    ],
)
def test_quantities_for_people(value, unit, expected):
    assert command.quantity(value, unit) == expected


ROWS = [
    record.measured("fma/float32", "op/s", [1e11, 2e11], "instructions", dtype="float32").to_json(),
    record.refused("dot/int8", "dot", "op/s", "int8", "no such instruction").to_json(),
]


@pytest.fixture
def told(monkeypatch):
    """Runs that measure nothing; what they were asked for."""
    asked = []

    def run(device, on_probe, quick):
        asked.append((str(device), quick))
        for row in ROWS:
            on_probe(row)
        return ROWS

    monkeypatch.setattr(probes, "run", run)
    return asked


def test_the_table(told):
    done = CliRunner().invoke(command.command, ["--device", "cpu", "--quick"])
    assert (done.exit_code, told) == (0, [("cpu", True)])
    lines = done.output.splitlines()
    assert lines[0].startswith(f"cpu: {accel.device('cpu').description}; ")
    assert lines[2].split() == [
        "fma/float32",
        "200",
        "Gop/s",
        "2:",
        "100",
        "Gop/s",
        "to",
        "200",
        "Gop/s",
        "instructions",
    ]
    assert lines[3].split() == ["dot/int8", "refused", "no", "such", "instruction"]


def test_json(told):
    done = CliRunner().invoke(command.command, ["--device", "cpu", "--json"])
    assert (done.exit_code, told) == (0, [("cpu", False)])
    assert json.loads(done.output) == {"probe_version": probes.PROBE_VERSION, "device": "cpu", "probes": ROWS}


def test_a_device_that_computes_nothing_is_refused(told):
    done = CliRunner().invoke(command.command, ["--device", "null"])
    assert (done.exit_code, told) == (2, [])
    assert "null:0 is of the kind null" in done.output
    assert "--device" in done.output


def test_an_unknown_device_is_refused(told):
    from accel.cli import run

    assert run(["bench", "probe", "--device", "nonsense"]) == 2
    assert told == []

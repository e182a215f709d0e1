"""Runs in child processes, some of which do not come back: each case gets its status, and the run goes on."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from faults import FOLDER, case, install, python_path

from accel.bench.cases.case import Operand, Workload
from accel.bench.machine.probes.record import measured as measured_probe
from accel.bench.measure import runner
from accel.bench.measure.child import Child
from accel.bench.measure.plan import Plan
from accel.bench.measure.runner import journal_of
from accel.bench.result import file as result
from accel.bench.result.journal import OtherRunError
from accel.cli import run as command_line
from accel.cli.bench.run import default_file
from accel.errors import AccelError, ArgumentError

QUICK = {"budget": 0.01, "processes": 1, "max_noise": 0.9, "baselines": False, "probes": False}


@pytest.fixture
def faulty(tmp_path, monkeypatch):
    """Child processes find the faulty backend."""
    monkeypatch.setenv("PYTHONPATH", python_path(install(tmp_path / "site")))


def only(monkeypatch, cases):
    """The suite has these cases and no others."""

    def select(suite, ops=(), models=(), dtypes=(), pattern=None):
        return [case for case in cases if pattern is None or re.search(pattern, case.id)]

    monkeypatch.setattr(runner, "select", select)
    return cases


def run(tmp_path, on_event=lambda event: None, resume=False, **keywords):
    plan = Plan("quick", "faulty:0", **QUICK | keywords)
    return runner.run(plan, tmp_path / "out.json", on_event, resume)


ENDINGS = {
    "right": ("PASS", None),
    "abort": ("CRASH", r"in the first call: signal 6 \(SIGABRT\); its last words: kernel \(a path\): it is over"),
    "slow": ("PASS", None),
    "exit": ("CRASH", "in the first call: exit code 3"),
    "wrong": ("INCORRECT", r"."),
    "hang": ("TIMEOUT", "given up after 3 s in the first call"),
    "wrong-later": ("INCORRECT", "the result's bits changed"),
    "hang-with-lock": ("TIMEOUT", "given up after 3 s in the first call"),
    "out-of-memory": ("OOM", "OutOfMemoryError: faulty:0: 8 bytes"),
    "eat": ("OOM", r"the process held \d+ bytes in the first call; 100000000 bytes are allowed for a case"),
    "raise": ("CRASH", "RuntimeError: the kernel is broken"),
    "spawn": ("TIMEOUT", "given up after 3 s in the first call"),
    "refuse": ("FALLBACK", None),
}


def test_every_fault_has_its_status_and_the_run_goes_on(tmp_path, faulty, monkeypatch):
    big, absent = (1 << 14, 1 << 14), (5,)
    cases = [case(fault) for fault in ENDINGS] + [case("right", 2)]
    for name, op, shape in (("big", "add", big), ("absent", "make_coffee", absent)):
        operands = (Operand(shape, "float32"),) * 2
        cases.append(Workload(name, None, None, None, 1, None, op, "float32", operands, (), "warm"))
    only(monkeypatch, cases)
    events = []
    record = run(tmp_path, events.append, timeout=3.0, memory=100_000_000)

    assert [row["id"] for row in record["cases"]] == [each.id for each in cases]
    found = {row["id"]: row for row in record["cases"]}
    for fault, (status, detail) in ENDINGS.items():
        row = found[case(fault).id]
        assert row["status"] == status, (fault, row["detail"])
        assert re.match(detail, row["detail"]) if detail else row["detail"] is None, (fault, row["detail"])
        assert bool(row["samples_s"]) == (status in result.TIMED)
    assert found[case("right", 2).id]["status"] == "PASS", "what comes after the faults"
    assert found["big"]["status"] == "SKIPPED_MEM"
    assert (found["absent"]["status"], found["absent"]["detail"]) == ("UNSUPPORTED", "accel has no op 'make_coffee'")

    assert result.problems(record) == []
    assert result.load(tmp_path / "out.json") == record
    assert record["run"]["complete"]
    assert not journal_of(tmp_path / "out.json").exists()
    kinds = Counter(event.kind for event in events)
    assert kinds["case"] == len(cases)
    assert [event.done for event in events if event.kind == "case"] == list(range(1, len(cases) + 1))


@pytest.mark.parametrize(("memory", "how"), [(1, "memory"), (1 << 40, "timeout")])
def test_memory_tells_more_than_a_deadline(tmp_path, memory, how):
    """A parent that was held up finds both passed."""
    (tmp_path / "asleep.py").write_text("import time; time.sleep(1000)", encoding="utf-8")
    child = Child({}, {"PYTHONPATH": str(tmp_path)}, module="asleep")
    try:
        assert child.next(time.monotonic(), memory).how == how
    finally:
        child.kill()


def test_each_case_is_timed_in_several_processes_one_after_all_others(tmp_path, faulty, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    cases = only(monkeypatch, [case("right"), case("raise"), case("wrong-anew"), case("right", 2)])
    events = []
    record = run(tmp_path, events.append, processes=3)
    first, crashed, changed, last = record["cases"]
    for row in (first, last):
        assert row["status"] == "PASS"
        assert row["processes"] == [5, 5, 5] and len(row["samples_s"]) == 15
        assert row["error"]["checked"] > 0, "the first process's"
    assert (crashed["status"], crashed["processes"]) == ("CRASH", [])
    assert (changed["status"], changed["samples_s"]) == ("INCORRECT", [])
    assert changed["detail"] == "the result's bits changed from one process to the next"
    assert record["run"]["processes"] == 3
    assert result.problems(record) == []
    told = [(event.text, event.done) for event in events if event.kind == "case"]
    right, failed, anew, further = (each.id for each in cases)
    assert told == [(right, 1), (failed, 4), (anew, 5), (further, 6), (right, 7), (anew, 9), (further, 10),
                    (right, 11), (further, 12)]  # fmt: skip


def test_limits_are_probed_before_each_turn(tmp_path, faulty, monkeypatch):
    only(monkeypatch, [case("right")])
    takes = iter(([4.0, 6.0], [5.0, 7.0]))

    def messages(task, variables, seconds):
        if task["do"] != "probe":
            return originally(task, variables, seconds)
        asked.append(task["again"])
        return iter([{"probe": probed("fma/float32", next(takes))}])

    def probed(name, samples):
        return measured_probe(name, "op/s", samples, "instructions", dtype="float32").to_json()

    originally, asked = runner._messages, []
    monkeypatch.setattr(runner, "_messages", messages)
    record = run(tmp_path, processes=2, probes=True)
    (row,) = record["probes"]
    assert (row["samples"], row["value"]) == ([4.0, 6.0, 5.0, 7.0], 7.0)
    assert asked == [False, True]


def test_what_a_case_started_ends_with_it(tmp_path, faulty, monkeypatch, capfd):
    only(monkeypatch, [case("spawn")])
    words = []
    ended = runner.Group.failed

    def failed(self, identity, step, ending):
        words.append(ending.words)
        return ended(self, identity, step, ending)

    monkeypatch.setattr(runner.Group, "failed", failed)
    run(tmp_path, timeout=2.0)
    (grandchild,) = re.findall(r"grandchild (\d+)", words[0])
    deadline = time.monotonic() + 5
    while Path(f"/proc/{grandchild}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    state = Path(f"/proc/{grandchild}/stat")
    assert not state.exists() or state.read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"


@pytest.mark.parametrize(("load", "said"), [(1.7, ["this machine is busy (1.7 "]), (0.1, []), (None, [])])
def test_a_busy_machine_is_told_of(load, said, tmp_path, faulty, monkeypatch):
    only(monkeypatch, [case("right")])
    machine = runner.identify("faulty:0")
    machine["host"]["load"] = load
    notices = []
    plan = Plan("quick", "faulty:0", **QUICK)
    runner.run(plan, tmp_path / "out.json", lambda e: notices.append(e) if e.kind == "notice" else None, False, machine)
    assert [notice.text[:26] for notice in notices] == said


def test_a_device_that_is_not_there(tmp_path):
    with pytest.raises(AccelError, match="nonsense"):
        runner.run(Plan("quick", "nonsense:0", **QUICK), tmp_path / "out.json", lambda event: None)
    assert list(tmp_path.iterdir()) == []


def test_no_case_names_the_filters(tmp_path, monkeypatch):
    only(monkeypatch, [case("right")])
    with pytest.raises(ArgumentError, match=r"no case of suite quick matches --case 'nothing like it'"):
        run(tmp_path, patterns=("nothing like it",))
    assert list(tmp_path.iterdir()) == []


def test_an_id_matches_itself_though_it_is_no_pattern(monkeypatch):
    cases = only(monkeypatch, [case("right"), case("right", 2)])
    odd = Workload("odd (id", None, None, None, 1, None, "add", "float32", cases[0].operands, (), "warm")
    cases.append(odd)
    assert runner.chosen(Plan("quick", "", patterns=("odd (id",))) == [odd]
    assert runner.chosen(Plan("quick", "", patterns=("right/2", "right/0"))) == cases[:2]


# interruption


def start(tmp_path, cases, *arguments):
    """`accel bench run` of these cases, in a process."""
    file = tmp_path / "cases.json"
    file.write_text(json.dumps([each.to_json() for each in cases]), encoding="utf-8")
    options = [
        "--budget",
        "0.01",
        "--processes",
        "1",
        "--max-noise",
        "0.9",
        "--no-baselines",
        "--no-probes",
        "--device",
        "faulty:0",
    ]
    command = [sys.executable, str(FOLDER / "run.py"), str(file), "bench", "run", *options]
    return subprocess.Popen(
        [*command, "-o", str(tmp_path / "out.json"), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def cases_in(journal: Path) -> list[str]:
    """Ids of the cases that a journal has, as they lie there."""
    text = journal.read_text(encoding="utf-8") if journal.exists() else ""
    return [json.loads(line)["case"]["id"] for line in text.splitlines() if line.startswith('{"case"')]


def wait_for(tmp_path, count):
    """Until so many cases are in the journal."""
    deadline = time.monotonic() + 60
    while len(cases_in(journal_of(tmp_path / "out.json"))) < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()]


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


SOME = [*(case("slow", copy) for copy in range(6)), case("wrong"), *(case("slow", copy) for copy in range(6, 8))]


def finish(tmp_path, before: list[str]):
    """Resumes, and looks at the result: every case once, those from before as they were."""
    kept = [
        line
        for line in journal_of(tmp_path / "out.json").read_text(encoding="utf-8").splitlines()
        if line.startswith('{"case"')
    ]
    done = start(tmp_path, SOME, "--resume")
    out, err = done.communicate(timeout=120)
    assert done.returncode == 1, err  # one of them is INCORRECT
    assert f"{len(before)} of {len(SOME)} cases are done already" in err
    record = result.load(tmp_path / "out.json")
    assert [row["id"] for row in record["cases"]] == [each.id for each in SOME]
    assert record["run"]["complete"]
    assert record["run"]["resumed"] == 1
    found = {row["id"]: row["samples_s"] for row in record["cases"]}
    assert {
        json.loads(line)["case"]["id"]: json.loads(line)["case"]["samples_s"] for line in kept
    }.items() <= found.items()
    assert not journal_of(tmp_path / "out.json").exists()
    assert "INCORRECT" in out


def test_a_killed_run_is_resumed(tmp_path, faulty):
    process = start(tmp_path, SOME)
    wait_for(tmp_path, 2)
    measuring = children(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    deadline = time.monotonic() + 10
    while not all(map(gone, measuring)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert measuring
    assert all(map(gone, measuring)), "the child outlives its parent"
    before = cases_in(journal_of(tmp_path / "out.json"))
    assert 2 <= len(before) < len(SOME)
    assert not (tmp_path / "out.json").exists()
    other = start(tmp_path, SOME, "--resume", "--seed", "5")
    _, err = other.communicate(timeout=60)
    assert other.returncode == 6
    assert "seed: it has 0, this run 5" in err
    finish(tmp_path, before)


def test_an_interrupted_run_says_how_to_go_on(tmp_path, faulty):
    process = start(tmp_path, SOME)
    wait_for(tmp_path, 2)
    measuring = children(process.pid)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert all(map(gone, measuring))
    line = err.strip().splitlines()[-1].strip()
    assert line.startswith("accel bench run --suite quick --device faulty:0")
    assert line.endswith(f"-o {tmp_path / 'out.json'} --resume")
    finish(tmp_path, cases_in(journal_of(tmp_path / "out.json")))


def test_a_run_goes_on_in_the_turn_in_which_it_was_interrupted(tmp_path, faulty, monkeypatch):
    cases = only(monkeypatch, [case("right", copy) for copy in range(3)])
    seen = []

    def interrupt(event):
        seen.append(event.kind)
        if seen.count("case") == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, interrupt, processes=2)
    kept = {}
    for line in journal_of(tmp_path / "out.json").read_text(encoding="utf-8").splitlines():
        if line.startswith('{"case"'):
            row = json.loads(line)["case"]
            kept[row["id"]] = row
    assert [len(row["processes"]) for row in kept.values()] == [2, 1, 1]
    events = []
    record = run(tmp_path, events.append, resume=True, processes=2)
    assert [event.text for event in events if event.kind == "case"] == [cases[1].id, cases[2].id]
    assert [row["processes"] for row in record["cases"]] == [[5, 5]] * 3
    for row in record["cases"]:
        before = kept[row["id"]]["samples_s"]
        assert row["samples_s"][: len(before)] == before
    assert result.problems(record) == []


def test_an_interrupted_run_can_be_finished_elsewhere(tmp_path, faulty, monkeypatch, accel_bench):
    """Cases that were reached, by the processes that timed them; the run can go on afterwards."""
    out = tmp_path / "out.json"
    code, _, err = accel_bench("finish", out)
    assert code == 2 and "there is no out.json.journal" in err
    cases = only(monkeypatch, [case("right"), case("wrong"), *(case("right", copy) for copy in range(2, 4))])

    def interrupt_at(count):
        left = iter(range(count))

        def on_event(event):
            if event.kind == "case" and next(left) == count - 1:
                raise KeyboardInterrupt

        return on_event

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, interrupt_at(3), processes=2)
    for name in ("PYTHONPATH", "ACCEL_DEVICE"):
        monkeypatch.delenv(name, raising=False)  # the device is not to be found here
    code, said, _ = accel_bench("finish", out)
    assert code == 1, "one of them is INCORRECT"
    assert "written: " in said
    record = result.load(out)
    assert [row["id"] for row in record["cases"]] == [each.id for each in cases[:3]]
    assert [row["status"] for row in record["cases"]] == ["PASS", "INCORRECT", "PASS"]
    assert not record["run"]["complete"]
    assert result.problems(record) == []
    assert record["device"]["name"] == "faulty:0"
    monkeypatch.setenv("PYTHONPATH", python_path(tmp_path / "site"))
    assert run(tmp_path, resume=True, processes=2)["run"]["complete"]


@pytest.mark.parametrize(
    ("lines", "words"),
    [([], "nothing was measured"), ([{"head": {}}], "another version"), ([{"head": 3}], "another version")],
)
def test_what_cannot_be_finished(tmp_path, lines, words):
    journal_of(tmp_path / "out.json").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    with pytest.raises(ArgumentError, match=words):
        runner.finish(tmp_path / "out.json")
    assert not (tmp_path / "out.json").exists()


def test_a_run_that_measured_nothing_cannot_be_finished(tmp_path, faulty, monkeypatch):
    only(monkeypatch, [case("right")])

    def interrupt(event):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, interrupt)
    with pytest.raises(ArgumentError, match="no case was measured"):
        runner.finish(tmp_path / "out.json")


def test_a_journal_of_another_plan_is_refused(tmp_path, faulty, monkeypatch):
    only(monkeypatch, SOME[:3])

    def interrupt(event):
        if event.kind == "case":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, interrupt)
    assert len(cases_in(journal_of(tmp_path / "out.json"))) == 1
    with pytest.raises(OtherRunError, match="seed"):
        run(tmp_path, resume=True, seed=5)
    with pytest.raises(ArgumentError, match="--resume"):
        run(tmp_path)
    assert len(run(tmp_path, resume=True)["cases"]) == 3


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("cpu", "accel-bench-quick-cpu.json"),
        ("opencl:intel cpu", "accel-bench-quick-opencl-intel-cpu.json"),
        ("triton:0", "accel-bench-quick-triton-0.json"),
        ("../a/..", "accel-bench-quick-a.json"),
    ],
)
def test_the_file_is_named_by_the_device_that_was_asked_for(asked, name):
    assert str(default_file("quick", asked)) == name


def test_a_run_names_its_file_by_what_was_asked(monkeypatch, tmp_path, capsys):
    """And not by the device that was found; the line to go on with names the file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runner, "identify", lambda device: {"device": {"name": "opencl:0"}})

    def run(plan, out, *rest):
        journal_of(out).write_text("", encoding="utf-8")
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "run", run)
    assert command_line(["bench", "run", "--device", "opencl:intel cpu"]) == 130
    said = capsys.readouterr().err
    assert "--device opencl:0 -o accel-bench-quick-opencl-intel-cpu.json --resume" in said
    assert "accel bench finish accel-bench-quick-opencl-intel-cpu.json" in said

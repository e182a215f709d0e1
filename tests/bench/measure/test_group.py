"""A group of cases with a child that says what the test wants: deadlines, baselines that fail, processes that do not
start."""

from __future__ import annotations

import pytest
from faults import case

from accel.bench.measure import group
from accel.bench.measure.child import Ending
from accel.bench.measure.plan import Plan
from accel.bench.result.record import baseline, blank, timed
from accel.errors import AccelError

CASES = [case("right", copy) for copy in range(3)]
FIRST, SECOND, THIRD = (each.id for each in CASES)


class Script:
    """Children whose messages are given; each list is one process. tasks, deadlines, limits: what they got."""

    def __init__(self, *processes):
        self.processes, self.tasks, self.waits, self.killed = list(processes), [], [], 0

    def __call__(self, task, variables):
        self.tasks.append(task)
        self.messages = iter(self.processes.pop(0))
        return self

    def next(self, deadline, limit):
        self.waits.append((deadline - group.time.monotonic(), limit))
        return next(self.messages)

    def resident(self):
        return 1000

    def kill(self):
        self.killed += 1


def entry(name):
    workload = next(each for each in CASES if each.id == name)
    return {"case": blank(workload, "cpu", "PASS")}


@pytest.fixture
def measured(monkeypatch):
    def measure(*processes, timeout=50.0, earlier=()):
        script, kept = Script(*processes), []
        monkeypatch.setattr(group, "Child", script)
        plan = Plan("quick", "cpu", timeout=timeout)
        group.Group(plan, CASES, 500, 1 << 20, dict(earlier), lambda name: None, kept.append).measure()
        return script, {row["id"]: row for row in kept}

    return measure


DONE = Ending("exit", 0)


def test_one_process_measures_all(measured):
    script, kept = measured([m for name in (FIRST, SECOND, THIRD) for m in ({"begin": name}, entry(name))] + [DONE])
    assert list(kept) == [FIRST, SECOND, THIRD]
    assert len(script.tasks) == script.killed == 1


def test_each_case_has_its_own_time_and_memory(measured):
    rest = [m for name in (SECOND, THIRD) for m in ({"begin": name}, entry(name))]
    script, _ = measured([{"begin": FIRST}, entry(FIRST), *rest, DONE])
    before, first, between, second, *_ = script.waits
    assert before == (pytest.approx(group.START_SECONDS, abs=1), None)
    assert first == (pytest.approx(50, abs=1), 1500 + group.COPIES * (1 << 20))
    assert between[0] == pytest.approx(group.START_SECONDS, abs=1)
    assert second[0] == pytest.approx(50, abs=1)


def test_the_rest_goes_on_in_a_new_process(measured):
    script, kept = measured(
        [{"begin": FIRST}, entry(FIRST), {"begin": SECOND}, Ending("exit", -11, "gone")],
        [{"begin": THIRD}, entry(THIRD), DONE],
    )
    assert {name: row["status"] for name, row in kept.items()} == {FIRST: "PASS", SECOND: "CRASH", THIRD: "PASS"}
    assert kept[SECOND]["detail"] == "at its begin: signal 11 (SIGSEGV); its last words: gone"
    assert [[c["id"] for c in task["cases"]] for task in script.tasks] == [[FIRST, SECOND, THIRD], [THIRD]]


def test_a_baseline_that_takes_the_process_with_it_costs_only_itself(measured):
    rest = [m for name in (SECOND, THIRD) for m in ({"begin": name}, entry(name))]
    script, kept = measured(
        [{"begin": FIRST}, {"baseline": "torch", "patience": 7.0}, Ending("timeout")],
        [{"begin": FIRST}, entry(FIRST), *rest, DONE],
    )
    assert kept[FIRST]["status"] == "PASS"
    assert script.waits[2][0] == pytest.approx(7, abs=1)
    reason = script.tasks[1]["without"][FIRST]["torch"]
    assert reason == "left out: its first call ended the process: out of time"


def test_each_step_has_its_own_time(measured):
    rest = [m for name in (SECOND, THIRD) for m in ({"begin": name}, entry(name))]
    patience = {"baseline": "torch", "patience": 7.0}
    first = [{"begin": FIRST}, {"step": "in the first call"}, patience, {"step": "being timed"}, entry(FIRST)]
    script, _ = measured([*first, *rest, DONE])
    assert [seconds for seconds, _ in script.waits[1:5]] == [pytest.approx(each, abs=1) for each in (50, 50, 7, 50)]


def test_a_step_after_a_baseline_is_accels_own(measured):
    begun = [{"begin": FIRST}, {"baseline": "torch", "patience": 7.0}, {"step": "being timed"}]
    rest = [m for name in (SECOND, THIRD) for m in ({"begin": name}, entry(name))]
    script, kept = measured([*begun, Ending("timeout")], [*rest, DONE])
    assert (kept[FIRST]["status"], kept[FIRST]["detail"]) == ("TIMEOUT", "given up after 50 s being timed")
    assert script.tasks[1]["without"] in ({}, {FIRST: {}})


def test_a_process_that_ends_between_cases_is_replaced(measured):
    script, kept = measured(
        [{"begin": FIRST}, entry(FIRST), Ending("exit", -9)],
        [m for name in (SECOND, THIRD) for m in ({"begin": name}, entry(name))] + [DONE],
    )
    assert len(kept) == 3
    assert len(script.tasks) == 2


def test_a_process_that_does_not_start_twice_ends_the_run(measured):
    with pytest.raises(AccelError, match="does not get to a case: exit code 1; its last words: no driver"):
        measured([Ending("exit", 1, "no driver")], [Ending("exit", 1, "no driver")])


def test_a_process_that_does_not_start_once_is_started_again(measured):
    rest = [m for name in (FIRST, SECOND, THIRD) for m in ({"begin": name}, entry(name))]
    script, kept = measured([Ending("exit", 1, "no driver")], [*rest, DONE])
    assert len(kept) == 3
    assert len(script.tasks) == 2


def test_no_process_gets_too_many_cases():
    many = [case("right", copy) for copy in range(group.SIZE + 3)]
    parts = list(group.groups(many))
    assert [len(part) for part in parts] == [group.SIZE, 3]
    assert [each for part in parts for each in part] == many
    assert list(group.groups([])) == []


def test_a_further_process_has_its_share_of_the_budget_and_what_is_known(measured):
    first = timed(entry(FIRST)["case"], [1.0, 2.0, 3.0], 1.0) | {"hash": "sha256:0"}
    first["baselines"] = {
        "numpy": baseline([2.0, 2.0, 2.0], None),
        "torch": baseline([9.0], "timed once, as it takes 9 s"),
        "clblast": baseline([], "left out: it has no such call"),
    }
    everything = [m for name in (FIRST, SECOND, THIRD) for m in ({"begin": name}, entry(name))]
    script, _ = measured([*everything, DONE], earlier={FIRST: first, SECOND: entry(SECOND)["case"]})
    (task,) = script.tasks
    assert task["budget"] == Plan("quick", "cpu").budget / 2
    assert task["earlier"] == {FIRST: "sha256:0", SECOND: None}
    assert task["without"] == {FIRST: dict.fromkeys(("torch", "clblast"), "not timed in rounds"), SECOND: {}}

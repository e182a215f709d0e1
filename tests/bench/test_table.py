"""The command with rows that are made up, on a clock that only their calls advance: verdicts, exit codes, JSON."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest

from accel.bench.cpu import bars, report, result, run, worker
from accel.bench.cpu.bars import Row
from accel.bench.cpu.case import Calls, Case
from accel.bench.cpu.data import Data
from accel.bench.cpu.limits import Limit
from accel.cli import run as command_line
from accel.errors import UnsupportedError

WANT = np.arange(1.0, 9.0)


class Machine:
    now = 0.0

    def call(self, seconds: float, value=WANT):
        def function():
            self.now += seconds
            return value

        return function


def made_up(machine: Machine, name: str, seconds: dict[str, float], value=WANT, limit: Limit | None = None) -> Case:
    """A case of which each library takes the seconds given, and accel gives the value."""

    def build(data: Data) -> Calls:
        if "accel" not in seconds:
            raise UnsupportedError("accel has no such function")
        peers = {peer: machine.call(s) for peer, s in seconds.items() if peer != "accel"}
        return Calls(machine.call(seconds["accel"], value), peers, lambda: WANT, lambda x: x)

    return Case(name, "float64", build, limit)


@pytest.fixture
def table(monkeypatch, capsys):
    """Runs `accel bench cpu` over made-up rows; returns the exit code, stdout and stderr."""
    machine = Machine()

    def launch(task):
        yield {"probes": {"fma_float64": 100.0, "vnni_int8": None}}
        for row in bars.ROWS:
            if row.name in task["rows"]:
                for each in worker.measure_row(row, Data(), task, lambda: machine.now):
                    yield json.loads(json.dumps({"result": result.asdict(each)}))
                yield {"done": row.name}

    def call(rows: list[Row], *arguments: str):
        monkeypatch.setattr(bars, "ROWS", tuple(rows))
        monkeypatch.setattr(run, "launch", launch)
        capsys.readouterr()
        code = command_line(["bench", "cpu", "--threads", "1", *arguments])
        return code, *capsys.readouterr()

    call.machine = machine
    return call


def row(name: str, *cases: Case, bar: float = 1.0, **more) -> Row:
    return Row(name, f"work of {name}", lambda: list(cases), bar, **more)


def line_of(out: str, name: str) -> str:
    (found,) = [line for line in out.splitlines() if line.startswith(f"{name} ")]
    return found


def test_a_fast_row_passes(table):
    case = made_up(table.machine, "fast", {"accel": 1e-3, "numpy": 4e-3, "torch": 2e-3})
    code, out, _ = table([row("good", case, bar=1.9)])
    assert code == 0
    assert line_of(out, "good").split()[3:8] == ["2.00", "2.00", "each", "1.9", "0.0%"]
    assert line_of(out, "good").endswith("pass")
    assert "torch 2 ms" in line_of(out, "good"), "the better peer"


def test_a_slow_accel_is_below_and_named(table):
    fast = made_up(table.machine, "fast", {"accel": 1e-3, "torch": 4e-3})
    slow = made_up(table.machine, "slow", {"accel": 5e-3, "torch": 1e-3})
    code, out, _ = table([row("fine", fast), row("bad", fast, slow)])
    assert code == 1
    assert line_of(out, "bad").endswith("below")
    assert line_of(out, "fine").endswith("pass")
    assert "below: bad with 1 thread: slow: 0.20, bar 1" in out
    assert "1 of 2 rows are below their bar." in out


def test_cases_may_be_chosen(table):
    cases = [made_up(table.machine, name, {"accel": 1e-3, "torch": t}) for name, t in (("a", 4e-3), ("b", 1e-4))]
    rows = [row("both", *cases), row("one", cases[1])]
    code, out, _ = table(rows, "--cases", "^a$")
    assert code == 0
    assert line_of(out, "both").split()[2] == "1"
    assert "one" not in [line.split(" ")[0] for line in out.splitlines()]


def test_a_wrong_result_fails_however_fast(table):
    value = WANT + (np.arange(8) == 3)
    case = made_up(table.machine, "quick", {"accel": 1e-6, "torch": 1.0}, value)
    code, out, _ = table([row("bad", case)])
    assert code == 1
    assert line_of(out, "bad").endswith("INCORRECT")
    assert "quick: INCORRECT: 1 of 8 compared are wrong; the first is 5.0 and not 4.0" in out


def test_a_missing_function_fails(table):
    code, out, _ = table([row("bad", made_up(table.machine, "absent", {"torch": 1.0}))])
    assert code == 1
    assert "absent: FAILED: UnsupportedError: accel has no such function" in out


def test_the_mean_may_hide_no_case_below_the_floor(table):
    cases = [made_up(table.machine, str(s), {"accel": s, "torch": 1.0}) for s in (0.25, 2.0)]
    passing = row("mean", *cases, bar=1.4, rule="mean")
    code, out, _ = table([passing])
    assert (code, line_of(out, "mean").split()[3:5]) == (0, ["1.41", "0.50"])
    code, out, _ = table([row("mean", *cases, bar=1.5, rule="mean")])
    assert code == 1
    assert "geometric mean 1.41, bar 1.5" in out
    code, out, _ = table([row("mean", *cases, bar=1.4, rule="mean", floor=0.9)])
    assert code == 1
    assert "2.0: 0.50, bar 0.9" in out


def test_only_the_limit_counts_without_a_peer(table, monkeypatch):
    monkeypatch.setattr(Limit, "rate", lambda self, isa, threads: 100.0)
    case = made_up(table.machine, "alone", {"accel": 1.0}, limit=Limit("vnni_int8", 93e9))
    code, out, _ = table([row("limited", case, limit=0.92)])
    assert code == 0
    assert "no peer" in line_of(out, "limited")
    assert "93% vnni_int8" in line_of(out, "limited")
    code, out, _ = table([row("limited", case, limit=0.95)])
    assert code == 1
    assert "alone: 93% of vnni_int8, bar 95%" in out


def test_a_peer_with_another_result_or_dtype_is_left_out(table):
    def build(data: Data) -> Calls:
        call = partial(table.machine.call, 1e-3)
        peers = {"numpy": call(WANT + 1), "torch": call(WANT.astype(np.float32))}
        return Calls(call(), peers, lambda: WANT, lambda x: x)

    code, out, _ = table([row("alone", Case("other", "float64", build))], "--verbose")
    assert code == 0
    assert "numpy left out: 8 of 8 compared are wrong" in out
    assert "torch left out: gives float32, accel float64" in out


def test_only_the_peers_that_count_are_judged(table):
    case = made_up(table.machine, "call", {"accel": 1e-6, "numpy": 1e-7, "torch": 2e-6})
    assert table([row("overhead", case, peers=("torch",))])[0] == 0
    assert table([row("overhead", case)])[0] == 1


def test_a_hopeless_peer_is_called_once(table):
    case = made_up(table.machine, "far", {"accel": 0.1, "torch": 20.0})
    code, out, _ = table([row("far-ahead", case)], "--verbose")
    assert code == 0
    assert "torch timed once" in out
    assert line_of(out, "far-ahead").split()[3] == "200.00"
    assert table.machine.now < 25


def test_json_round_trip(table, tmp_path):
    file = tmp_path / "run.json"
    fast = made_up(table.machine, "fast", {"accel": 1e-3, "torch": 4e-3})
    slow = made_up(table.machine, "slow", {"accel": 5e-3, "torch": 1e-3})
    rows = [row("fine", fast), row("bad", fast, slow), row("none", made_up(table.machine, "absent", {}))]
    code, out, _ = table(rows, "--json", str(file))
    assert code == 1
    record = json.loads(file.read_text())
    assert record["passed"] is False
    assert record["header"]["probes"] == {"1": {"fma_float64": 100.0, "vnni_int8": None}}
    verdicts = result.from_json(record, rows)
    assert [v.passed for v in verdicts] == [True, False, False]
    assert json.loads(json.dumps(result.to_json(record["header"], verdicts, record["isa"]))) == record
    assert [report.row(v) for v in verdicts] == [
        line for line in out.splitlines() if line.split(" ")[0] in ("fine", "bad", "none")
    ]
    with pytest.raises(ValueError, match="schema 0, expected 1"):
        result.from_json(record | {"schema": 0}, rows)
    with pytest.raises(ValueError, match="unknown row 'fine'"):
        result.from_json(record, rows[1:])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--rows", "nothing-like-it"), "no row matches 'nothing-like-it'; there are only"),
        (("--rows", "("), "is not a regular expression"),
        (("--cases", "nothing-like-it"), "no case matches 'nothing-like-it'; there are x"),
        (("--cases", "("), "is not a regular expression"),
        (("--threads", "0"), "expected whole numbers from 1 on"),
        (("--threads", "1,x"), "expected whole numbers from 1 on"),
        (("--seconds", "0"), "--seconds"),
        (("--isa", "typo"), "cpu_isa='typo' is not available here"),
    ],
)
def test_bad_arguments(arguments, expected, table):
    code, out, err = table([row("only", made_up(table.machine, "x", {"accel": 1.0}))], *arguments)
    assert (code, out) == (2, "")
    assert expected in err


def test_list_measures_nothing(table):
    code, out, _ = table([row("only", made_up(table.machine, "x", {}), bar=1.5, limit=0.9)], "--list")
    assert code == 0
    assert out.splitlines()[1].split() == ["only", "each", "1.5", "90%", "numpy,", "torch", "work", "of", "only"]
    assert table.machine.now == 0


def test_the_head_names_no_host_and_says_which_peers_are_missing():
    lines = report.head(run.header("baseline") | {"versions": {"numpy": "2.0", "torch": None}})
    assert "torch not installed: no peer" in lines[2]
    assert "cores" in lines[0]


def test_a_worker_measures_and_ends(tmp_path):
    """The real process, for one row; nothing is said of its times."""
    (chosen,) = [each for each in bars.ROWS if each.name == "overhead-add-array"]
    seen = []
    (verdict,) = run.run([chosen], 1, "baseline", 0.01, lambda threads, rates: seen.append((threads, rates)))
    assert verdict.cases[0].status == "ok"
    assert len(verdict.cases[0].samples["accel"]) >= 3
    assert seen[0][0] == 1
    assert seen[0][1]["fma_float32"] > 0


def test_a_worker_that_dies_is_an_error():
    from accel.errors import AccelError

    with pytest.raises(AccelError, match="ended with code"):
        list(run.launch({"rows": [], "threads": 1, "isa": "typo", "seconds": 1, "cases": ""}))

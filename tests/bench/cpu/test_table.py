"""The command with rows that are made up, on a clock that only their calls advance: verdicts, exit codes, JSON."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest

from accel.backends.cpu import native
from accel.bench.cpu import aims, guards, report, result, run, worker
from accel.bench.cpu.aims import Row
from accel.bench.cpu.case import Calls, Case
from accel.bench.cpu.data import Data
from accel.bench.machine.limits import Limit
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
        for row in aims.ROWS:
            if row.name in task["rows"]:
                for each in worker.measure_row(row, Data(), task, lambda: machine.now):
                    yield json.loads(json.dumps({"result": result.asdict(each)}))
                yield {"done": row.name}

    def call(rows: list[Row], *arguments: str):
        monkeypatch.setattr(aims, "ROWS", tuple(rows))
        monkeypatch.setattr(run, "launch", launch)
        capsys.readouterr()
        code = command_line(["bench", "cpu", "--threads", "1", *arguments])
        return code, *capsys.readouterr()

    call.machine = machine
    return call


def row(name: str, *cases: Case, aim: float = 1.0, **more) -> Row:
    return Row(name, f"work of {name}", lambda: list(cases), aim, **more)


NO_NOISE = {"mean": 0.0, "worst": 0.0, "share": 0.0}


@pytest.fixture
def guarded(tmp_path):
    """The option --guards with a file that holds rows to figures, on this machine's best instruction set."""

    def option(noise: dict[str, float] = NO_NOISE, threads: int = 1, **rows: dict[str, float]) -> tuple[str, str]:
        file = tmp_path / "guards.toml"
        file.write_text(
            guards.text({(native().isas()[0], threads): guards.Guards("a machine", noise, rows)}), encoding="utf-8"
        )
        return "--guards", str(file)

    return option


def line_of(out: str, name: str) -> str:
    (found,) = [line for line in out.splitlines() if line.startswith(f"{name} ")]
    return found


def test_a_fast_row_passes(table, guarded):
    case = made_up(table.machine, "fast", {"accel": 1e-3, "numpy": 4e-3, "torch": 2e-3})
    code, out, _ = table([row("good", case, aim=1.9)], *guarded(good={"mean": 2.0, "worst": 1.5}))
    assert code == 0
    assert line_of(out, "good").split()[3:9] == ["2.00", "2.00", "each", "1.9", "2.00/1.50", "0.0%"]
    assert line_of(out, "good").endswith("  pass")
    assert "torch 2 ms" in line_of(out, "good"), "the better peer"
    assert "guards: what was reached on a machine, less the noise" in out
    assert "No row is below its guard: 1 of 1 rows have one.\n1 of 1 rows reach their aim." in out


def test_the_guard_alone_decides(table, guarded):
    """A row that misses its aim and holds its guard passes; one below its guard does not, and is named."""
    slow = made_up(table.machine, "slow", {"accel": 5e-3, "torch": 4e-3})
    rows = [row("fine", made_up(table.machine, "fast", {"accel": 1e-3, "torch": 4e-3})), row("bad", slow)]
    code, out, _ = table(rows, *guarded(fine={"worst": 4.0}, bad={"worst": 0.8}))
    assert code == 0
    assert line_of(out, "bad").endswith("pass, below its aim") and line_of(out, "fine").endswith("  pass")
    assert "No row is below its guard: 2 of 2 rows have one.\n1 of 2 rows reach their aim." in out
    code, out, _ = table(rows, *guarded(fine={"worst": 4.0}, bad={"worst": 0.9}))
    assert code == 1
    assert line_of(out, "bad").endswith("below its guard") and line_of(out, "fine").endswith("  pass")
    assert "below: bad with 1 thread: slow: 0.80, guard 0.90" in out
    assert "1 of 2 rows are below their guard, or wrong." in out


@pytest.mark.parametrize(("figure", "reached"), [("mean", 0.4), ("worst", 0.4), ("share", 0.93)])
def test_a_guard_is_what_was_reached_less_the_noise(table, guarded, monkeypatch, figure: str, reached: float):
    monkeypatch.setattr(Limit, "rate", lambda self, isa, threads: 100.0)
    case = made_up(table.machine, "one", {"accel": 1.0, "torch": 0.4}, limit=Limit("fma_float64", 93e9))
    for before, noise, code in ((reached * 1.24, 0.2, 0), (reached * 1.26, 0.2, 1), (reached * 1.01, 0.0, 1)):
        option = guarded(NO_NOISE | {figure: noise}, only={figure: before})
        assert table([row("only", case)], *option)[0] == code


def test_a_guard_is_held_against_the_upper_end_of_the_interval():
    """Samples that a neighbour disturbed do not say that accel has become slower."""
    times = [1.0, 1.0, 1.1, 1.2, 2.0, 2.1, 2.2, 2.3, 2.4]

    def judged(accel: list[float]):
        case = result.CaseResult("only", "c", "float64", 1, samples={"accel": accel, "torch": [1.0] * len(accel)})
        return result.judge(row("only"), 1, [case], "avx2", guards.Guard(mean=0.8, worst=0.8))

    assert judged(times).passed and judged(times).mean == 0.5
    assert not judged([2.0] * 9).passed


def test_without_guards_only_wrong_results_fail(table, guarded):
    """Of an instruction set, or a number of threads, of which nothing is published."""
    slow = made_up(table.machine, "slow", {"accel": 5e-3, "torch": 1e-3})
    code, out, _ = table([row("bad", slow)], *guarded(threads=7, bad={"worst": 1.0}))
    assert code == 0
    assert f"No guards for {native().isas()[0]} with 1 thread: speed is not judged" in out
    assert line_of(out, "bad").split()[7] == "none" and line_of(out, "bad").endswith("pass, below its aim")
    assert "No row has a guard, and no result is wrong: 1 rows." in out
    wrong = made_up(table.machine, "quick", {"accel": 1e-6, "torch": 1.0}, WANT + 1)
    assert table([row("bad", wrong)], *guarded(threads=7, bad={"worst": 1.0}))[0] == 1


def test_of_a_part_of_the_cases_the_mean_is_not_judged(table, guarded):
    cases = [made_up(table.machine, name, {"accel": 1e-3, "torch": t}) for name, t in (("a", 1e-3), ("b", 9e-3))]
    option = guarded(both={"mean": 2.9, "worst": 1.0})
    assert table([row("both", *cases)], *option)[0] == 0
    code, out, _ = table([row("both", *cases)], *option, "--cases", "^a$")
    assert (code, line_of(out, "both").split()[7]) == (0, "-/1.00")


def test_guards_are_renewed(table, guarded, tmp_path):
    """--save-guards writes what was reached, by which the next run is judged; other rows and sections stay."""
    isa, file = native().isas()[0], tmp_path / "guards.toml"
    guarded({"mean": 0.1, "worst": 0.2, "share": 0.3}, kept={"mean": 5.0}, renewed={"worst": 9.0})
    fast = made_up(table.machine, "fast", {"accel": 1e-3, "torch": 4e-3})
    rows = [row("renewed", fast), row("failed", made_up(table.machine, "absent", {"torch": 1.0}))]
    code, out, _ = table(rows, "--save-guards", str(file))
    assert code == 1 and f"written: {file}" in out
    found = guards.load(file)[isa, 1]
    assert found.reached == {"kept": {"mean": 5.0}, "renewed": {"mean": 4.0, "worst": 4.0}}
    assert found.noise == {"mean": 0.1, "worst": 0.2, "share": 0.3} and "cores" in found.machine
    assert guards.load(file)[isa, 1].of("renewed") == guards.Guard(mean=3.6, worst=3.2)
    assert table(rows[:1], "--guards", str(file))[0] == 0
    slow = made_up(table.machine, "slow", {"accel": 1e-3, "torch": 3e-3})
    assert table([row("renewed", slow)], "--guards", str(file))[0] == 1
    alone = tmp_path / "new.toml"
    assert table(rows[:1], "--save-guards", str(alone))[0] == 0
    assert guards.load(alone)[isa, 1].reached == {"renewed": {"mean": 4.0, "worst": 4.0}}
    code, out, err = table(rows, "--save-guards", str(alone), "--cases", "fast")
    assert (code, out) == (2, "") and "guards are of whole rows" in err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[avx2", "no file of guards"),
        ("avx2 = 3", "expected [<instruction set>.<number of threads>]"),
        ("[avx2.many]\nrows = {}", "avx2.many: expected [<instruction set>.<number of threads>]"),
        ("[avx2.1]\nrows = {}", "avx2.1: expected machine, a text, and rows, a table"),
        ("[avx2.1]\nmachine = 'm'\nrows = {}\nnoise = {mean = 0.1}", "avx2.1.noise"),
        ("[avx2.1]\nmachine = 'm'\nrows = {}\nnoise = {mean = 1, worst = 1, share = 1}", "expected shares below 1"),
        ("[avx2.1]\nmachine = 'm'\nbars = {}", "avx2.1: bars: expected machine, noise and rows"),
        (
            "[avx2.1]\nmachine = 'm'\nnoise = {mean = 0, worst = 0, share = 0}\nrows.sum = {mean = 'fast'}",
            "avx2.1.sum.mean: 'fast', expected a number from 0 on",
        ),
        (
            "[avx2.1]\nmachine = 'm'\nnoise = {mean = 0, worst = 0, share = 0}\nrows.sum = {least = 1}",
            "avx2.1.sum: {'least': 1}, expected a table of mean, worst, share",
        ),
    ],
)
def test_a_bad_file_of_guards_names_the_place(table, tmp_path, text: str, expected: str):
    file = tmp_path / "guards.toml"
    file.write_text(text, encoding="utf-8")
    code, out, err = table([row("only", made_up(table.machine, "x", {"accel": 1.0}))], "--guards", str(file))
    assert (code, out) == (2, "")
    assert str(file) in err and expected in err


def test_the_published_guards_are_of_rows_that_there_are():
    """And no guard is above its row's figures: it leaves room for the noise."""
    table = guards.load()
    assert {("avx512", 1), ("avx512", 2), ("avx2", 1), ("avx2", 2)} <= table.keys()
    names = {each.name for each in aims.ROWS}
    for each in table.values():
        assert each.reached.keys() <= names and len(each.reached) > 25
        assert all(0 < share < 0.5 for share in each.noise.values())
        assert all(each.of(name).mean < reached["mean"] for name, reached in each.reached.items())
    assert guards.load() == guards.load(guards.FILE)


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

    def verdict(**more):
        chosen = row("mean", *cases, rule="mean", **more)
        task = {"cases": "", "isa": "avx2", "threads": 1, "seconds": 0.1}
        found = list(worker.measure_row(chosen, Data(), task, lambda: table.machine.now))
        return result.judge(chosen, 1, found, "avx2")

    assert verdict(aim=1.4).below_aim == ()
    assert verdict(aim=1.5).below_aim == ("geometric mean 1.41, aim 1.5",)
    assert verdict(aim=1.4, floor=0.9).below_aim == ("2.0: 0.50, aim 0.9",)
    code, out, _ = table([row("averaged", *cases, aim=1.4, rule="mean")])
    assert (code, line_of(out, "averaged").split()[3:6]) == (0, ["1.41", "0.50", "1.4"])


def test_only_the_limit_counts_without_a_peer(table, guarded, monkeypatch):
    monkeypatch.setattr(Limit, "rate", lambda self, isa, threads: 100.0)
    case = made_up(table.machine, "alone", {"accel": 1.0}, limit=Limit("vnni_int8", 93e9))
    code, out, _ = table([row("limited", case, limit=0.92)], *guarded(limited={"mean": 9.0, "share": 0.9}))
    assert code == 0
    assert "no peer" in line_of(out, "limited") and "9.00/-/90%" in line_of(out, "limited")
    assert "93% vnni_int8" in line_of(out, "limited") and line_of(out, "limited").endswith("  pass")
    code, out, _ = table([row("limited", case, limit=0.95)], *guarded(limited={"share": 0.95}))
    assert code == 1
    assert "alone: 93% of vnni_int8, guard 95%" in out


def test_a_peer_with_another_result_or_dtype_is_left_out(table):
    def build(data: Data) -> Calls:
        call = partial(table.machine.call, 1e-3)
        peers = {"numpy": call(WANT + 1), "torch": call(WANT.astype(np.float32))}
        return Calls(call(), peers, lambda: WANT, lambda x: x)

    code, out, _ = table([row("alone", Case("other", "float64", build))], "--verbose")
    assert code == 0
    assert "numpy left out: 8 of 8 compared are wrong" in out
    assert "torch left out: gives float32, accel float64" in out


def test_only_the_peers_that_count_are_judged(table, guarded):
    case = made_up(table.machine, "call", {"accel": 1e-6, "numpy": 1e-7, "torch": 2e-6})
    held = guarded(overhead={"worst": 1.0})
    assert table([row("overhead", case, peers=("torch",))], *held)[0] == 0
    assert table([row("overhead", case)], *held)[0] == 1


def test_a_hopeless_peer_is_called_once(table):
    case = made_up(table.machine, "far", {"accel": 0.1, "torch": 20.0})
    code, out, _ = table([row("far-ahead", case)], "--verbose")
    assert code == 0
    assert "torch timed once" in out
    assert line_of(out, "far-ahead").split()[3] == "200.00"
    assert table.machine.now < 25


def test_json_round_trip(table, guarded, tmp_path):
    file = tmp_path / "run.json"
    fast = made_up(table.machine, "fast", {"accel": 1e-3, "torch": 4e-3})
    slow = made_up(table.machine, "slow", {"accel": 5e-3, "torch": 1e-3})
    rows = [row("fine", fast), row("bad", fast, slow), row("none", made_up(table.machine, "absent", {}))]
    code, out, _ = table(rows, "--json", str(file), *guarded(fine={"worst": 1.0}, bad={"mean": 2.0}))
    assert code == 1
    record = json.loads(file.read_text(encoding="utf-8"))
    assert record["passed"] is False
    assert record["header"]["probes"] == {"1": {"fma_float64": 100.0, "vnni_int8": None}}
    verdicts = result.from_json(record, rows)
    assert [v.passed for v in verdicts] == [True, False, False]
    assert json.loads(json.dumps(result.to_json(record["header"], verdicts, record["isa"]))) == record
    assert [report.row(v) for v in verdicts] == [
        line for line in out.splitlines() if line.split(" ")[0] in ("fine", "bad", "none")
    ]
    with pytest.raises(ValueError, match="schema 0, expected 2"):
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
    code, out, _ = table([row("only", made_up(table.machine, "x", {}), aim=1.5, limit=0.9)], "--list")
    assert code == 0
    assert out.splitlines()[1].split() == ["only", "each", "1.5", "90%", "numpy,", "torch", "work", "of", "only"]
    assert table.machine.now == 0


def test_the_head_names_no_host_and_says_which_peers_are_missing():
    lines = report.head(run.header("baseline") | {"versions": {"numpy": "2.0", "torch": None}})
    assert "torch not installed: no peer" in lines[2]
    assert "cores" in lines[0]


def test_a_busy_machine_is_named_at_both_ends(table, monkeypatch):
    case = made_up(table.machine, "fast", {"accel": 1e-3, "torch": 4e-3})
    for load, times in ((0.5, 0), (0.51, 2), (None, 0)):
        monkeypatch.setattr(run, "load", lambda load=load: load)
        assert table([row("good", case)])[1].count("This machine is busy: 0.51 runnable processes per core.") == times


def test_a_worker_measures_and_ends(tmp_path):
    """The real process, for one row; nothing is said of its times."""
    (chosen,) = [each for each in aims.ROWS if each.name == "overhead-add-array"]
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

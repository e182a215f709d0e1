"""Result files over time: grouping, order, verdicts between neighbours, and folders that hold other things."""

from __future__ import annotations

import json
import shutil

import pytest
import synthetic

from accel.bench.result import file as result
from accel.bench.result import history


def at(day: int, seed: int, rows: int = 4, **changes):
    """A run on a day of November; slow: the case whose times double; lost: the one that times out."""
    slow, lost = changes.pop("slow", None), changes.pop("lost", None)
    record = synthetic.run(rows, seed=seed, run__started=f"2026-11-{day:02}T10:00:00Z", **changes)
    for number, case in enumerate(record["cases"]):
        if number == slow:
            record["cases"][number] = synthetic.case(case["id"], [2 * t for t in case["samples_s"]])
        if number == lost:
            record["cases"][number] = synthetic.case(case["id"], status="TIMEOUT")
    return record


def write(folder, **records):
    for name, record in records.items():
        path = folder / f"{name.replace('__', '/')}.json"
        path.parent.mkdir(exist_ok=True)
        result.save(path, record)


@pytest.fixture
def four_runs(tmp_path):
    """Case 1 becomes slow in the third run; case 2 is lost in the third and back in the fourth. Not in this order."""
    write(
        tmp_path,
        a__late=at(20, 4, slow=1, accel__version="0.2.0"),
        z=at(1, 1, accel__commit="0123456789abcdef"),
        m=at(5, 2),
        b=at(9, 3, slow=1, lost=2, accel__dirty=True),
    )
    return tmp_path


def test_files_are_ordered_by_their_runs_and_compared_with_the_one_before(four_runs):
    entries, refused = history.read(four_runs)
    assert refused == []
    (series,) = history.history(entries)
    assert [e.path for e in series.entries] == ["z.json", "m.json", "b.json", "a/late.json"]
    assert [e.version for e in series.entries] == ["0.1.0 0123456789ab", "0.1.0", "0.1.0 dirty", "0.2.0"]
    kinds = [[point.kind for point in points] for points in series.lines.values()]
    assert kinds == [
        [None, "same", "same", "same"],
        [None, "same", "slower", "same"],
        [None, "same", "lost", "gained"],
        [None, "same", "same", "same"],
    ]
    changed, lost, *_ = [list(series.lines)[n] for n in (1, 2)]
    assert [(c.case, c.before, c.after, c.kind) for c in series.changes] == [
        (lost, 2, 3, "gained"),
        (changed, 1, 2, "slower"),
        (lost, 1, 2, "lost"),
    ]
    assert series.changes[1].ratio == pytest.approx(2, rel=0.02)


def test_devices_and_suites_are_series_of_their_own(tmp_path):
    write(
        tmp_path,
        a=at(1, 1),
        b=at(2, 2, device__description="Another CPU"),
        c=at(3, 3, device__isa="avx2"),
        d=at(4, 4, device__backend="opencl"),
        e=at(5, 5, suite__name="core"),
        f=at(6, 6, suite__version=2),
        g=at(7, 7),
    )
    series = history.history(history.read(tmp_path)[0])
    assert [[e.path for e in each.entries] for each in series] == [
        ["a.json", "g.json"], ["b.json"], ["c.json"], ["d.json"], ["e.json"], ["f.json"],
    ]  # fmt: skip


def test_a_run_of_a_part_interrupts_no_line(tmp_path):
    part = at(2, 2, run__complete=False)
    del part["cases"][1]
    write(tmp_path, a=at(1, 1), b=part, c=at(3, 3, slow=1))
    (series,) = history.history(history.read(tmp_path)[0])
    points = list(series.lines.values())[1]
    assert [(p.entry, p.kind) for p in points] == [(0, None), (2, "slower")]
    assert [(c.before, c.after) for c in series.changes] == [(0, 2)]


def test_small_steps_add_up(tmp_path, accel_bench):
    """2% from run to run are within noise, 8% from the first to the last are not."""
    for number in range(5):
        record = at(1 + number, number)
        case = record["cases"][1]
        record["cases"][1] = synthetic.case(case["id"], [t * 1.02**number for t in case["samples_s"]])
        write(tmp_path, **{f"run{number}": record})
    (series,) = history.history(history.read(tmp_path)[0])
    assert series.changes == []
    assert [(c.case, c.before, c.after, c.kind) for c in series.crept] == [(case["id"], 0, 4, "slower")]
    code, out, _ = accel_bench("history", tmp_path)
    assert code == 0
    assert "run 1 to 5: slower by a factor of 1.0" in out
    assert f"in small steps: {case['id']}" in out
    assert "No case changed" not in out


def test_copies_of_one_run_count_once(tmp_path):
    write(tmp_path, a=at(1, 1), b=at(2, 2))
    shutil.copy(tmp_path / "a.json", tmp_path / "copy.json")
    (series,) = history.history(history.read(tmp_path)[0])
    assert len(series.entries) == 2


def test_different_bits_between_neighbours_are_counted(tmp_path):
    odd = at(2, 2)
    odd["cases"][0]["hash"] = synthetic.digest("other")
    write(tmp_path, a=at(1, 1), b=odd, c=at(3, 3))
    (series,) = history.history(history.read(tmp_path)[0])
    assert series.bits == (1, 1)


def test_seconds_that_are_no_whole_number_are_a_time(tmp_path):
    write(tmp_path, a=at(1, 1))
    record = at(1, 2)
    record["run"]["started"] = "2026-11-01T09:59:59.5Z"
    write(tmp_path, b=record)
    (series,) = history.history(history.read(tmp_path)[0])
    assert [e.path for e in series.entries] == ["b.json", "a.json"]


def test_the_command_shows_each_case_and_what_changed_when(four_runs, accel_bench):
    code, out, err = accel_bench("history", four_runs)
    assert (code, err) == (0, "")
    assert "Synthetic CPU, avx512, cpu; suite quick 1" in out
    assert "run 2 to 3: slower by a factor of" in out
    assert "run 2 to 3: lost: matmul 66x64 float32 warm" in out
    (line,) = [line for line in out.splitlines() if line.startswith("matmul 65x64")]
    assert line.split()[4:] == ["200", "us", "200", "us", line.split()[8], "us", "▲", line.split()[11], "us"]
    assert "TIMEOUT ✗" in out
    write(four_runs / "a", only=at(1, 1, device__isa="neon"))
    assert "No case changed beyond noise over 1 runs." in accel_bench("history", four_runs)[1]


def test_case_pattern(four_runs, accel_bench):
    code, out, _ = accel_bench("history", four_runs, "--case", "6[56]x64")
    assert code == 0
    assert "matmul 65x64" in out
    assert "matmul 64x64" not in out
    code, out, err = accel_bench("history", four_runs, "--case", "nothing")
    assert (code, out) == (2, "")
    assert "no case matches 'nothing'; there are 4, such as matmul 64x64" in err
    code, _, err = accel_bench("history", four_runs, "--case", "(")
    assert code == 2
    assert "'(' is not a regular expression" in err


def test_json(four_runs, accel_bench):
    code, out, _ = accel_bench("history", four_runs, "--json", "--case", "65x64")
    assert code == 0
    (series,) = json.loads(out)["series"]
    assert [f["file"] for f in series["files"]] == ["z.json", "m.json", "b.json", "a/late.json"]
    (case,) = series["cases"]
    assert [p["kind"] for p in case["points"]] == [None, "same", "slower", "same"]
    assert len(series["changes"]) == 1


def test_other_files_are_named_and_left_out(four_runs, accel_bench):
    (four_runs / "notes.txt").write_text("not looked at", encoding="utf-8")
    (four_runs / "other.json").write_text("{}", encoding="utf-8")
    whole = (four_runs / "m.json").read_text(encoding="utf-8")
    (four_runs / "cut.json").write_text(whole[:5000], encoding="utf-8")
    broken = at(3, 3)
    broken["label"] = "official"
    write(four_runs, broken=broken)
    code, out, err = accel_bench("history", four_runs)
    assert code == 0
    assert [line.split(": ")[1] for line in err.splitlines()] == ["broken.json", "cut.json", "other.json"]
    assert "no schema, expected 'accel-bench/1'" in err
    assert "it ends in the middle" in err
    assert "broken" not in out
    assert json.loads(accel_bench("history", four_runs, "--json")[1])["not_read"][0]["file"] == "broken.json"


def test_folders_without_results(tmp_path, accel_bench):
    (tmp_path / "other.json").write_text("{}", encoding="utf-8")
    code, out, err = accel_bench("history", tmp_path)
    assert (code, out) == (2, "")
    assert "no valid result file below it; 1 other .json" in err
    for name, expected in (("none", "does not exist"), ("other.json", "is a file")):
        code, _, err = accel_bench("history", tmp_path / name)
        assert code == 2
        assert expected in err

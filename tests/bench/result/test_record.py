"""What further processes add to the entry of a case."""

from __future__ import annotations

from statistics import median

import synthetic
from hypothesis import given
from hypothesis import strategies as st

from accel.bench.machine import probes
from accel.bench.result import file as result
from accel.bench.result import record, statistics

TIMES = st.lists(st.floats(1e-6, 1.0), min_size=3, max_size=12)


def entry(times, **changes):
    """The entry of a case that one process measured."""
    return record.timed(synthetic.case("matmul 64x64 float32 warm", roof=None), times, 0.02) | changes


def with_baseline(times, theirs, note=None):
    return entry(times, baselines={"numpy": record.baseline(list(theirs), note)})


@given(st.lists(TIMES, min_size=1, max_size=4))
def test_joined_entries_are_valid_and_keep_every_sample(runs):
    whole = entry(runs[0])
    for times in runs[1:]:
        whole = record.joined(whole, entry(times))
    assert whole["samples_s"] == [t for times in runs for t in times]
    assert result.by_process(whole) == runs
    assert whole["median_s"] == median(whole["samples_s"])
    assert ("unsteady" in whole["flags"]) == statistics.unsteady(runs)
    assert len(set(whole["flags"])) == len(whole["flags"])
    assert [text for text in result.problems(synthetic.result([whole])) if "sorted" not in text] == []


def test_a_further_process_that_fails_is_what_counts():
    for status in ("INCORRECT", "CRASH", "TIMEOUT", "OOM"):
        failed = synthetic.case("matmul 64x64 float32 warm", status=status)
        assert record.joined(entry([1.0] * 5), failed) == failed


def test_baselines_go_on_in_the_rounds_of_further_processes():
    first, second = [1.0, 1.1, 1.2], [2.0, 2.1, 2.2, 2.3]
    both = record.joined(with_baseline(first, [3.0] * 3), with_baseline(second, [5.0] * 4))
    assert both["baselines"]["numpy"] == record.baseline([3.0] * 3 + [5.0] * 4, None)


def test_baselines_that_are_not_in_all_rounds():
    first, second = [1.0, 1.1, 1.2], [2.0, 2.1, 2.2, 2.3]
    once = record.baseline([9.0], "timed once, as it takes 9 s")
    kept = record.joined(entry(first, baselines={"numpy": once}), entry(second))
    assert kept["baselines"]["numpy"] == once
    rounds = with_baseline(first, [3.0] * 3)
    assert record.joined(rounds, entry(second, baselines={"numpy": once}))["baselines"] == rounds["baselines"]
    wrong = record.baseline([], "left out: its results are wrong")
    assert record.joined(rounds, entry(second, baselines={"numpy": wrong}))["baselines"]["numpy"] == wrong


def limit(name, samples, **changes):
    kind = name.partition("/")[0]
    found = synthetic.probe(kind, "float32", None, "op/s", 1.0) | {"id": name, "samples": samples}
    return found | {"value": max(samples) if samples else None} | changes


def test_limits_of_several_turns():
    turns = [
        [limit("fma/float32", [4.0, 6.0]), limit("launch/latency", [1.0, 2.0, 3.0]), limit("copy-in", [])],
        [limit("fma/float32", [5.0, 7.0]), limit("launch/latency", [8.0, 9.0]), limit("copy-in", [2.0])],
        [limit("fma/float32", []), limit("sustained/float32", [0.9])],
    ]
    found = {row["id"]: (row["value"], row["samples"]) for row in probes.joined(turns)}
    assert found == {
        "fma/float32": (7.0, [4.0, 6.0, 5.0, 7.0]),
        "launch/latency": (3.0, [1.0, 2.0, 3.0, 8.0, 9.0]),
        "copy-in": (2.0, [2.0]),
        "sustained/float32": (0.9, [0.9]),
    }
    assert probes.joined([]) == []

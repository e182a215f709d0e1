"""Comparing two result files: verdicts on known changes, none on unchanged builds, bits, exit codes, bad files."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest
import synthetic

from accel.bench.result import compare
from accel.bench.result import file as result
from accel.bench.result.file import IncompatibleError

PAIRS, ROWS = 20, 60


@pytest.fixture
def files(tmp_path):
    """Writes records as a.json, b.json…; returns their paths."""

    def write(*records):
        paths = [tmp_path / f"{name}.json" for name, _ in zip("abcdef", records, strict=False)]
        for path, record in zip(paths, records, strict=True):
            result.save(path, record)
        return paths

    return write


def changed(record, number, **changes):
    """The record with one case made anew."""
    old = record["cases"][number]
    times = changes.pop("times", old["samples_s"])
    record["cases"][number] = synthetic.case(old["id"], times, **changes)
    return record


def verdicts(scale: float, shift: float) -> Counter[str]:
    """Verdicts on all rows of 20 pairs of runs, in percent. shift: standard deviation of a row between runs."""
    found: Counter[str] = Counter()
    for pair in range(PAIRS):
        a = synthetic.run(ROWS, seed=2 * pair, shift=shift)
        b = synthetic.run(ROWS, seed=2 * pair + 1, shift=shift, scale=scale)
        found += compare.compare(a, b).counts
    assert found.total() == PAIRS * ROWS
    return Counter({kind: 100 * n / found.total() for kind, n in found.items()})


@pytest.mark.parametrize(("shift", "most"), [(0.0, 0), (0.01, 1.5), (0.02, 3)])
def test_two_runs_of_one_build_do_not_cry_wolf(shift, most):
    """20 pairs of 60 rows with 1% of noise. Where each row is off by 1% or 2% in a whole run, that
    is estimated from the rows, and 1.25% and 2.5% of them are called changed."""
    found = verdicts(1.0, shift)
    assert found["faster"] + found["slower"] <= most
    assert found["same"] >= 80


@pytest.mark.parametrize(("scale", "kind"), [(1.05, "slower"), (1 / 1.05, "faster")])
@pytest.mark.parametrize(("shift", "least"), [(0.0, 100), (0.01, 78)])
def test_a_change_of_5_percent_in_every_row_is_found(scale, kind, shift, least):
    """100% of the rows; 81% where each is off by 1% in a whole run."""
    assert verdicts(scale, shift)[kind] >= least


def test_one_changed_row_among_many_is_found_and_no_other():
    for seed in range(PAIRS):
        a, b = synthetic.run(ROWS, seed=2 * seed), synthetic.run(ROWS, seed=2 * seed + 1)
        changed(b, 7, times=[t * 1.05 for t in b["cases"][7]["samples_s"]])
        found = compare.compare(a, b)
        assert [row.id for row in found.rows if row.kind == "slower"] == [b["cases"][7]["id"]]
        assert found.counts["faster"] == 0


def test_summary_counts_every_row():
    a, b = synthetic.run(24, seed=1), synthetic.run(24, seed=2)
    changed(b, 0, times=[2 * t for t in a["cases"][0]["samples_s"]])
    changed(b, 1, times=[t / 2 for t in a["cases"][1]["samples_s"]])
    changed(b, 2, status="TIMEOUT")
    changed(a, 3, status="UNSUPPORTED")
    changed(a, 4, status="OOM"), changed(b, 4, status="OOM")
    a["cases"].append(synthetic.case("exp only a")), b["cases"].append(synthetic.case("exp only b", status="OOM"))
    found = compare.compare(a, b)
    s = found.summary()
    assert (s["rows"], s["slower"], s["faster"], s["lost"], s["gained"], s["no_verdict"]) == (24, 1, 1, 1, 1, 1)
    assert s["same"] + s["ambiguous"] == 19
    assert (found.only_a, found.only_b) == ((("exp only a", "PASS"),), (("exp only b", "OOM"),))
    assert s["worst"] == {"id": a["cases"][0]["id"], "ratio": pytest.approx(2)}
    assert s["best"] == {"id": a["cases"][1]["id"], "ratio": pytest.approx(0.5)}
    assert s["mean_ratio"] == pytest.approx(1, abs=0.01)
    assert s["share_slower"] == pytest.approx(1 / 21)
    reasons = {row.id: row.why for row in found.rows if row.verdict is None}
    assert sorted(reasons.values()) == ["OOM in A", "TIMEOUT in B", "UNSUPPORTED in A"]


def test_times_of_results_that_may_be_wrong_are_not_compared():
    for status in ("MISTRUSTED", "INCORRECT"):
        found = compare.compare(synthetic.run(1), changed(synthetic.run(1), 0, status=status))
        (row,) = found.rows
        assert (row.verdict, row.kind, row.why) == (None, "lost", f"{status} in B")


def test_other_work_under_the_same_id_is_not_compared():
    a, b = synthetic.run(2), synthetic.run(2)
    b["cases"][0]["operands"][0]["shape"] = [65, 64]
    b["cases"][0]["hash"] = synthetic.digest("other")
    first, second = compare.compare(a, b).rows
    assert (first.verdict, first.why) == (None, "the two cases are not the same work")
    assert (first.bits, first.bits_why) == ("not compared", "the two cases are not the same work")
    assert second.kind == "same"
    assert second.bits == "equal"


def with_limits(record, factor):
    """The machine so many times slower, its measured limits too."""
    for case in record["cases"]:
        case["roof"]["seconds"] = 5e-5 * factor
        case["roof"]["share"] = case["roof"]["seconds"] / case["median_s"]
    return record


def test_normalised_by_each_machines_own_limits():
    a = with_limits(synthetic.run(20, seed=1), 1)
    b = with_limits(synthetic.run(20, seed=2, scale=3.0, device__description="Another CPU"), 3)
    assert compare.compare(a, b).counts == {"slower": 20}
    found = compare.compare(a, b, normalise=True)
    assert found.counts == {"same": 20}
    assert found.rows[0].times == pytest.approx([case["roof"]["share"] for case in (a["cases"][0], b["cases"][0])])
    b["cases"][0]["roof"] = None
    row = compare.compare(a, b, normalise=True).rows[0]
    assert (row.verdict, row.why, row.times[1]) == (None, "no measured limit in B", None)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"run__seed": 1}, "seed 0 in A and 1 in B"),
        ({"accel__bit_contract": 2}, "bit contract 1 in A and 2 in B"),
        ({"case": {"class": "bound", "hash": None}}, "class bits in A and bound in B"),
        ({"case": {"status": "MISTRUSTED"}}, "MISTRUSTED in B"),
        ({"case": {"status": "FALLBACK", "path": "fallback", "hash": None}}, "no hash"),
    ],
)
def test_bits_are_compared_only_where_they_are_promised(changes, expected):
    inner = changes.pop("case", {})
    other = synthetic.result([synthetic.case() | {"hash": synthetic.digest("other")} | inner], **changes)
    (row,) = compare.compare(synthetic.result(), other).rows
    assert (row.bits, row.bits_why) == ("not compared", expected)


def test_bits_that_are_not_promised_are_not_compared():
    record = synthetic.result([synthetic.case(**{"class": "bound"})])
    (row,) = compare.compare(record, record).rows
    assert (row.bits, row.bits_why) == ("not compared", "class bound: no bits are promised")


def test_bits_of_a_fallback_and_of_two_caches_are_compared():
    right = synthetic.result([synthetic.case(status="FALLBACK")])
    assert compare.compare(synthetic.result(), right).bits == {"equal": 1}
    cold = synthetic.result([synthetic.case(cache="cold", hash=synthetic.digest("other"))])
    (row,) = compare.compare(synthetic.result(), cold).rows
    assert row.verdict is None
    assert row.bits == "different"


def test_notes_say_what_makes_files_less_comparable():
    a, b = synthetic.run(20, seed=1), synthetic.run(20, seed=2)
    assert compare.compare(a, b).notes == ()
    assert compare.compare(a, a).notes == ("A and B are the same run",)
    b = synthetic.run(20, seed=2, environment={"ACCEL_NUMERICS": "fast", "X": "1"}, device__threads=1)
    assert compare.compare(a, b).notes == (
        "other environment variables: ACCEL_NUMERICS, X",
        "2 threads in A and 1 in B",
    )
    b = synthetic.run(20, seed=2, device__description="Another CPU")
    (note,) = compare.compare(a, b).notes
    assert note.startswith("two devices, Synthetic CPU avx512 cpu and Another CPU avx512 cpu: --normalise roof")
    assert compare.compare(a, b, normalise=True).notes == ()
    (note,) = compare.compare(a, synthetic.run(20, seed=2, scale=1.08)).notes
    assert re.match(r"20 of 20 cases moved the same way, by [78]\.\d% in the middle", note)


def test_versions_of_a_suite_and_of_probes_must_agree():
    a = synthetic.run(1)
    with pytest.raises(IncompatibleError, match="the suite quick has version 1 in A and 2 in B"):
        compare.compare(a, synthetic.run(1, suite__version=2))
    assert compare.compare(a, synthetic.run(1, suite__version=2, suite__name="core")).rows
    other = synthetic.run(1, probe_version=2)
    assert compare.compare(a, other).rows
    with pytest.raises(IncompatibleError, match="the probes have version 1 in A and 2 in B"):
        compare.compare(a, other, normalise=True)


def test_failures_come_in_order_of_gravity():
    a, b = synthetic.run(6, seed=1), synthetic.run(6, seed=2, run__complete=False)
    changed(b, 0, status="CRASH")
    changed(b, 1, status="FALLBACK")
    changed(b, 2, times=[2 * t for t in b["cases"][2]["samples_s"]])
    b["cases"][3]["hash"] = synthetic.digest("other")
    changed(b, 4, times=[t * (0.7 if n % 2 else 1.3) for n, t in enumerate(b["cases"][4]["samples_s"])])
    found = compare.compare(a, b)
    everything = [code for code, _ in found.failures(compare.FAILURES, strict=True)]
    assert everything == [1, 1, 5, 3, 4, 4, 7]
    assert [code for code, _ in found.failures()] == [1, 1]
    assert [code for code, _ in found.failures(("slow",))] == [3]
    assert [code for code, _ in found.failures(("fallback",))] == [5]
    assert found.failures(()) == []
    good = compare.compare(a, synthetic.run(6, seed=2))
    assert good.failures(compare.FAILURES, strict=True) == []


def test_an_incorrect_case_that_only_b_has_fails_too():
    b = synthetic.result([synthetic.case(), synthetic.case("x", status="INCORRECT")])
    assert compare.compare(synthetic.result(), b).failures() == [(1, "1 cases of B are INCORRECT")]


COMMANDS = [
    ("same", {}, (), 0, "Nothing fails."),
    ("slower is no failure by default", {"slow": 2}, (), 0, "1 slower"),
    ("slower", {"slow": 2}, ("--fail-on", "slow,incorrect"), 3, "fails: 1 cases are slower beyond noise"),
    ("threshold", {"slow": 1.3}, ("--fail-on", "slow", "--threshold", "50%"), 0, "0 slower"),
    ("wrong", {"status": "INCORRECT"}, (), 1, "fails: 1 cases of B are INCORRECT"),
    ("wrong, not asked for", {"status": "INCORRECT"}, ("--fail-on", "none"), 0, "INCORRECT in B"),
    ("bits", {"hash": synthetic.digest("x")}, (), 1, "two machines computed different bits"),
    ("fallback", {"status": "FALLBACK"}, ("--fail-on", "fallback"), 5, "1 cases of B ran on another device"),
    ("fallback, not asked for", {"status": "FALLBACK"}, (), 0, "Nothing fails."),
    ("lost", {"status": "OOM"}, ("--strict",), 4, "1 cases have a result in one of the files only"),
    ("ambiguous", {"noise": 0.3}, ("--strict",), 7, "1 verdicts are ambiguous"),
    ("ambiguous, not strict", {"noise": 0.3}, (), 0, "1 ambiguous"),
]


@pytest.mark.parametrize(
    ("change", "options", "code", "expected"), [c[1:] for c in COMMANDS], ids=[c[0] for c in COMMANDS]
)
def test_exit_codes(change, options, code, expected, files, accel_bench):
    change = dict(change)
    a, b = synthetic.run(4, seed=1), synthetic.run(4, seed=2)
    times = b["cases"][2]["samples_s"]
    slow, noise = change.pop("slow", 1), change.pop("noise", 0)
    changed(b, 2, times=[t * slow * (1 + (noise if n % 2 else -noise)) for n, t in enumerate(times)], **change)
    got, out, err = accel_bench("compare", *files(a, b), *options)
    assert (got, err) == (code, "")
    assert expected in out


def test_incomplete_is_a_failure_when_strict(files, accel_bench):
    paths = files(synthetic.run(3, seed=1), synthetic.run(3, seed=2, run__complete=False))
    assert accel_bench("compare", *paths)[0] == 0
    code, out, _ = accel_bench("compare", *paths, "--strict")
    assert code == 4
    assert "fails: B is incomplete" in out


def test_rows_are_listed_or_said_to_be_left_out(files, accel_bench):
    a, b = synthetic.run(5, seed=1), synthetic.run(5, seed=2)
    changed(b, 2, times=[2 * t for t in b["cases"][2]["samples_s"]])
    a["cases"].append(synthetic.case("exp only a"))
    a["suite"]["cases"] += 1
    paths = files(a, b)
    _, out, _ = accel_bench("compare", *paths)
    assert a["cases"][2]["id"] in out
    assert a["cases"][3]["id"] not in out
    assert "not listed: 4 cases that are the same (--all lists them)" in out
    assert "only in A: exp only a: PASS" in out
    _, out, _ = accel_bench("compare", *paths, "--all")
    assert all(case["id"] in out for case in a["cases"])
    assert "not listed" not in out


def test_json_has_every_row(files, accel_bench):
    a, b = synthetic.run(5, seed=1), synthetic.run(5, seed=2)
    changed(b, 2, times=[2 * t for t in b["cases"][2]["samples_s"]])
    code, out, _ = accel_bench("compare", *files(a, b), "--json", "--fail-on", "slow")
    shown = json.loads(out)
    assert code == shown["exit_code"] == 3
    assert [row["id"] for row in shown["rows"]] == [case["id"] for case in a["cases"]]
    assert shown["rows"][2]["verdict"]["kind"] == "slower"
    assert shown["summary"]["slower"] == 1
    assert shown["files"]["a"]["started"] == "2026-11-25T10:00:00Z"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--threshold", "5"), "'5': expected a share such as 5% or 0.05"),
        (("--threshold", "0%"), "expected a share"),
        (("--threshold", "-5%"), "expected a share"),
        (("--threshold", "much"), "expected a share"),
        (("--threshold", "nan"), "expected a share"),
        (("--fail-on", "slow,odd"), "'odd': expected some of incorrect, fallback, slow, or none"),
        (("--fail-on", ""), "expected some of"),
        (("--normalise", "peak"), "'peak' is not one of"),
    ],
)
def test_bad_options(options, expected, files, accel_bench):
    code, out, err = accel_bench("compare", *files(synthetic.run(1), synthetic.run(1)), *options)
    assert (code, out) == (2, "")
    assert expected in err


def test_no_case_in_common_is_an_error(files, accel_bench):
    code, out, err = accel_bench("compare", *files(synthetic.run(2), synthetic.result([synthetic.case("exp")])))
    assert (code, out) == (2, "")
    assert "have no case in common: 2 and 1 cases" in err


def test_incompatible_files_have_their_own_code(files, accel_bench):
    paths = files(synthetic.run(1), synthetic.run(1, suite__version=2))
    code, out, err = accel_bench("compare", *paths)
    assert (code, out) == (6, "")
    assert f"{paths[0]} and {paths[1]}: the suite quick has version 1 in A and 2 in B" in err


def test_bad_files(bad_file, files, accel_bench):
    path, expected_code, expected = bad_file
    (good,) = files(synthetic.run(1))
    for pair in ((good, path), (path, good)):
        code, out, err = accel_bench("compare", *pair)
        assert (code, out) == (expected_code, "")
        assert str(path) in err
        assert expected in err
    code, _, err = accel_bench("compare", good, path.parent / "none.json")
    assert code == 2
    assert "none.json' does not exist" in err

"""The rules of a published result: each is met by a good file and broken by one that breaks it alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import synthetic

from accel.bench.result import file as result
from accel.bench.result import submit

IDS = [f"matmul {64 + n}x64 float32 warm" for n in range(24)]
REAL_CURRENT = submit.current
NOW = submit.Current({"quick": 1, "core": 1}, lambda name: IDS, 1)


@pytest.fixture(autouse=True)
def _current(monkeypatch):
    """The suites are those of these tests."""
    monkeypatch.setattr(submit, "current", lambda: NOW)


def good(seed: int = 1, **changes):
    return synthetic.run(len(IDS), seed, **changes)


def broken_by(record) -> dict[str, tuple[str, ...]]:
    return {o.rule.name: o.complaints for o in submit.check(record, NOW) if o.complaints}


def spread(record, count: int, noise: float):
    """So many cases made noisy."""
    for number in range(count):
        case = record["cases"][number]
        times = [t * (1 + (noise if n % 2 else -noise)) for n, t in enumerate(case["samples_s"])]
        record["cases"][number] = synthetic.case(case["id"], times)
    return record


def with_case(number: int, **changes):
    record = good()
    record["cases"][number] = synthetic.case(IDS[number], record["cases"][number]["samples_s"], **changes)
    return record


def without_probes(*names: str, suite: str = "quick"):
    record = good(suite__name=suite)
    record["probes"] = [p for p in record["probes"] if not p["id"].startswith(names)]
    return record


def valueless(name: str, note: str | None):
    record = good()
    for probe in record["probes"]:
        if probe["id"].startswith(name):
            probe.update(value=None, samples=[], note=note)
    return record


def with_no_times():
    record = good()
    record["cases"] = [synthetic.case(name, status="UNSUPPORTED") for name in IDS]
    return record


def test_a_good_file_meets_every_rule():
    outcomes = submit.check(good(), NOW)
    assert [o.rule for o in outcomes] == list(submit.RULES)
    assert broken_by(good()) == {}
    assert broken_by(good(suite__name="core")) == {}


FEWER = good()
del FEWER["cases"][3]
FEWER["suite"]["cases"] -= 1

OTHERS = good()
OTHERS["cases"][3] = synthetic.case("exp")

BROKEN = [
    ("probe version", good(probe_version=2), "versions", "probe version 2, current is 1"),
    ("suite version", good(suite__version=2), "versions", "version 2 of the suite quick, current is 1"),
    ("suite", good(suite__name="private"), "versions", "unknown suite 'private'; there are quick, core"),
    ("filters", good(suite__filters={"ops": ["add"], "models": [], "dtypes": ["x"]}), "complete", "by ops, dtypes"),
    ("incomplete", good(run__complete=False), "complete", "incomplete: 24 of 24 cases"),
    ("cases left out", FEWER, "complete", f"1 cases missing: {IDS[3]}"),
    ("cases of its own", OTHERS, "complete", "1 cases not of the suite: exp"),
    *((s, with_case(2, status=s), "right", f"1 {s}: {IDS[2]}") for s in submit.FORBIDDEN),
    ("no read", without_probes("read"), "probes", "no probe read/…"),
    ("no copies", without_probes("copy-in", "copy-out"), "probes", "no probe copy-in"),
    ("no sustained", without_probes("sustained", suite="core"), "probes", "no probe sustained/…"),
    ("no value", valueless("fma", "refused"), "probes", "no value of fma/float32: refused"),
    ("no reason", valueless("copy-in", None), "probes", "no value of copy-in: no reason stated"),
    ("noisy", spread(good(), 3, 0.1), "quiet", "3 of 24 timed cases are noisier than 2%"),
    ("nothing timed", with_no_times(), "quiet", "nothing was timed"),
    ("dirty", good(accel__commit="0123456", accel__dirty=True), "clean", "the source differs from commit 0123456"),
    ("label", good(label="reproduced"), "label", "a file does not say of itself"),
]  # fmt: skip


@pytest.mark.parametrize(("record", "rule", "expected"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_each_rule_is_broken_alone(record, rule, expected):
    assert result.problems(record) == []
    found = broken_by(record)
    assert list(found) == [rule]
    assert any(expected in text for text in found[rule]), found


@pytest.mark.parametrize(
    "record",
    [
        without_probes("sustained"),
        valueless("copy-in", "host and device share memory"),
        spread(good(), 2, 0.1),
        with_case(2, status="UNSUPPORTED"),
        with_case(2, status="SKIPPED_MEM"),
        with_case(2, status="FALLBACK"),
        good(accel__commit="0123456", accel__dirty=False),
    ],
    ids=["quick is not sustained", "copies with a reason", "few noisy", "unsupported", "skipped", "fallback", "commit"],
)
def test_what_the_rules_allow(record):
    assert broken_by(record) == {}


def test_flags_are_not_believed():
    record = spread(good(), 5, 0.1)
    for case in record["cases"]:
        case["flags"] = []
    record["run"]["max_noise"] = 0.5
    assert list(broken_by(record)) == ["quiet"]


def test_an_invalid_file_breaks_the_first_rule_and_is_asked_no_other():
    record = good()
    del record["host"]
    (outcome,) = submit.check(record, NOW)
    assert outcome.rule.name == "valid"
    assert outcome.complaints == ("the file: 'host' is a required property",)


def other(**changes):
    return good(2, run__started="2026-12-01T08:00:00Z", device__description="Another CPU", **changes)


def test_reproduced_by_equal_hashes():
    found = submit.reproduce(good(), other())
    assert (found.equal, found.different, found.apart, found.holds) == (24, (), {}, True)


def test_what_reproduces_nothing():
    assert submit.reproduce(good(), good()).complaints == ("the other file is of the same run",)
    odd = other()
    odd["cases"][5]["hash"] = synthetic.digest("other")
    found = submit.reproduce(good(), odd)
    assert found.different == (IDS[5],)
    assert found.complaints == (f"1 results have other bits: {IDS[5]}",)
    found = submit.reproduce(good(), other(run__seed=1))
    assert found.apart == {"seed 0 in A and 1 in B": 24}
    assert found.complaints == ("0 hashes agree, 20 at least are needed",)


def test_a_smaller_machine_may_leave_cases_out():
    small = other()
    for number in (0, 1):
        small["cases"][number] = synthetic.case(IDS[number], status="SKIPPED_MEM")
    del small["cases"][2]
    found = submit.reproduce(good(), small)
    assert found.equal == 21
    assert found.apart == {"SKIPPED_MEM in B": 2, "the other file does not have the case": 1}
    assert found.holds
    for number in (2, 3):
        small["cases"][number] = synthetic.case(small["cases"][number]["id"], status="SKIPPED_MEM")
    assert submit.reproduce(good(), small).complaints == ("19 hashes agree, 20 at least are needed",)


@pytest.fixture
def files(tmp_path):
    def write(**records):
        for name, record in records.items():
            result.save(tmp_path / f"{name}.json", record)
        return [tmp_path / f"{name}.json" for name in records]

    return write


def test_the_command_says_pass_or_fail_for_each_rule(files, accel_bench):
    (path,) = files(a=good())
    before = path.read_bytes()
    code, out, err = accel_bench("submit-check", path)
    assert (code, err) == (0, "")
    assert out.count("pass  ") == len(submit.RULES)
    assert "All 8 rules are met: it may be published, as unverified." in out
    (path,) = files(b=good(run__complete=False, accel__dirty=True))
    code, out, _ = accel_bench("submit-check", path)
    assert code == 1
    assert out.count("FAIL  ") == 2
    assert (
        "FAIL  complete: every case of the suite, not narrowed, none missing\n      incomplete: 24 of 24 cases" in out
    )
    assert "2 of 8 rules are not met." in out
    assert files(a=good())[0].read_bytes() == before


def test_the_command_against_another_file(files, accel_bench):
    odd = other()
    odd["cases"][5]["hash"] = synthetic.digest("other")
    a, b, c = files(a=good(), b=other(), c=odd)
    before = [path.read_bytes() for path in (a, b)]
    code, out, _ = accel_bench("submit-check", a, "--against", b)
    assert code == 0
    assert "against cpu (Another CPU): 24 hashes agree, 0 differ" in out
    assert 'Reproduced on cpu (Another CPU): its label may become "reproduced".' in out
    assert [path.read_bytes() for path in (a, b)] == before
    code, out, _ = accel_bench("submit-check", a, "--against", c)
    assert code == 1
    assert "FAIL  reproduced: 1 results have other bits" in out
    assert "may become" not in out
    (dirty,) = files(d=good(accel__dirty=True))
    code, out, _ = accel_bench("submit-check", dirty, "--against", b)
    assert code == 1
    assert "may become" not in out, "only what may be published at all is labelled"


def test_the_standard_states_every_rule_and_status():
    text = (Path(__file__).parents[3] / "docs" / "benchmark-standard.md").read_text(encoding="utf-8")
    for rule in submit.RULES:
        assert f"| {rule.name} |" in text
    for status in result.schema()["$defs"]["case"]["properties"]["status"]["enum"]:
        assert status in text
    for flag in result.schema()["$defs"]["case"]["properties"]["flags"]["items"]["enum"]:
        assert f"| {flag} |" in text


def test_json(files, accel_bench):
    a, b = files(a=good(), b=other())
    code, out, _ = accel_bench("submit-check", a, "--against", b, "--json")
    shown = json.loads(out)
    assert code == 0
    assert (shown["met"], shown["label"], shown["reproduction"]["equal"]) == (True, "reproduced", 24)
    assert [rule["name"] for rule in shown["rules"]] == [rule.name for rule in submit.RULES]
    assert json.loads(accel_bench("submit-check", a, "--json")[1])["label"] == "unverified"


def test_bad_files(bad_file, files, accel_bench):
    path, expected_code, expected = bad_file
    (fine,) = files(a=good())
    code, out, err = accel_bench("submit-check", fine, "--against", path)
    assert (code, out) == (expected_code, "")
    assert str(path) in err
    code, out, err = accel_bench("submit-check", path)
    if "valid result file" in expected:
        assert code == 1
        assert "FAIL  valid" in out
        assert "asked of valid files only" in out
    else:
        assert (code, out) == (expected_code, "")
        assert expected in err
        assert str(path) in err
    for arguments in ((path.parent / "none.json",), (fine, "--against", path.parent / "none.json")):
        code, _, err = accel_bench("submit-check", *arguments)
        assert code == 2
        assert "none.json' does not exist" in err


def test_what_is_current_is_that_of_the_installed_suites_and_probes():
    from accel.bench.cases import workload
    from accel.bench.machine import probes

    now = REAL_CURRENT()
    assert now.probe_version == probes.PROBE_VERSION
    assert set(now.suites) == set(workload.SUITES) >= set(submit.SHORT)
    for name, suite in workload.SUITES.items():
        assert now.suites[name] == suite.version
        assert list(now.cases(name)) == [case.id for case in workload.select(name)]

"""Result files: the schema against good and bad records, what it cannot say, and files that are none."""

from __future__ import annotations

import contextlib
import copy
import json
import math
import os
import re
import stat
import sys
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import synthetic
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.bench.result import compare, history, submit
from accel.bench.result import file as result
from accel.dtypes import TABLE
from accel.errors import AccelError, ArgumentError

STATUSES = (
    "PASS", "INCORRECT", "MISTRUSTED", "FALLBACK", "UNSUPPORTED", "SKIPPED_MEM", "OOM", "TIMEOUT", "CRASH", "SUSPECT",
)  # fmt: skip

ENERGY = {"joules": None, "source": None, "window_s": None, "reason": None}


def everything() -> dict[str, Any]:
    """A record with a case of every status, both kinds of unknowns, a baseline, energy and every optional entry."""
    cases = [synthetic.case(f"matmul {status}", status=status) for status in STATUSES]
    cases += [
        synthetic.case("exp launch", **{"class": "bound"}, roof=None, model="m", layer="l", phase="p", count=3),
        synthetic.case("add baseline", baselines={"numpy": synthetic.baseline(synthetic.samples(3))}),
        synthetic.case("max energy", energy=ENERGY | {"joules": 0.5, "source": "RAPL", "window_s": 1.5}),
        synthetic.case("max keywords", keywords={"axis": [0, 1], "keepdims": True}),
        synthetic.case("tan often", [1e-3] * 9, processes=[4, 5]),
        synthetic.case("sin unknown", status="UNSUPPORTED", **{"class": None}, cache="cold"),
    ]  # fmt: skip
    record = synthetic.result(cases)
    record["suite"]["filters"] |= {"cases": ["matmul"], "caches": ["warm"]}
    record["probes"].append(synthetic.probe("fma", "float64", None, "op/s", None) | {"dtype": "float64"})
    return record


def test_the_schema_is_one_and_describes_every_entry_with_its_unit():
    jsonschema.Draft202012Validator.check_schema(result.schema())
    undescribed, open_ended, described = [], [], 0

    def walk(node: Any, place: str) -> None:
        nonlocal described
        if isinstance(node, list):
            for number, inner in enumerate(node):
                walk(inner, f"{place}[{number}]")
        if not isinstance(node, dict):
            return
        for name, inner in node.get("properties", {}).items() if isinstance(node.get("properties"), dict) else ():
            described += 1
            text = inner.get("description", "")
            if not text:
                undescribed.append(f"{place}.{name}")
            for suffix, unit in (("_s", "seconds"), ("_hz", "Hz"), ("_w", "watts"), ("_bytes", "bytes")):
                if name.endswith(suffix) and unit.lower() not in text.lower():
                    undescribed.append(f"{place}.{name} has no unit")
        if "properties" in node and "additionalProperties" not in node and "type" in node:
            open_ended.append(place)
        for name, inner in node.items():
            walk(inner, f"{place}.{name}")

    walk(result.schema(), "")
    assert undescribed == []
    assert open_ended == []
    assert described > 100


def test_the_schema_knows_what_the_library_knows():
    definitions = result.schema()["$defs"]
    assert definitions["dtype"]["enum"] == list(TABLE)
    assert tuple(definitions["case"]["properties"]["status"]["enum"]) == STATUSES


def test_round_trip(tmp_path):
    record = everything()
    assert result.problems(record) == []
    path = tmp_path / "a.json"
    result.save(path, record)
    assert result.load(path) == record
    assert os.listdir(tmp_path) == ["a.json"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_the_validator_is_the_published_schema():
    """The shortcut for samples changes no answer."""
    plain = jsonschema.Draft202012Validator(result.schema())
    for bad in (0, -1.0, 1e-16, 1e10, "1", None, True, [1.0], 1):
        record = synthetic.result()
        record["cases"][0]["samples_s"][3] = bad
        assert bool(list(plain.iter_errors(record))) == (bad != 1 or bad is True)
        found = [text for text in result.problems(record) if "samples_s[3]" in text]
        assert bool(found) == (bad != 1 or bad is True)


def leaves(node: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of all entries below a node."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, inner in items:
        yield (*place, name)
        yield from leaves(inner, (*place, name))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FEW = synthetic.result([synthetic.case(f"x {s}", [1e-3, 2e-3], status=s) for s in ("PASS", "SUSPECT", "OOM")])
PLACES = sorted(leaves(FEW), key=repr)


def test_whatever_an_entry_is_replaced_with_is_judged_and_never_raises():
    """And where the record stays valid, everything that reads it can."""
    kept = 0

    @settings(max_examples=300)
    @given(st.sampled_from(PLACES), JSON)
    def replaced(place, value):
        nonlocal kept
        record = copy.deepcopy(FEW)
        node = record
        for step in place[:-1]:
            node = node[step]
        node[place[-1]] = value
        if result.problems(record):
            return
        kept += 1
        now = submit.Current({"quick": 1}, lambda name: [case["id"] for case in FEW["cases"]], 1)
        for a, b in ((FEW, record), (record, FEW)):
            with contextlib.suppress(result.IncompatibleError):
                compare.compare(a, b).to_json()
            submit.reproduce(a, b)
        submit.check(record, now)
        history.history([history.Entry("a", FEW), history.Entry("b", record)])

    replaced()
    assert kept > 5, "some replacements leave a valid record"


@pytest.mark.parametrize("place", ["", "suite", "run", "accel", "host", "device", "suite.filters", "device.clock_hz"])
def test_entries_are_neither_missing_nor_more(place):
    for step in ("missing", "more"):
        record = everything()
        node = record
        for name in filter(None, place.split(".")):
            node = node[name]
        needed = [name for name in node if name not in ("cases", "caches")] if place == "suite.filters" else list(node)
        for name in needed if step == "missing" else ["nonsense"]:
            changed = copy.deepcopy(record)
            inner = changed
            for below in filter(None, place.split(".")):
                inner = inner[below]
            if step == "missing":
                del inner[name]
            else:
                inner[name] = 1
            assert any(name in text for text in result.problems(changed)), (place, name)


def test_entries_of_cases_and_probes_are_neither_missing_nor_more():
    for rows in ("cases", "probes"):
        for name in everything()[rows][0]:
            record = everything()
            del record[rows][0][name]
            assert result.problems(record) == [f"{rows}[0]: {name!r} is a required property"]
        record = everything()
        record[rows][0]["nonsense"] = 1
        (text,) = result.problems(record)
        assert "nonsense" in text


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("label", {"label": "official"}, "label: 'official'"),
    ("date", {"run__started": "25 November"}, "run.started"),
    ("seed", {"run__seed": "0"}, "run.seed"),
    ("probe version", {"probe_version": 0}, "probe_version"),
    ("variable", {"environment": {"lower": "x"}}, "environment"),
    ("fewer", {"suite__cases": 3}, "run.complete: true, but 1 of the suite's 3 cases"),
    ("more", {"suite__cases": 0, "run__complete": False}, "cases: 1, but the suite has 0"),
]


@pytest.mark.parametrize(("changes", "expected"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_heads(changes, expected):
    assert any(expected in text for text in result.problems(synthetic.result(**changes)))


BAD_CASES: list[tuple[str, dict[str, Any], str]] = [
    ("status", {"status": "FINE", "samples_s": []}, "'FINE' is not one of"),
    ("path", {"path": "magic"}, "'magic' is not one of"),
    ("flag", {"flags": ["odd"]}, "'odd' is not one of"),
    ("class", {"class": "good"}, "'good' is not one of"),
    ("hash form", {"hash": "md5:0"}, "'md5:0' does not match"),
    ("cache", {"cache": "hot"}, "'hot' is not one of"),
    ("layout", {"operands": [{"shape": [1], "dtype": "float32", "layout": "odd", "values": "normal"}]}, "'odd'"),
    ("dtype", {"dtype": "float128"}, "'float128' is not one of"),
    ("timed without samples", {"samples_s": [], "median_s": None, "interval_s": None}, "none, but PASS is timed"),
    ("samples of untimed", {"status": "TIMEOUT"}, "but TIMEOUT is not timed"),
    ("median", {"median_s": 2e-3, "roof": None}, "median_s: 0.002, but that of the samples is 0.001"),
    ("no median", {"median_s": None, "roof": None}, "median_s: None, but that of the samples"),
    ("interval", {"interval_s": [1e-4, 2e-3]}, "but that of the samples is ["),
    ("no interval", {"interval_s": None}, "interval_s: None, but"),
    ("fewer in processes", {"processes": [4, 4]}, "processes: [4, 4], but there are 9 samples"),
    ("an idle process", {"processes": [9, 0]}, "processes[1]: 0 is less than the minimum"),
    ("interval of one process", {"samples_s": [1e-3] * 9 + [2e-3] * 3, "processes": [9, 3]}, "is [0.001, 0.002]"),
    ("hash of bits", {"hash": None}, "hash: null, but the class is bits"),
    ("hash of exact", {"hash": None, "class": "exact"}, "hash: null, but the class is exact"),
    ("hash of bound", {"hash": synthetic.digest("x"), "class": "bound"}, "which promises no bits"),
    ("silent fallback", {"path": "fallback"}, "status: PASS, but the path is fallback"),
    ("roof", {"roof": {"bound": "compute", "probe": "fma/int8", "seconds": 1e-3, "share": 1.0}}, "none of the probes"),
    ("energy", {"energy": ENERGY}, "either joules or a reason"),
    ("energy's window", {"energy": ENERGY | {"joules": 1.0}}, "joules without their source or window_s"),
    ("peer", {"baselines": {"numpy": {"samples_s": [1.0], "median_s": 2.0, "note": None}}}, "baselines.numpy.median_s"),
    ("path of the machine", {"detail": "see /usr/lib/x.so"}, "cases[0].detail: 'see /usr/lib/x.so' looks like a path"),
]


@pytest.mark.parametrize(("changes", "expected"), [row[1:] for row in BAD_CASES], ids=[row[0] for row in BAD_CASES])
def test_bad_cases(changes, expected):
    good = synthetic.case("matmul x", [1e-3] * 9)
    assert result.problems(synthetic.result([good])) == []
    found = result.problems(synthetic.result([good | changes]))
    assert any(expected in text for text in found), found
    assert all(text.startswith("cases[0]") for text in found)


def test_shares_above_the_limit_are_suspect_and_no_others():
    def with_share(status: str, share: float, stated: float | None = None) -> list[str]:
        roof = {"bound": "compute", "probe": "fma/float32", "seconds": share * 1e-3, "share": stated or share}
        return result.problems(synthetic.result([synthetic.case("a", [1e-3] * 9, status=status, roof=roof)]))

    assert with_share("PASS", 1.05) == []
    assert with_share("SUSPECT", 1.06) == []
    assert "PASS with 1.06 of its roof" in with_share("PASS", 1.06)[0]
    assert "SUSPECT, but the share of the roof is 1.05" in with_share("SUSPECT", 1.05)[0]
    assert "roof.share: 1.05, but seconds over the median is 1.4" in with_share("PASS", 1.4, stated=1.05)[0]


def test_ids_are_unique():
    record = synthetic.result([synthetic.case("a"), synthetic.case("a"), synthetic.case("b")])
    record["probes"].append(copy.deepcopy(record["probes"][0]))
    assert result.problems(record) == [
        "probes: the id 'read/16384' is used 2 times",
        "cases: the id 'a' is used 2 times",
    ]


def test_sorted_samples_have_lost_their_order():
    record = synthetic.run(5)
    assert result.problems(record) == []
    for case in record["cases"][:3]:
        case["samples_s"].sort()
    assert any("sorted in 3 of 5 cases" in text for text in result.problems(record))
    for case in record["cases"][:3]:
        case["samples_s"].reverse()
    assert result.problems(record) == [], "descending: a device that warms up"
    for case in record["cases"][:2]:
        case["samples_s"].sort()
    assert result.problems(record) == [], "two of five may have drifted"


@pytest.mark.parametrize(
    "text",
    [
        "/tmp/a", "/opt", "C:\\Users\\a", "D:/x", "in /home/someone", "at \\Users\\x", 'File "/usr/lib/x.py", line 3',
        "~/x", "cannot open:/etc/x/y", "-o=/var/tmp/x", "/Users/someone/x",
    ],
)  # fmt: skip
def test_paths_are_found_wherever_they_are(text):
    for place in ("environment", "details", "key", "arguments", "source"):
        record = synthetic.result()
        if place == "environment":
            record["environment"]["ACCEL_CACHE_DIR"] = text
        elif place == "details":
            record["device"]["details"]["icd"] = [text]
        elif place == "key":
            record["device"]["details"][text] = 1
        elif place == "arguments":
            record["run"]["arguments"].append(text)
        else:
            record["cases"][0]["source"] = text
        (found,) = result.problems(record)
        assert "looks like a path" in found


@pytest.mark.parametrize(
    "text",
    [
        "llama-3-8b/mlp.up/prefill-512 matmul float32 cold", "https://example.org/a/b/c", "config/AFNO.yaml",
        "read/write", "1 / 2", "op/s", "5 of 7 B/s", "bound a/b/c", "GPL/MIT", "n/a", "ratio: x/y/z", "C: no",
        "Intel(R)/AMD",
    ],
)  # fmt: skip
def test_slashes_alone_are_no_path(text):
    assert result.problems(synthetic.result([synthetic.case(source=text)])) == []


def test_texts_do_not_steer_the_terminal(accel_bench, tmp_path):
    record = synthetic.result([synthetic.case("a\x1b[2J", op="add", detail="two\nlines\tand a tab")])
    assert result.problems(record) == ["cases[0].id: 'a\\x1b[2J' has a control character"]
    record["cases"][0]["hash"] = None
    record["device"]["details"]["\x1b[31m"] = "/home/x"
    result.save(tmp_path / "a.json", record)
    code, out, err = accel_bench("validate", tmp_path / "a.json")
    assert code == 2
    assert out.count("looks like a path") == 1
    assert "\x1b" not in out + err


def test_load_says_what_is_wrong_with_a_file(bad_file):
    path, code, expected = bad_file
    with pytest.raises(ArgumentError, match=re.escape(expected)) as raised:
        result.load(path)
    assert str(path) in str(raised.value)
    assert isinstance(raised.value, result.IncompatibleError) == (code == 6)


def test_every_truncation_is_refused(tmp_path):
    whole = json.dumps(synthetic.result())
    path = tmp_path / "cut.json"
    for end in range(0, len(whole), 97):
        path.write_text(whole[:end], encoding="utf-8")
        with pytest.raises(ArgumentError, match=r"cut\.json"):
            result.load(path)
    path.write_text(whole, encoding="utf-8")
    assert result.load(path) == synthetic.result()


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "latin.json").write_bytes(b'{"schema": "\xe9"}')
    for name, expected in (("none.json", "No such file"), ("latin.json", "UTF-8"), (".", "Is a directory")):
        with pytest.raises(ArgumentError, match=expected):
            result.load(tmp_path / name)


def test_saving_is_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.json"
    result.save(path, synthetic.result())
    before = path.read_bytes()
    with pytest.raises(ValueError, match="Out of range float"):
        result.save(path, synthetic.result(run__seconds=math.nan))
    with pytest.raises(TypeError):
        result.save(path, {"a": object()})
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.json"]
    with pytest.raises(ArgumentError, match=r"none/a\.json: cannot be written: No such file"):
        result.save(tmp_path / "none" / "a.json", synthetic.result())


def test_a_failing_replace_leaves_nothing_behind(tmp_path):
    (tmp_path / "a.json").mkdir()
    with pytest.raises(ArgumentError, match="cannot be written"):
        result.save(tmp_path / "a.json", synthetic.result())
    assert os.listdir(tmp_path) == ["a.json"]


def test_without_jsonschema_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    with pytest.raises(AccelError, match=r'jsonschema: pip install .*"jsonschema>=4.20" '):
        result.problems(synthetic.result())


def test_work_is_what_is_computed():
    a = synthetic.case("a")
    assert result.work(a) == result.work(a | {"id": "b", "hash": None, "count": 9})
    operands = copy.deepcopy(a["operands"])
    operands[0]["layout"] = "transposed"
    for change in (
        {"op": "add"},
        {"dtype": "float64"},
        {"cache": "cold"},
        {"keywords": {"x": 1}},
        {"operands": operands},
    ):
        assert result.work(a) != result.work(a | change)


def test_validate_says_valid(accel_bench, tmp_path):
    path = tmp_path / "good.json"
    result.save(path, everything())
    assert accel_bench("validate", path) == (0, f"{path}: valid\n", "")


def test_validate_lists_every_problem_of_every_file(accel_bench, tmp_path):
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    result.save(good, everything())
    record = everything()
    for case in record["cases"][:5]:
        case["kernel"] = "/usr/lib/kernel"
    result.save(bad, record)
    code, out, _ = accel_bench("validate", good, bad)
    assert code == 2
    assert out.startswith(f"{good}: valid\n{bad}: NOT valid\n")
    assert out.count("looks like a path") == 5
    code, out, _ = accel_bench("validate", good, bad, "--json")
    assert code == 2
    shown = json.loads(out)
    assert [row["valid"] for row in shown["files"]] == [True, False]
    assert len(shown["files"][1]["problems"]) == 5


def test_validate_bad_files(accel_bench, bad_file):
    path, code, expected = bad_file
    got, out, err = accel_bench("validate", path)
    assert got == code
    assert err == ""
    assert out.startswith(f"{path}: NOT valid\n")
    if "valid result file" not in expected:
        assert expected in out


def test_validate_needs_files_that_are_there(accel_bench, tmp_path):
    code, _, err = accel_bench("validate", tmp_path / "none.json")
    assert code == 2
    assert "none.json' does not exist" in err
    code, _, err = accel_bench("validate")
    assert code == 2
    assert "Missing argument 'FILE…'" in err
